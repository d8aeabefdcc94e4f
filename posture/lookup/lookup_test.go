package lookup_test

import (
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
	"pratique/posture/lookup/lookuptest"
)

const zone = `
a.test. TXT "one " "two" "\195\164\"\\"
alias.test. CNAME a.test.
far.test. CNAME a.test.
r1.test. CNAME r2.test.
r2.test. CNAME r1.test.
host.test. A 192.0.2.1
host.test. AAAA 2001:db8::1
mx.test. MX 20 b.test.
mx.test. MX 10 a.test.
1.2.0.192.in-addr.arpa. PTR Host.test.
`

func TestAsk(t *testing.T) {
	z := lookuptest.New(t, zone)
	d := z.DNS()
	texts, answer, err := d.Texts(t.Context(), "Alias.test.")
	if err != nil || len(texts) != 1 || texts[0].String() != "one twoä\"\\" || len(texts[0]) != 3 || answer.Name != "a.test" || len(answer.Aliases) != 1 {
		t.Errorf("%v %q %+v", err, texts, answer)
	}
	if addrs, err := d.AllAddresses(t.Context(), "host.test"); err != nil || len(addrs) != 2 {
		t.Error(addrs, err)
	}
	if mx, err := d.Exchangers(t.Context(), "mx.test"); err != nil || mx[0].Mx != "a.test." {
		t.Error(mx, err)
	}
	if names, _, err := d.Names(t.Context(), netip.MustParseAddr("192.0.2.1")); err != nil || len(names) != 1 || names[0] != "host.test" {
		t.Error(names, err)
	}
	if _, _, err := d.Texts(t.Context(), "r1.test"); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Error(err)
	}
	for _, impossible := range []string{"", "a..test", strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 130) + "test"} {
		if a, err := d.Ask(t.Context(), impossible, dns.TypeA); err != nil || !a.Missing {
			t.Errorf("%q: %+v %v", impossible, a, err)
		}
	}
	if a, err := d.Ask(t.Context(), "none.test", dns.TypeA); err != nil || !a.Missing {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := d.Ask(t.Context(), "host.test", dns.TypeMX); err != nil || a.Missing || len(a.Records) != 0 {
		t.Errorf("%+v %v", a, err)
	}
}

// TestOnce: each question is put once, also if many ask at the same time.
func TestOnce(t *testing.T) {
	z := lookuptest.New(t, zone)
	d := z.DNS()
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { d.Texts(t.Context(), "a.test") })
	}
	group.Wait()
	if n := z.Asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// TestFailures: no failure is an answer, and each says what it is.
func TestFailures(t *testing.T) {
	for fault, says := range map[lookuptest.Fault]string{
		lookuptest.ServFail: "SERVFAIL", lookuptest.Timeout: "no answer in time", lookuptest.Lame: "refers to others", lookuptest.Refused: "REFUSED", lookuptest.Bogus: "DNSSEC",
	} {
		z := lookuptest.New(t, zone)
		z.Fail("a.test", fault)
		for _, name := range []string{"a.test", "alias.test"} {
			_, _, err := z.DNS().Texts(t.Context(), name)
			if err == nil || !strings.Contains(err.Error(), says) || lookup.IsBogus(err) != (fault == lookuptest.Bogus) {
				t.Errorf("%s: %v, want %q", name, err, says)
			}
		}
	}
}

func TestReverse(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":   "1.2.0.192.in-addr.arpa",
		"2001:db8::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := lookup.Reverse(netip.MustParseAddr(addr)); got != want {
			t.Error(got)
		}
	}
}
