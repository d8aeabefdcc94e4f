// Package blocklist has the table of well-known blocklists in the DNS (RFC 5782),
// and asks them. A list is believed only if its test points say that it works: one
// that lists everything, as dead ones do, or refuses to answer, is left out, with
// the reason. Being left out is never the same as not being listed.
package blocklist

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
)

// Kind is what a list has.
type Kind string

// The kinds.
const (
	Address Kind = "address"
	Domain  Kind = "domain"
)

// Weight is how much a listing costs.
type Weight int

// The weights.
const (
	Slight Weight = iota // few receivers look at it, or at it alone
	Heavy                // many receivers refuse mail for it
)

// List is a blocklist.
type List struct {
	Zone   string
	Name   string
	Kind   Kind
	Weight Weight
	IPv6   bool // it has IPv6 addresses
	// Own: it was named by the administrator. Whether it has IPv6 addresses is found out
	// by its test point for them.
	Own bool
	// Codes explains answers, by the whole address or, for lists that add up bits, by the bit in the last octet.
	Codes map[string]string
	Bits  map[int]string
	// NotListed are answers that are no listing, with what they mean.
	NotListed map[string]string
	// Refusals are answers by which the list refuses to say, with the reason.
	Refusals map[string]string
	// Listed is what must be listed, and Free what must not be; "": as RFC 5782 5 has it.
	Listed, Free string
	Delist       string // where to ask for removal
	Note         string // what one should know about the list
}

// State is what a list says of a thing.
type State string

// The states.
const (
	Clean   State = "clean"
	Listed  State = "listed"
	Unknown State = "unknown"
)

// Result is what a list says of one address or domain.
type Result struct {
	List    List
	Subject string
	State   State
	Codes   []string // the answers, explained
	Reason  string   // the list's own text, or why it is unknown
}

// Check asks the lists for addresses and domains: each list its test points first,
// and then each question once. Results come in the order of the lists.
func Check(ctx context.Context, d *lookup.DNS, lists []List, addrs []netip.Addr, domains []string) []Result {
	results := make([][]Result, len(lists))
	var group sync.WaitGroup
	for i, l := range lists {
		group.Go(func() {
			defer func() { // a daemon that mail goes through asks as well
				if v := recover(); v != nil {
					results[i] = []Result{{List: l, Subject: l.Zone, State: Unknown, Reason: fmt.Sprintf("a mistake in pratique: %v", v)}}
				}
			}()
			results[i] = l.check(ctx, d, addrs, domains)
		})
	}
	group.Wait()
	var all []Result
	for _, r := range results {
		all = append(all, r...)
	}
	return all
}

// question is a thing that a list is asked for.
type question struct {
	name, subject string
	trouble       string // why the list is not to be believed about it
}

// questions are those for a list: its test points have been asked for.
func (l List) questions(ctx context.Context, d *lookup.DNS, addrs []netip.Addr, domains []string) []question {
	var all []question
	if l.Kind == Domain {
		for _, domain := range domains {
			all = append(all, question{name: domain + "." + l.Zone, subject: domain})
		}
		return all
	}
	for _, addr := range addrs {
		q := question{name: lookup.Reversed(addr) + "." + l.Zone, subject: addr.String()}
		has := true
		if addr.Is6() {
			has, q.trouble = l.test6(ctx, d)
		}
		if has {
			all = append(all, q)
		}
	}
	return all
}

// mostFailures is how many questions in a row may fail until a list is asked no more:
// each of them takes the time of several tries.
const mostFailures = 3

func (l List) check(ctx context.Context, d *lookup.DNS, addrs []netip.Addr, domains []string) []Result {
	if l.Kind == Domain && len(domains) == 0 || l.Kind == Address && len(addrs) == 0 {
		return nil
	}
	trouble := l.test(ctx, d)
	failures := 0
	var results []Result
	for _, q := range l.questions(ctx, d, addrs, domains) {
		r := Result{List: l, Subject: q.subject, State: Unknown, Reason: cmp.Or(trouble, q.trouble)}
		if r.Reason == "" && failures == mostFailures {
			r.Reason = "it does not answer any more, and was asked no further"
		}
		if r.Reason == "" {
			l.ask(ctx, d, q.name, &r)
			failures++
			if r.State != Unknown {
				failures = 0
			}
		}
		results = append(results, r)
	}
	return results
}

// test6 reports whether a list has IPv6 addresses, and why it is not to be believed
// about them (RFC 5782 5: ::FFFF:7F00:2 must be listed, ::FFFF:7F00:1 must not be).
func (l List) test6(ctx context.Context, d *lookup.DNS) (has bool, trouble string) {
	point := func(last byte) string {
		return lookup.Reversed(netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 127, 15: last})) + "." + l.Zone
	}
	switch {
	case l.IPv6:
	case !l.Own:
		return false, ""
	default:
		there, err := d.Ask(ctx, point(2), dns.TypeA)
		if err == nil && len(l.read(there).listed) == 0 {
			return false, ""
		}
	}
	absent, err := d.Ask(ctx, point(1), dns.TypeA)
	switch codes := l.read(absent); {
	case err != nil:
		return true, "it does not answer: " + err.Error()
	case len(codes.listed) > 0 || len(codes.strange) > 0:
		return true, "it lists ::FFFF:7F00:1, which must not be listed (RFC 5782 5): it lists every IPv6 address"
	}
	return true, ""
}

// testPoints returns what must be listed, and what must not be (RFC 5782 5).
func (l List) testPoints() (listed, free string) {
	listed, free = "2.0.0.127", "1.0.0.127"
	if l.Kind == Domain {
		listed, free = "test", "invalid"
	}
	if l.Listed != "" {
		listed = l.Listed
	}
	if l.Free != "" {
		free = l.Free
	}
	return listed + "." + l.Zone, free + "." + l.Zone
}

// test says why a list is not to be believed, or returns "".
func (l List) test(ctx context.Context, d *lookup.DNS) string {
	listed, free := l.testPoints()
	there, err := d.Ask(ctx, listed, dns.TypeA)
	if err != nil {
		return "it does not answer: " + err.Error()
	}
	if why := l.refusal(there); why != "" {
		return why
	}
	if len(there.Records) == 0 {
		return fmt.Sprintf("it has no entry for its test point %s, which must be listed (RFC 5782 5): the list is dead or empty, or does not answer us", listed)
	}
	absent, err := d.Ask(ctx, free, dns.TypeA)
	if err != nil {
		return "it does not answer: " + err.Error()
	}
	if len(l.read(absent).listed) > 0 || len(l.read(absent).strange) > 0 {
		return fmt.Sprintf("it lists %s, which must not be listed (RFC 5782 5): it lists everything, as dead lists do", free)
	}
	return ""
}

// refusal says that a list refuses to answer, or that its answers can't be one's, or returns "".
func (l List) refusal(a lookup.Answer) string {
	codes := l.read(a)
	if codes.refused != "" {
		return codes.refused
	}
	if len(codes.strange) > 0 {
		return fmt.Sprintf("it answers %s, which no blocklist does: the zone was given up, and belongs to somebody else, or a resolver makes the answer up", strings.Join(codes.strange, ", "))
	}
	return ""
}

// codes are the answers of a list, sorted by what they are.
type codes struct {
	listed  []string // explained
	strange []string // outside 127.0.0.0/8
	refused string
}

// read reads the answers of a list.
func (l List) read(a lookup.Answer) codes {
	var c codes
	for _, rr := range a.Records {
		addr, ok := netip.AddrFromSlice(rr.(*dns.A).A.To4())
		if !ok {
			continue
		}
		text := addr.String()
		octets := addr.As4()
		switch {
		case octets[0] != 127:
			c.strange = append(c.strange, text)
		case l.Refusals[text] != "":
			c.refused = fmt.Sprintf("it refuses to answer (%s): %s", text, l.Refusals[text])
		case octets[1] == 255 && octets[2] == 255:
			c.refused = fmt.Sprintf("it refuses to answer (%s): %s", text, refusedCode(text))
		case l.NotListed[text] != "":
		default:
			c.listed = append(c.listed, l.explain(text, int(octets[3])))
		}
	}
	return c
}

// refusedCode explains codes by which Spamhaus, and others after it, refuse.
func refusedCode(code string) string {
	switch code {
	case "127.255.255.252":
		return "the name of the list is mistyped"
	case "127.255.255.254":
		return "the question came by a public resolver; use one of your own"
	case "127.255.255.255":
		return "too many questions came from this resolver, or it has no account there"
	}
	return "an error of the list's own"
}

// explain says what an answer means.
func (l List) explain(code string, last int) string {
	if text := l.Codes[code]; text != "" {
		return code + ": " + text
	}
	var parts []string
	for bit := 1; bit < 256; bit <<= 1 {
		if text := l.Bits[bit]; text != "" && last&bit != 0 {
			parts = append(parts, text)
		}
	}
	if len(parts) > 0 {
		return code + ": " + strings.Join(parts, ", ")
	}
	return code
}

// ask asks for one thing.
func (l List) ask(ctx context.Context, d *lookup.DNS, name string, r *Result) {
	answer, err := d.Ask(ctx, name, dns.TypeA)
	if err != nil {
		r.Reason = "it does not answer: " + err.Error()
		return
	}
	if r.Reason = l.refusal(answer); r.Reason != "" {
		return
	}
	r.Codes = l.read(answer).listed
	if len(r.Codes) == 0 {
		r.State = Clean
		return
	}
	r.State = Listed
	if texts, _, err := d.Texts(ctx, name); err == nil && len(texts) > 0 {
		r.Reason = texts[0].String()
	}
}
