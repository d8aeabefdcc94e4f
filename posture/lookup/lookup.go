// Package lookup asks the DNS for what the audit needs, as a receiver of mail
// would: through a recursive resolver. Each question is put once, and what was
// answered is remembered for as long as the audit lasts.
//
// What lives here tells three things apart, always: there are records, there are
// none, and it is not known. An error means the last; nothing else does.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Exchanger puts a question to a recursive resolver, and returns its answer
// whatever it says. A *records.Resolver is one.
type Exchanger interface {
	Exchange(ctx context.Context, question *dns.Msg) (*dns.Msg, error)
}

// DNS asks and remembers. It may be used by several goroutines.
type DNS struct {
	exchanger Exchanger
	turn      chan struct{} // a place for each question under way

	mu    sync.Mutex
	asked map[question]*entry

	// instead are answers in place of those that another DNS has, which is asked for all else.
	instead map[question]Answer
	other   *DNS
}

type question struct {
	name string
	kind uint16
}

// entry is an answer, or one to come.
type entry struct {
	done   chan struct{}
	answer Answer
	err    error
}

// New returns a DNS that has not asked anything yet, and has so many questions
// under way at a time, at most.
func New(e Exchanger, parallel int) *DNS {
	return &DNS{exchanger: e, turn: make(chan struct{}, parallel), asked: map[question]*entry{}}
}

// Answer is what the DNS says of a name. Without Records, it says that there are none.
type Answer struct {
	Name          string   // where the records are: the name asked for, or the one that its CNAMEs lead to
	Aliases       []string // the names on the way there, if there are CNAMEs
	Records       []dns.RR // of the kind that was asked for
	Missing       bool     // the name does not exist at all (NXDOMAIN)
	Authenticated bool     // the resolver has verified this by DNSSEC (the AD bit)
	Octets        int      // size of the message
	Zone          string   // that has the name, as far as the message says so (its SOA record)
}

// Failure is why it is not known what the DNS has.
type Failure struct {
	Name, Kind string
	Text       string
	// Bogus: the zone answers, but its DNSSEC signatures are wrong.
	Bogus bool
}

func (f *Failure) Error() string {
	return fmt.Sprintf("the %s of %s is not known: %s", f.Kind, f.Name, f.Text)
}

// maxAliases bounds the CNAMEs that are followed, one after the other.
const maxAliases = 8

// Ask returns the records of a kind that a name has. Names are written without a
// final dot. One that can't be in the DNS at all has no records, and is missing.
func (d *DNS) Ask(ctx context.Context, name string, kind uint16) (Answer, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !Valid(name) {
		return Answer{Name: name, Missing: true}, nil
	}
	q := question{name, kind}
	if d.other != nil {
		if answer, ok := d.instead[q]; ok {
			return answer, nil
		}
		return d.other.Ask(ctx, name, kind)
	}
	d.mu.Lock()
	e, known := d.asked[q]
	if !known {
		e = &entry{done: make(chan struct{})}
		d.asked[q] = e
	}
	d.mu.Unlock()
	if !known {
		d.fill(ctx, q, e)
	}
	select {
	case <-e.done:
		return e.answer, e.err
	case <-ctx.Done():
		return Answer{}, &Failure{Name: name, Kind: dns.TypeToString[kind], Text: "the time for the audit was up"}
	}
}

// fill gets the answer that others may wait for already, also if asking breaks.
func (d *DNS) fill(ctx context.Context, q question, e *entry) {
	e.err = &Failure{Name: q.name, Kind: dns.TypeToString[q.kind], Text: "asking for it broke, which is a mistake in pratique"}
	defer close(e.done)
	e.answer, e.err = d.follow(ctx, q)
}

// Valid reports whether a name can be in the DNS (RFC 1035 2.3.4).
func Valid(name string) bool {
	if len(name) > 253 || name == "" {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return true
}

// follow asks, and asks again where a CNAME leads out of what the resolver says.
func (d *DNS) follow(ctx context.Context, q question) (Answer, error) {
	a := Answer{Name: q.name, Authenticated: true}
	fail := func(text string, bogus bool) (Answer, error) {
		return Answer{}, &Failure{Name: q.name, Kind: dns.TypeToString[q.kind], Text: text, Bogus: bogus}
	}
	for {
		m, text, bogus := d.put(ctx, question{a.Name, q.kind})
		if m == nil {
			return fail(text, bogus)
		}
		start := a.Name
		for target := aliasOf(m, a.Name); target != "" && q.kind != dns.TypeCNAME; target = aliasOf(m, a.Name) {
			a.Aliases = append(a.Aliases, a.Name)
			if slices.Contains(a.Aliases, target) {
				return fail("its CNAMEs lead in a circle: "+strings.Join(append(a.Aliases, target), " → "), false)
			}
			if len(a.Aliases) > maxAliases {
				return fail(fmt.Sprintf("more than %d CNAMEs: %s", maxAliases, strings.Join(append(a.Aliases, target), " → ")), false)
			}
			a.Name = target
		}
		a.take(m, q.kind)
		// A server that is no resolver leaves it to others to follow a CNAME.
		if len(a.Records) > 0 || a.Name == start || (m.RecursionAvailable && !m.Authoritative) {
			return a, nil
		}
	}
}

// take takes from a message what it has under the name that was reached.
func (a *Answer) take(m *dns.Msg, kind uint16) {
	m.Compress = true // as servers send it
	a.Octets = m.Len()
	a.Authenticated = a.Authenticated && m.AuthenticatedData
	a.Missing = m.Rcode == dns.RcodeNameError
	a.Records, a.Zone = nil, zoneOf(m)
	for _, rr := range m.Answer {
		if rr.Header().Rrtype == kind && strings.EqualFold(strings.TrimSuffix(rr.Header().Name, "."), a.Name) {
			a.Records = append(a.Records, rr)
		}
	}
}

// zoneOf returns the owner of the SOA record in a message.
func zoneOf(m *dns.Msg) string {
	for _, rr := range slices.Concat(m.Answer, m.Ns) {
		if soa, ok := rr.(*dns.SOA); ok {
			return strings.ToLower(strings.TrimSuffix(soa.Hdr.Name, "."))
		}
	}
	return ""
}

func aliasOf(m *dns.Msg, name string) string {
	for _, rr := range m.Answer {
		if alias, ok := rr.(*dns.CNAME); ok && strings.EqualFold(strings.TrimSuffix(alias.Hdr.Name, "."), name) {
			return strings.ToLower(strings.TrimSuffix(alias.Target, "."))
		}
	}
	return ""
}

// put returns the resolver's answer, if that tells what there is; otherwise it
// says why it does not.
func (d *DNS) put(ctx context.Context, q question) (m *dns.Msg, why string, bogus bool) {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, "the time for the audit was up", false
	}
	m, err := d.exchanger.Exchange(ctx, q.message(false))
	if err == nil && m.Rcode == dns.RcodeServerFailure {
		m, bogus, err = d.again(ctx, q, m)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, "the time for the audit was up", false
	case err != nil:
		return nil, err.Error(), false
	case bogus:
		return nil, "its DNSSEC signatures are wrong: " + explained(m, "the resolver answers SERVFAIL, and without validation it answers"), true
	}
	return told(m)
}

// again looks into a SERVFAIL: whether the resolver answers if it is not to validate.
// A server that was only slow to be found answers by then; that answer is taken.
func (d *DNS) again(ctx context.Context, q question, m *dns.Msg) (*dns.Msg, bool, error) {
	if saysBogus(m) {
		return m, true, nil
	}
	unchecked, err := d.exchanger.Exchange(ctx, q.message(true))
	if err != nil || unchecked.Rcode != dns.RcodeSuccess && unchecked.Rcode != dns.RcodeNameError || !tells(unchecked) {
		return m, false, nil
	}
	second, err := d.exchanger.Exchange(ctx, q.message(false))
	if err != nil || second.Rcode != dns.RcodeServerFailure {
		return second, false, err
	}
	return second, true, nil
}

// told returns a message if it says what there is; otherwise it says why it does not.
func told(m *dns.Msg) (_ *dns.Msg, why string, bogus bool) {
	switch {
	case m.Rcode == dns.RcodeServerFailure:
		return nil, explained(m, "SERVFAIL: the servers of the zone do not answer, or the resolver is at fault"), false
	case m.Rcode == dns.RcodeRefused:
		return nil, explained(m, "the resolver refuses the question (REFUSED)"), false
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, explained(m, "the resolver answers "+rcode(m.Rcode)), false
	case filtered(m):
		return nil, explained(m, "the resolver does not say what there is"), false
	case !tells(m):
		return nil, "who was asked neither has the zone nor resolves: it only refers to others (a lame server?)", false
	}
	return m, "", false
}

// tells reports whether a message says what there is: it comes from a resolver, or
// from a server of the zone, and is no referral, which a resolver that finds no server
// with the zone may pass on as its answer (RFC 2308 2.1.2, 2.2.1).
func tells(m *dns.Msg) bool { return m.Authoritative || m.RecursionAvailable && !isReferral(m) }

// isReferral reports whether a message only names the servers of a zone.
func isReferral(m *dns.Msg) bool {
	is := func(kind uint16) func(dns.RR) bool {
		return func(rr dns.RR) bool { return rr.Header().Rrtype == kind }
	}
	return m.Rcode == dns.RcodeSuccess && len(m.Answer) == 0 && slices.ContainsFunc(m.Ns, is(dns.TypeNS)) && !slices.ContainsFunc(m.Ns, is(dns.TypeSOA))
}

func (q question) message(unchecked bool) *dns.Msg {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(q.name), q.kind)
	m.SetEdns0(1232, false)
	m.AuthenticatedData = true // asks for the AD bit (RFC 6840 5.7)
	m.CheckingDisabled = unchecked
	return m
}

// IsBogus reports whether an error says that DNSSEC signatures are wrong.
func IsBogus(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Bogus
}
