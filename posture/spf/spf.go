// Package spf evaluates SPF records (RFC 7208) and says why they come out as they
// do: which term matched, which one is wrong, where the look-ups went. It also
// surveys a record as a whole, as if no term ever matched, which is what counts for
// the owner of a domain; an evaluation for one address may never reach a mistake.
//
// The evaluation has an oracle in its tests: blitiri.com.ar/go/spf, which tells only
// the result, and the test suite of RFC 7208.
package spf

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
)

// Result is the outcome of an evaluation (RFC 7208 2.6).
type Result string

// The results.
const (
	None      Result = "none"
	Neutral   Result = "neutral"
	Pass      Result = "pass"
	Fail      Result = "fail"
	SoftFail  Result = "softfail"
	TempError Result = "temperror"
	PermError Result = "permerror"
)

// Limits of an evaluation (RFC 7208 4.6.4).
const (
	MaxLookups = 10 // terms that ask the DNS
	MaxVoids   = 2  // of these, with no answer
	maxNames   = 10 // names of one mx or ptr
)

// Sender is what is evaluated for.
type Sender struct {
	Addr  netip.Addr
	Local string // of MAIL FROM; "": postmaster
	// Domain is that of MAIL FROM, for the macros o and s; "": the domain whose
	// record is evaluated.
	Domain string
	Helo   string
	// Lenient does not count it as a look-up that finds nothing if a name has
	// addresses of the other kind only. RFC 7208 counts queries; receivers differ.
	Lenient bool
}

// Verdict is the outcome of an evaluation, and what brought it about.
type Verdict struct {
	Result  Result
	Domain  string // whose record has the term
	Term    string // that matched or is wrong; "": none did
	Text    string // in words
	Lookups int
	Voids   int
}

// Check evaluates the record of a domain for a sender (check_host, RFC 7208 4).
func Check(ctx context.Context, d *lookup.DNS, s Sender, domain string) Verdict {
	if s.Local == "" {
		s.Local = "postmaster"
	}
	if s.Domain == "" {
		s.Domain = domain
	}
	s.Addr = s.Addr.Unmap()
	e := &evaluation{ctx: ctx, dns: d, sender: s}
	v := e.host(strings.TrimSuffix(domain, "."))
	v.Lookups, v.Voids = e.lookups, e.voids
	return v
}

// evaluation is one run of check_host with all that it includes.
type evaluation struct {
	ctx            context.Context
	dns            *lookup.DNS
	sender         Sender
	lookups, voids int
	validated      []string // names of the address, for ptr and %{p}
	validatedOnce  bool
}

// host is check_host for one domain.
func (e *evaluation) host(domain string) Verdict {
	v := Verdict{Domain: domain}
	if !wellFormed(domain) {
		return v.is(None, "it is no domain name of several labels")
	}
	found, err := find(e.ctx, e.dns, domain)
	switch {
	case err != nil:
		return v.is(TempError, err.Error())
	case found.none():
		return v.is(None, "there is no SPF record")
	case len(found.records) > 1:
		return v.is(PermError, fmt.Sprintf("there are %d SPF records, and there may be one (RFC 7208 4.5)", len(found.records)))
	}
	record, problems := parse(found.records[0].String())
	if len(problems) > 0 {
		v.Term = problems[0].term
		return v.is(PermError, problems[0].text)
	}
	return e.terms(domain, record)
}

func (v Verdict) is(r Result, text string) Verdict {
	v.Result, v.Text = r, text
	return v
}

// terms evaluates the terms of a record in their order (RFC 7208 4.6.2).
func (e *evaluation) terms(domain string, r record) Verdict {
	for _, t := range r.mechanisms {
		v := Verdict{Domain: domain, Term: t.text}
		if t.asks() && !e.count() {
			return v.is(PermError, fmt.Sprintf("it is look-up number %d, and %d is the limit (RFC 7208 4.6.4)", MaxLookups+1, MaxLookups))
		}
		matched, failed := e.match(domain, t)
		if failed != nil {
			if failed.Term == "" && failed.Domain == "" {
				failed.Domain, failed.Term = v.Domain, v.Term
			}
			return *failed
		}
		if matched {
			return v.is(t.result(), "matches")
		}
	}
	if r.redirect == nil {
		return Verdict{Domain: domain, Result: Neutral, Text: "no term matches"}
	}
	return e.redirect(domain, *r.redirect)
}

// count counts a look-up, and reports whether it is within the limit.
func (e *evaluation) count() bool {
	e.lookups++
	return e.lookups <= MaxLookups
}

func (e *evaluation) redirect(domain string, t term) Verdict {
	v := Verdict{Domain: domain, Term: t.text}
	if !e.count() {
		return v.is(PermError, fmt.Sprintf("it is look-up number %d, and %d is the limit (RFC 7208 4.6.4)", MaxLookups+1, MaxLookups))
	}
	target := e.expand(t.spec, domain)
	found := e.host(target)
	if found.Result == None {
		return v.is(PermError, fmt.Sprintf("it leads to %s, and %s there (RFC 7208 6.1)", target, found.Text))
	}
	return found
}

// failure is an error of a mechanism, whose domain and term are filled in above.
func failure(r Result, format string, args ...any) *Verdict {
	return &Verdict{Result: r, Text: fmt.Sprintf(format, args...)}
}

// match evaluates one mechanism (RFC 7208 5).
func (e *evaluation) match(domain string, t term) (bool, *Verdict) {
	switch t.name {
	case "all":
		return true, nil
	case "ip4", "ip6":
		return t.prefix.Contains(e.sender.Addr), nil
	}
	target := domain
	if t.spec != "" {
		target = e.expand(t.spec, domain)
	}
	switch t.name {
	case "include":
		return e.include(target)
	case "a":
		return e.hasAddress(target, t, true)
	case "mx":
		return e.mx(target, t)
	case "exists":
		return e.exists(target)
	}
	return e.ptr(target)
}

// include evaluates another record (RFC 7208 5.2).
func (e *evaluation) include(target string) (bool, *Verdict) {
	v := e.host(target)
	switch v.Result {
	case Pass:
		return true, nil
	case TempError, PermError:
		return false, &v
	case None:
		return false, failure(PermError, "%s is included, and %s there (RFC 7208 5.2)", target, v.Text)
	}
	return false, nil
}

// void counts an answer without records.
func (e *evaluation) void(what, target string) *Verdict {
	e.voids++
	if e.voids <= MaxVoids {
		return nil
	}
	return failure(PermError, "the %s of %s is the look-up number %d that finds nothing, and %d is the limit (RFC 7208 4.6.4)", what, target, e.voids, MaxVoids)
}

// hasAddress reports whether the sender's address is one of a name's (RFC 7208 5.3).
func (e *evaluation) hasAddress(target string, t term, counts bool) (bool, *Verdict) {
	addrs, err := e.dns.Addresses(e.ctx, target, e.sender.Addr)
	if err != nil {
		return false, failure(TempError, "%v", err)
	}
	if len(addrs) == 0 && counts && !(e.sender.Lenient && e.otherKind(target)) {
		return false, e.void("address", target)
	}
	for _, addr := range addrs {
		if within(e.sender.Addr, addr, t.bits(addr)) {
			return true, nil
		}
	}
	return false, nil
}

// otherKind reports whether a name has addresses of the kind that the sender's is not.
func (e *evaluation) otherKind(target string) bool {
	other := netip.IPv4Unspecified()
	if e.sender.Addr.Is4() {
		other = netip.IPv6Unspecified()
	}
	addrs, err := e.dns.Addresses(e.ctx, target, other)
	return err == nil && len(addrs) > 0
}

func within(addr, network netip.Addr, bits int) bool {
	prefix, err := network.Prefix(bits)
	return err == nil && prefix.Contains(addr)
}

// mx evaluates the mail exchangers of a name (RFC 7208 5.4).
func (e *evaluation) mx(target string, t term) (bool, *Verdict) {
	exchangers, err := e.dns.Exchangers(e.ctx, target)
	if err != nil {
		return false, failure(TempError, "%v", err)
	}
	if len(exchangers) == 0 {
		return false, e.void("MX", target)
	}
	if len(exchangers) > maxNames {
		return false, failure(PermError, "%s has %d MX records, and %d is the limit (RFC 7208 4.6.4)", target, len(exchangers), maxNames)
	}
	for _, mx := range exchangers {
		if matched, failed := e.hasAddress(mx.Mx, t, false); matched || failed != nil {
			return matched, failed
		}
	}
	return false, nil
}

// exists looks for any A record (RFC 7208 5.7).
func (e *evaluation) exists(target string) (bool, *Verdict) {
	answer, err := e.dns.Ask(e.ctx, target, dns.TypeA)
	if err != nil {
		return false, failure(TempError, "%v", err)
	}
	if len(answer.Records) == 0 {
		return false, e.void("A", target)
	}
	return true, nil
}

// ptr holds the validated names of the address against a domain (RFC 7208 5.5).
func (e *evaluation) ptr(target string) (bool, *Verdict) {
	names, failed := e.names()
	if failed != nil {
		return false, failed
	}
	for _, name := range names {
		if below(name, target) {
			return true, nil
		}
	}
	return false, nil
}

// names returns the names of the address that lead back to it. Errors in the
// reverse zone are nobody's fault who published the record.
func (e *evaluation) names() ([]string, *Verdict) {
	if e.validatedOnce {
		return e.validated, nil
	}
	e.validatedOnce = true
	names, _, err := e.dns.Names(e.ctx, e.sender.Addr)
	if err == nil && len(names) == 0 {
		return nil, e.void("PTR", e.sender.Addr.String())
	}
	for _, name := range names[:min(maxNames, len(names))] {
		if addrs, err := e.dns.Addresses(e.ctx, name, e.sender.Addr); err == nil {
			for _, addr := range addrs {
				if addr == e.sender.Addr {
					e.validated = append(e.validated, name)
				}
			}
		}
	}
	return e.validated, nil
}

// below reports whether a name is a domain or lies below it.
func below(name, domain string) bool {
	name, domain = strings.ToLower(strings.TrimSuffix(name, ".")), strings.ToLower(strings.TrimSuffix(domain, "."))
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// wellFormed holds a domain to what check_host begins with (RFC 7208 4.3).
func wellFormed(domain string) bool {
	if !lookup.Valid(domain) || !strings.Contains(domain, ".") || strings.ContainsAny(domain, "[]") {
		return false
	}
	_, err := netip.ParseAddr(domain)
	return err != nil
}
