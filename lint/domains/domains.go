// Package domains finds out what the DNS says of the domains that mail is sent
// from, for the rules of package lint that ask: whether they exist, whether their
// SPF covers the addresses that mail leaves from, whether they have DMARC.
//
// Mail never waits long for it, and never suffers from it: answers are kept, what
// can't be found out is no finding, and a resolver that fails is not waited for
// until it answers again.
package domains

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"blitiri.com.ar/go/spf"
	"golang.org/x/net/idna"

	"pratique/lint"
	"pratique/message"
)

// Resolver is what is asked of a *net.Resolver.
type Resolver interface {
	spf.DNSResolver
	LookupNS(ctx context.Context, name string) ([]*net.NS, error)
}

// Options say whom to ask and what mail to judge.
type Options struct {
	Resolver Resolver
	Egress   []netip.Addr  // addresses that mail leaves from; none: SPF is not held against them
	Hostname string        // the HELO name
	Wait     time.Duration // the longest that a message waits for answers at its end
	Clock    func() time.Time
}

// Times and bounds.
const (
	patience     = 5 * time.Second  // for all the questions about one thing
	keepAnswer   = 10 * time.Minute // the system's resolver does not tell the TTL
	keepFailure  = time.Minute
	maxKept      = 20_000 // answers, of each kind
	maxQuestions = 64     // under way at a time; what comes on top is not asked
)

// Domains implements lint.Domains.
type Domains struct {
	opts      Options
	existence *memo[bool]
	dmarc     *memo[bool]
	spf       *memo[policy]
	down      atomic.Bool // the last question got no answer
}

// New returns a Domains that has not asked anything yet.
func New(opts Options) *Domains {
	turn := make(chan struct{}, maxQuestions)
	return &Domains{
		opts:      opts,
		existence: newMemo[bool](turn, opts.Clock),
		dmarc:     newMemo[bool](turn, opts.Clock),
		spf:       newMemo[policy](turn, opts.Clock),
	}
}

// policy is what the SPF record of a domain means for us.
type policy struct {
	uncovered []netip.Addr
	problem   string
}

// Ask begins to find out about a From domain and an envelope sender, and returns
// at once. Either may be "", of which nothing is found out.
func (d *Domains) Ask(from, sender string) lint.DomainReport {
	var exists, dmarc *entry[bool]
	var covered *entry[policy]
	if from = ascii(from); from != "" {
		exists = d.existence.begin(from, d.watched(func(ctx context.Context) (bool, error) { return d.exists(ctx, from) }))
		dmarc = d.dmarc.begin(from, d.watched(func(ctx context.Context) (bool, error) { return d.hasDMARC(ctx, from) }))
	}
	if domain := ascii(message.Domain(sender)); domain != "" {
		covered = d.spf.begin(domain, func(ctx context.Context) (policy, error) { return d.judge(ctx, domain) })
	}
	return func(ctx context.Context) lint.DomainFacts {
		ctx, cancel := d.waiting(ctx)
		defer cancel()
		var facts lint.DomainFacts
		if found, ok := exists.wait(ctx); ok {
			facts.FromMissing = !found
		}
		if found, ok := dmarc.wait(ctx); ok {
			facts.NoDMARC = !found
		}
		if p, ok := covered.wait(ctx); ok {
			facts.Uncovered, facts.SPFProblem = p.uncovered, p.problem
		}
		if ctx.Err() != nil {
			d.down.Store(true)
		}
		return facts
	}
}

// waiting bounds the wait for answers: there is none while the resolver fails.
func (d *Domains) waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	if d.down.Load() {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx, cancel
	}
	return context.WithTimeout(ctx, d.opts.Wait)
}

// watched takes note of whether the resolver answers.
func (d *Domains) watched(question func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		found, err := question(ctx)
		d.down.Store(err != nil)
		return found, err
	}
}

// ascii returns a domain as the DNS has it, or "" for what can't be one.
func ascii(domain string) string {
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(domain, "."))
	if err != nil || !fits(name) || !strings.Contains(name, ".") || net.ParseIP(name) != nil {
		return ""
	}
	return name
}

// fits holds a name to the lengths of the DNS (RFC 1035 2.3.4).
func fits(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return len(name) <= 253
}

// none reports an answer that there is nothing, as opposed to no answer.
func none(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// exists reports whether a domain has a mail exchanger, an address, or a zone of
// its own: what has a SOA record has NS records too, and those the system's
// resolver can ask for.
func (d *Domains) exists(ctx context.Context, domain string) (bool, error) {
	name := domain + "." // keeps the system's search list out
	for _, ask := range []func() (int, error){
		func() (int, error) { mx, err := d.opts.Resolver.LookupMX(ctx, name); return len(mx), err },
		func() (int, error) { ip, err := d.opts.Resolver.LookupIPAddr(ctx, name); return len(ip), err },
		func() (int, error) { ns, err := d.opts.Resolver.LookupNS(ctx, name); return len(ns), err },
	} {
		switch n, err := ask(); {
		case n > 0:
			return true, nil // some records may be malformed, which comes as an error beside the others
		case err != nil && !none(err):
			return false, fmt.Errorf("look up %s: %w", domain, err)
		}
	}
	return false, nil
}

// maxLabels bounds the tree walk (RFC 9989 4.10).
const maxLabels = 8

// hasDMARC reports whether a DMARC record covers a domain: its own, or that of a
// domain above it, found by the tree walk (RFC 9989 4.10).
func (d *Domains) hasDMARC(ctx context.Context, domain string) (bool, error) {
	for name, first := domain, true; name != ""; first = false {
		records, err := d.opts.Resolver.LookupTXT(ctx, "_dmarc."+name+".")
		if err != nil && !none(err) {
			return false, fmt.Errorf("look up _dmarc.%s: %w", name, err)
		}
		for _, r := range records {
			if version, _, _ := strings.Cut(r, ";"); strings.TrimSpace(version) == "v=DMARC1" {
				return true, nil
			}
		}
		name = above(name, first)
	}
	return false, nil
}

// above returns the next name of the walk: one label less, and at most 7 after
// the first step from a name of 8 or more.
func above(name string, first bool) string {
	labels := strings.Split(name, ".")
	if first && len(labels) >= maxLabels {
		return strings.Join(labels[len(labels)-maxLabels+1:], ".")
	}
	return strings.Join(labels[1:], ".")
}

// nobody is an address that no SPF record permits (RFC 1112 4, reserved), so that
// all of a record is evaluated.
func nobody() net.IP { return net.IPv4(240, 0, 0, 1) }

// judge evaluates the SPF record of a domain (RFC 7208) for every address that mail leaves from.
func (d *Domains) judge(ctx context.Context, domain string) (policy, error) {
	var p policy
	for _, addr := range d.opts.Egress {
		result, err := d.evaluate(ctx, addr.AsSlice(), domain)
		switch result {
		case spf.TempError:
			return policy{}, cmp.Or(err, errors.New("temporary failure"))
		case spf.Pass:
		default:
			p.uncovered = append(p.uncovered, addr)
		}
	}
	result, err := d.evaluate(ctx, nobody(), domain)
	switch result {
	case spf.TempError:
		return policy{}, cmp.Or(err, errors.New("temporary failure"))
	case spf.PermError:
		p.problem = err.Error()
	}
	return p, nil
}

func (d *Domains) evaluate(ctx context.Context, ip net.IP, domain string) (spf.Result, error) {
	return spf.CheckHostWithSender(ip, d.opts.Hostname, "postmaster@"+domain, spf.WithContext(ctx), spf.WithResolver(d.opts.Resolver))
}
