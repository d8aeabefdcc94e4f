// Package dmarc reads aggregate reports of DMARC (RFC 7489 appendix C, RFC 9990):
// who sends with our domain in From, and what receivers made of it. The XML of a
// stranger is bounded in depth, in texts and in rows, and may declare nothing.
package dmarc

import (
	"net/netip"
	"time"
)

// Report is one aggregate report.
type Report struct {
	Org, Email, ID string
	Begin, End     time.Time
	Policy         Policy
	Records        []Record
	Dropped        int // records beyond the bound
}

// Policy is what the receiver found published (policy_published).
type Policy struct {
	Domain        string
	P, SP, NP     string
	ADKIM, ASPF   string // alignment: r or s
	Percent       int    // 100 unless it is told (RFC 7489)
	Testing       bool   // t=y (RFC 9989)
	DiscoveryMode string // psl or treewalk (RFC 9990)
}

// Record is a row: messages from one address with the same results.
type Record struct {
	Source      netip.Addr // the zero Addr if it can't be parsed
	Count       int
	Disposition string // none, quarantine or reject: what was done
	DKIM, SPF   string // pass or fail, alignment included (policy_evaluated)
	Overrides   []string
	HeaderFrom  string
	Envelope    string // envelope_from
	Signatures  []Auth // auth_results/dkim
	SPFResults  []Auth // auth_results/spf
}

// Auth is one result of DKIM or SPF, without regard to alignment.
type Auth struct{ Domain, Selector, Result string }

// Aligned reports whether DMARC passed: DKIM or SPF did, for an aligned domain.
func (r Record) Aligned() bool { return r.DKIM == "pass" || r.SPF == "pass" }
