package posture

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"pratique/posture/blocklist"
	"pratique/posture/lookup/lookuptest"
	"pratique/signing/records"
	"pratique/signing/records/recordstest"
)

// sound is a small world in which all is well.
const sound = `
$ORIGIN test.
@ SOA ns.test. h.test. 1 60 60 60 60
@ NS ns.test.
ns A 127.0.0.1
mail A 192.0.2.25
mail TXT "v=spf1 a -all"
good MX 10 mail.test.
good TXT "v=spf1 ip4:192.0.2.25 include:inc.test -all"
inc TXT "v=spf1 ip4:198.51.100.0/24 -all"
_dmarc.good TXT "v=DMARC1; p=reject; rua=mailto:d@other.test"
other MX 10 mail.test.
good.test._report._dmarc.other TXT "v=DMARC1"
_mta-sts.good TXT "v=STSv1; id=1"
_smtp._tls.good TXT "v=TLSRPTv1; rua=mailto:t@good.test"
default._bimi.good TXT "v=BIMI1; l=https://good.test/l.svg"
2.0.0.127.list A 127.0.0.2
25.2.0.192.in-addr.arpa. PTR mail.test.
`

// TestSound: the small world is well, but for the servers that are not there.
func TestSound(t *testing.T) {
	for _, f := range inSound(t, lookuptest.New(t, sound)).Findings {
		if f.Status != OK && f.Status != Info && f.Topic != "zone" {
			t.Errorf("%+v", f)
		}
	}
}

// inSound audits good.test as these zones show it.
func inSound(t *testing.T, z *lookuptest.Zones) Report {
	env := asking("127.0.0.1:1")
	env.Authority = records.New(records.Options{Resolver: "127.0.0.1:1", Timeout: 10 * time.Millisecond})
	env.Resolver = z
	env.Lists = []blocklist.List{{Zone: "list.test", Name: "LIST", Kind: blocklist.Address, Weight: blocklist.Heavy}}
	return Run(t.Context(), env, Subject{Hostname: "mail.test", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.25")}, Pairs: from("good.test")})
}

// TestFaults: wherever a look-up fails, something is unknown with the reason, or a
// server is at fault, and what depends on it is never called well.
func TestFaults(t *testing.T) {
	faults := map[lookuptest.Fault]string{
		lookuptest.ServFail: "SERVFAIL", lookuptest.Timeout: "no answer in time", lookuptest.Lame: "only refers to others",
		lookuptest.Refused: "REFUSED", lookuptest.Bogus: "DNSSEC signatures are wrong",
	}
	for _, c := range []struct{ name, topic string }{
		{"25.2.0.192.in-addr.arpa", "ptr"}, {"mail.test", "helo"}, {"mail.test", "ptr"}, {"good.test", "spf"}, {"inc.test", "spf"}, {"good.test", "mx"},
		{"mail.test", "mx"}, {"good.test", "zone"}, {"_dmarc.good.test", "dmarc"}, {"good.test._report._dmarc.other.test", "dmarc"}, {"other.test", "dmarc"},
		{"_mta-sts.good.test", "mta-sts"}, {"_smtp._tls.good.test", "tls-rpt"}, {"default._bimi.good.test", "bimi"}, {"good.test", "dnssec"},
		{"2.0.0.127.list.test", "blocklists"}, {"1.0.0.127.list.test", "blocklists"}, {"25.2.0.192.list.test", "blocklists"},
	} {
		for fault, says := range faults {
			z := lookuptest.New(t, sound)
			z.Fail(c.name, fault)
			r := inSound(t, z)
			told := false
			for _, f := range only(r.Findings, c.topic) {
				told = told || (f.Status == Unknown || f.Code == "dnssec_bogus") && strings.Contains(f.Found, says)
			}
			if !told {
				t.Errorf("%s %s: nothing unknown for this reason under %s:\n%s", c.name, says, c.topic, text(t, r))
			}
			if r.Status == OK {
				t.Errorf("%s %s: the whole is called well", c.name, says)
			}
		}
	}
}

// TestTruncated: what is too long for UDP comes by TCP; what is truncated there is unknown.
func TestTruncated(t *testing.T) {
	long := "v=spf1 ip4:192.0.2.25" + strings.Repeat(" ip4:198.51.100.7", 100) + " -all"
	for _, tcpToo := range []bool{false, true} {
		addr := recordstest.Start(t, "127.0.0.1", 0, func(q *dns.Msg, tcp bool) *dns.Msg {
			m := new(dns.Msg).SetReply(q)
			m.RecursionAvailable = true
			if q.Question[0].Name != "long.test." || q.Question[0].Qtype != dns.TypeTXT {
				m.Rcode = dns.RcodeNameError
				return m
			}
			if m.Truncated = !tcp || tcpToo; m.Truncated {
				return m
			}
			txt := &dns.TXT{Hdr: dns.RR_Header{Name: "long.test.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}}
			for rest := long; rest != ""; rest = rest[min(255, len(rest)):] {
				txt.Txt = append(txt.Txt, rest[:min(255, len(rest))])
			}
			m.Answer = append(m.Answer, txt)
			return m
		})
		r := Run(t.Context(), asking(addr), Subject{Hostname: "mail.test", Addresses: ours()[:1], Pairs: from("long.test")})
		found := only(r.Findings, "spf")
		switch {
		case tcpToo && (len(found) != 1 || found[0].Status != Unknown || !strings.Contains(found[0].Found, "truncated even by TCP")):
			t.Errorf("truncated by TCP: %+v", found)
		case !tcpToo && (found[len(found)-1].Code != "spf_pass" || found[1].Code != "spf_repeated"):
			t.Errorf("truncated by UDP only: %+v", found)
		}
	}
}

// TestLameServers: one of two servers does not serve the zone.
func TestLameServers(t *testing.T) {
	host := recordstest.Network()
	good := recordstest.Start(t, host(1), 0, recordstest.Records(t, "good.test. 60 SOA ns.test. h.test. 1 60 60 60 60"))
	for name, handler := range map[string]recordstest.Handler{
		"refuses the question (REFUSED)": recordstest.Rcode(dns.RcodeRefused),
		"SERVFAIL":                       recordstest.Rcode(dns.RcodeServerFailure),
		"without authority":              func(q *dns.Msg, _ bool) *dns.Msg { return new(dns.Msg).SetReply(q) },
	} {
		lame := recordstest.Start(t, host(2), 0, handler)
		// A zone's own servers are asked all; of those that are configured, only those that serve it.
		said, err := records.New(records.Options{Authoritative: []string{good, lame}, Timeout: time.Second}).Hear(t.Context(), "good.test", dns.TypeSOA)
		if err != nil {
			t.Fatal(err)
		}
		for i := range said {
			said[i].Server = "server"
		}
		if name == "SERVFAIL" {
			found := judgeServers("good.test", said, func(code string, s Status, text, _, _ string) []Finding {
				return []Finding{{Code: code, Status: s, Found: text}}
			})
			if found[0].Code != "lame_server" || !strings.Contains(found[0].Found, name) {
				t.Errorf("%s: %+v", name, found)
			}
		} else if len(said) != 1 {
			t.Errorf("%s: %d servers said something", name, len(said))
		}
	}
}

// TestDeadline: an audit ends in time, and says of the rest that it does not know.
func TestDeadline(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	addr := recordstest.Start(t, "127.0.0.1", 0, func(*dns.Msg, bool) *dns.Msg {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	r := Run(ctx, asking(addr), Subject{Hostname: "mail.test", Addresses: ours(), Pairs: from("good.test", "other.test")})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if r.Counts[OK] > 0 || r.Counts[Unknown] == 0 || r.Status != Unknown && r.Status != Warn {
		t.Errorf("%s", text(t, r))
	}
	mu.Lock()
	defer mu.Unlock()
	if asked == 0 {
		t.Error("nothing was asked")
	}
}

// panicking is a resolver with a mistake in it.
type panicking struct{}

func (panicking) Exchange(context.Context, *dns.Msg) (*dns.Msg, error) { panic("a mistake") }

// TestPanic: a mistake of ours ends neither the audit nor the daemon that runs it.
func TestPanic(t *testing.T) {
	env := asking("127.0.0.1:1")
	env.Resolver = panicking{}
	env.Lists = []blocklist.List{{Zone: "list.test", Name: "LIST", Kind: blocklist.Address}}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r := Run(ctx, env, Subject{Hostname: "mail.test", Addresses: ours(), Pairs: from("good.test")})
	if r.Counts[OK] > 0 || r.Status != Unknown || len(only(r.Findings, "audit")) == 0 {
		t.Errorf("%s", text(t, r))
	}
}
