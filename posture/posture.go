// Package posture audits whether a server is fit to send mail: its addresses and
// their names, the records of the domains that it sends for, blocklists, and the
// certificates of its ports. It looks from outside, as receivers do, and changes
// nothing. What was found is told topic by topic: what it is, what it means, and
// what to change, with the record to publish.
//
// What is not known is said to be not known, with the reason, and never to be well.
//
// The parts that stand on their own lie below: lookup asks the DNS, spf and dmarc
// know their records, blocklist has the table of lists, relay tries to relay. What
// the MTA's own configuration says does not live here.
package posture

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"pratique/posture/blocklist"
	"pratique/posture/lookup"
	"pratique/signing"
	"pratique/signing/records"
)

// Status says how a finding is to be taken.
type Status string

// The statuses, from the best to the worst.
const (
	OK      Status = "ok"
	Info    Status = "info"    // worth knowing; nothing is to be done
	Unknown Status = "unknown" // it could not be found out, and Found says why
	Warn    Status = "warn"    // mail suffers from it somewhere, or will
	Fail    Status = "fail"    // mail suffers from it
)

// Worse reports whether a status is worse than another one.
func (s Status) Worse(than Status) bool {
	order := []Status{OK, Info, Unknown, Warn, Fail}
	return slices.Index(order, s) > slices.Index(order, than)
}

// Finding is one thing that was looked at.
type Finding struct {
	Topic   string   `json:"topic"`
	Subject string   `json:"subject"` // the address, domain or port
	Code    string   `json:"code"`    // the same for the same kind of finding
	Status  Status   `json:"status"`
	Found   string   `json:"found"`
	Means   string   `json:"means,omitempty"`
	Do      string   `json:"do,omitempty"`
	Publish []string `json:"publish,omitempty"` // lines of a zone file
	Details []string `json:"details,omitempty"`
	List    string   `json:"list,omitempty"` // the blocklist's zone, of what is listed
	Left    []string `json:"left,omitempty"` // the zones of blocklists that were left out
}

// bad reports whether a finding says that something is not well.
func (f Finding) bad() bool { return f.Status == Warn || f.Status == Fail }

// Report is what an audit found.
type Report struct {
	At        time.Time      `json:"at"`
	Status    Status         `json:"status"` // the worst one
	Counts    map[Status]int `json:"counts"`
	Hostname  string         `json:"hostname"`
	Addresses []netip.Addr   `json:"addresses"`
	Source    string         `json:"source,omitempty"` // where the addresses are from
	Domains   []string       `json:"domains"`
	Findings  []Finding      `json:"findings"`
}

// Key is a key that signs, or is to, and the name of its record.
type Key struct {
	Record   string
	Domain   string // d=
	Selector string
	Private  *signing.PrivateKey // nil: it can't be read
	Err      error               // why
	Awaited  bool                // it does not sign yet
}

// Pair is a domain of From with the domains that authenticate it.
type Pair struct {
	From     string
	Envelope string   // the domain of MAIL FROM
	Signed   []string // d= of its signatures
}

// Subject is what is audited.
type Subject struct {
	Hostname       string // the HELO name
	HostnameSource string // where it is from, in words
	Addresses      []netip.Addr
	AddressSource  string
	// NoAddress is why there are no addresses.
	NoAddress string
	Routes    []Route // the ways by which mail leaves, if they differ: then HELO is judged by them
	Pairs     []Pair
	Left      int // domains that are not looked at, because there are too many
	Keys      []Key
	Ports     []Port
	Notes     []Finding // what was noticed while the subject was put together
}

// Env is what an audit has of the world.
type Env struct {
	Resolver  lookup.Exchanger
	Authority *records.Authority
	Lists     []blocklist.List
	// Policies fetches policies of MTA-STS; nil: they are not fetched.
	Policies *http.Client
	Roots    *x509.CertPool // nil: the system's
	Now      func() time.Time
	// Parallel is the number of questions that are under way at a time.
	Parallel int
}

// defaultParallel is polite to a resolver, and quick enough.
const defaultParallel = 16

// authorities is how many zones are asked at their own servers at a time, each of which
// may have several.
const authorities = 8

type audit struct {
	Env
	Subject
	dns  *lookup.DNS
	turn chan struct{} // a place for each zone that is asked at its own servers
}

// survey holds a key against its record at the servers of its zone, when it is its turn.
func (a *audit) survey(ctx context.Context, k Key) records.Survey {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	return a.Authority.Survey(ctx, k.Record, k.Private)
}

// hear asks the servers of a zone, when it is its turn.
func (a *audit) hear(ctx context.Context, name string, kind uint16) ([]records.Said, error) {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	return a.Authority.Hear(ctx, name, kind)
}

// Run audits. What the context leaves no time for is reported as unknown.
func Run(ctx context.Context, e Env, s Subject) Report {
	s.Pairs = tidy(s.Pairs)
	a := &audit{Env: e, Subject: s, dns: lookup.New(e.Resolver, cmp.Or(e.Parallel, defaultParallel)), turn: make(chan struct{}, authorities)}
	r := Report{At: e.Now(), Hostname: s.Hostname, Addresses: s.Addresses, Source: s.AddressSource, Domains: a.domains(), Findings: s.Notes}
	for _, found := range a.together(ctx) {
		r.Findings = append(r.Findings, found...)
	}
	a.place(ctx, r.Findings)
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(Topics(), a.Topic), slices.Index(Topics(), b.Topic))
	})
	r.sum()
	return r
}

// tidy writes domains as the DNS has them. A domain without an envelope is in MAIL FROM itself.
func tidy(pairs []Pair) []Pair {
	name := func(domain string) string { return strings.ToLower(strings.TrimSuffix(domain, ".")) }
	var all []Pair
	for _, p := range pairs {
		p.From, p.Envelope = name(p.From), name(cmp.Or(p.Envelope, p.From))
		all = append(all, p)
	}
	return all
}

// together looks into all topics at once, and returns what each found in the order of the topics.
func (a *audit) together(ctx context.Context) [][]Finding {
	topics := []func(context.Context) []Finding{
		a.subjects, a.reverse, a.helo, a.spf, a.dkim, a.dmarc, a.exchangers, a.transport, a.brand, a.dnssec, a.blocklists, a.ports,
	}
	found := make([][]Finding, len(topics))
	var group sync.WaitGroup
	for i, topic := range topics {
		group.Go(func() { found[i] = guarded("this host", func() []Finding { return topic(ctx) }) })
	}
	group.Wait()
	return found
}

// sum counts, and takes the worst status for that of the whole.
func (r *Report) sum() {
	r.Status, r.Counts = OK, map[Status]int{}
	for _, f := range r.Findings {
		r.Counts[f.Status]++
		if f.Status.Worse(r.Status) && f.Status != Info {
			r.Status = f.Status
		}
	}
}

// Undecided reports whether something of a topic is not known about a subject, or
// about a blocklist.
func (r Report) Undecided(topic, subject string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool {
		return f.Topic == topic && (f.Status == Unknown && f.Subject == subject || slices.Contains(f.Left, subject))
	})
}

// public returns the sending addresses that receivers may see.
func (a *audit) public() []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a.Addresses), func(addr netip.Addr) bool { return !public(addr) })
}

// domains returns every domain that mail is sent as, once each: of From and of MAIL FROM.
func (a *audit) domains() []string {
	var all []string
	for _, p := range a.Pairs {
		all = append(all, p.From, p.Envelope)
	}
	return once(all)
}

// envelopes returns the domains of MAIL FROM.
func (a *audit) envelopes() []string {
	var all []string
	for _, p := range a.Pairs {
		all = append(all, p.Envelope)
	}
	return once(all)
}

// once returns names without what comes again.
func once(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		again := seen[n] || n == ""
		seen[n] = true
		return again
	})
}

// perDomain looks into each of some domains, several at a time, and keeps their order.
func perDomain(domains []string, look func(domain string) []Finding) []Finding {
	found := make([][]Finding, len(domains))
	var group sync.WaitGroup
	turn := make(chan struct{}, defaultParallel)
	for i, domain := range domains {
		turn <- struct{}{}
		group.Go(func() {
			defer func() { <-turn }()
			found[i] = guarded(domain, func() []Finding { return look(domain) })
		})
	}
	group.Wait()
	return slices.Concat(found...)
}

// guarded looks into something. A mistake of ours in there is told, and ends nothing
// else: the daemon that mail goes through audits as well.
func guarded(subject string, look func() []Finding) (found []Finding) {
	defer func() {
		if v := recover(); v != nil {
			found = []Finding{{Topic: "audit", Subject: subject, Code: "panic", Status: Unknown,
				Found: fmt.Sprintf("a part of the audit broke, which is a mistake in pratique: %v", v), Details: strings.Split(string(debug.Stack()), "\n")}}
		}
	}()
	return look()
}

// subjects says what could not be audited for want of a subject.
func (a *audit) subjects(context.Context) []Finding {
	var found []Finding
	if len(a.Addresses) == 0 {
		found = append(found, Finding{Topic: "addresses", Subject: "this host", Code: "no_address", Status: Unknown,
			Found: "the addresses from which mail leaves are not known: " + a.NoAddress,
			Means: "reverse DNS, SPF and blocklists of addresses are not looked at",
			Do:    `name them in the configuration: egress = ["192.0.2.25"]`})
	}
	if len(a.Pairs) == 0 {
		found = append(found, Finding{Topic: "domains", Subject: "this host", Code: "no_domain", Status: Unknown,
			Found: "no sending domain is known: there are no keys, and [audit] domains is empty",
			Means: "SPF, DKIM and DMARC are not looked at",
			Do:    `name the domains in the configuration: [audit] domains = ["example.org"]`})
	}
	if a.Left > 0 {
		found = append(found, Finding{Topic: "domains", Subject: "this host", Code: "too_many_domains", Status: Unknown,
			Found: plural(a.Left, "domain was", "domains were") + " not looked at",
			Means: "there are more than [audit] max_domains allows",
			Do:    "raise max_domains, or look at some of them: pratique audit --domain NAME"})
	}
	return found
}
