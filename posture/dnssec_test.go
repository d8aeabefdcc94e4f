package posture

import (
	"context"
	"errors"
	"testing"

	"github.com/miekg/dns"
)

// signed answers as a resolver does for a zone that is signed, or not quite.
type signed struct {
	ad, ds, key, bogus bool
	fails              uint16 // a kind of record at which it fails
}

func (s signed) Exchange(_ context.Context, q *dns.Msg) (*dns.Msg, error) {
	if q.Question[0].Qtype == s.fails {
		return nil, errors.New("no answer in time")
	}
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable, m.AuthenticatedData = true, s.ad && q.AuthenticatedData
	if s.bogus && !q.CheckingDisabled {
		m.Rcode = dns.RcodeServerFailure
		return m, nil
	}
	add := func(on bool, line string) {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		if on && rr.Header().Rrtype == q.Question[0].Qtype && rr.Header().Name == q.Question[0].Name {
			m.Answer = append(m.Answer, rr)
		}
	}
	add(true, "good.test. 60 SOA ns.test. h.test. 1 60 60 60 60")
	add(s.ds, "good.test. 60 DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000")
	add(s.key, "good.test. 60 DNSKEY 257 3 13 AAAA")
	return m, nil
}

func TestDNSSEC(t *testing.T) {
	for want, s := range map[string]signed{
		"dnssec_valid ok":        {ad: true, ds: true, key: true},
		"dnssec_unverified info": {ds: true, key: true},
		"dnssec_no_key fail":     {ds: true},
		"dnssec_island info":     {key: true},
		"dnssec_none info":       {},
		"dnssec_bogus fail":      {bogus: true, ds: true, key: true},
		"dnssec_unknown unknown": {fails: dns.TypeDS},
	} {
		env := asking("127.0.0.1:1")
		env.Resolver = s
		r := Run(t.Context(), env, Subject{Pairs: from("good.test")})
		if got := codes(only(r.Findings, "dnssec")); got != want {
			t.Errorf("%+v: %s, want %s", s, got, want)
		}
	}
}
