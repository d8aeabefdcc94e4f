// Package lookuptest has a DNS in memory for tests: zone-file lines, and names
// that fail in a given way. What a real server does is tested with a real one.
package lookuptest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
)

// Zones is a resolver with all the records that there are.
type Zones struct {
	Asked   atomic.Int64
	records map[string][]dns.RR
	faults  map[string]Fault
}

// Fault is what is wrong with a name.
type Fault int

// The faults.
const (
	ServFail Fault = iota + 1
	Timeout
	Lame    // a referral from somebody who does not resolve
	Refused // the resolver refuses
	Bogus   // SERVFAIL, but not if validation is switched off
)

// New returns a resolver with records in the form of a zone file.
func New(t testing.TB, zone string) *Zones {
	t.Helper()
	z := &Zones{records: map[string][]dns.RR{}, faults: map[string]Fault{}}
	parser := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	parser.SetDefaultTTL(60)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		z.Add(rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return z
}

// DNS returns a lookup.DNS that asks these zones.
func (z *Zones) DNS() *lookup.DNS { return lookup.New(z, 8) }

// Add adds a record.
func (z *Zones) Add(rr dns.RR) {
	name := dns.CanonicalName(rr.Header().Name)
	z.records[name] = append(z.records[name], rr)
}

// Fail makes all questions about a name fail.
func (z *Zones) Fail(name string, f Fault) { z.faults[dns.CanonicalName(name)] = f }

// Exchange implements lookup.Exchanger.
func (z *Zones) Exchange(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
	z.Asked.Add(1)
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	name := dns.CanonicalName(q.Question[0].Name)
	for range 10 {
		switch f := z.faults[name]; {
		case f == Timeout:
			return nil, errors.New("resolver 192.0.2.53:53: no answer in time (2 tries of 3s)")
		case f == ServFail, f == Bogus && !q.CheckingDisabled:
			return m.SetRcode(q, dns.RcodeServerFailure), nil
		case f == Refused:
			return m.SetRcode(q, dns.RcodeRefused), nil
		case f == Lame:
			m.RecursionAvailable = false
			return m, nil
		}
		target := z.answer(m, name, q.Question[0].Qtype)
		if target == "" {
			return m, nil
		}
		name = target
	}
	return m, nil
}

// answer adds what a name has, and returns where its CNAME leads.
func (z *Zones) answer(m *dns.Msg, name string, kind uint16) string {
	records, ok := z.records[name]
	if !ok && !z.above(name) {
		m.Rcode = dns.RcodeNameError
	}
	for _, rr := range records {
		if rr.Header().Rrtype == kind {
			m.Answer = append(m.Answer, rr)
		}
		if alias, ok := rr.(*dns.CNAME); ok && kind != dns.TypeCNAME {
			m.Answer = append(m.Answer, rr)
			return dns.CanonicalName(alias.Target)
		}
	}
	return ""
}

// above reports whether a name has others below it (RFC 8020).
func (z *Zones) above(name string) bool {
	for other := range z.records {
		if dns.IsSubDomain(name, other) {
			return true
		}
	}
	for other := range z.faults {
		if dns.IsSubDomain(name, other) {
			return true
		}
	}
	return false
}
