package spf

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	oracle "blitiri.com.ar/go/spf"

	"pratique/posture/lookup"
	"pratique/posture/lookup/lookuptest"
)

const zone = `
$ORIGIN test.
self A 192.0.2.1
mail A 192.0.2.25
mail AAAA 2001:db8::25
mx MX 10 mail.test.
inc TXT "v=spf1 ip4:198.51.100.0/24 ~all"
broken TXT "v=spf1 ip4:1.2.3 -all"
none TXT "nothing"
l1 TXT "v=spf1 include:l2.test -all"
l2 TXT "v=spf1 include:l1.test -all"
25.2.0.192.in-addr.arpa. PTR mail.test.
deep TXT "v=spf1 include:d1.test ?all"
d1 TXT "v=spf1 include:d2.test ?all"
d2 TXT "v=spf1 redirect=inc.test"
r1 TXT "v=spf1 redirect=r2.test"
r2 TXT "v=spf1 redirect=r1.test"
`

// records of which the two implementations must come to the same result.
func candidates() []string {
	terms := []string{"a", "mx", "a:mail.test", "mx:mx.test", "mx:mx.test/24", "a:mail.test/24//64", "ip4:192.0.2.0/24", "ip6:2001:db8::/32", "include:inc.test", "include:none.test",
		"include:broken.test", "include:l1.test", "include:deep.test", "exists:%{i}.gone.test", "exists:%{l}.mail.test", "ptr", "ptr:test", "a:gone.test", "a:gone1.test",
		"ip4:bad", "include:", "a:%{z}", "redirect=inc.test", "redirect=none.test", "redirect=r1.test", "exp=mail.test", "x=y", "-ip4:192.0.2.25", "?mx:mx.test", "A:MAIL.test"}
	var all []string
	for i, t := range terms {
		all = append(all, "v=spf1 "+t+" -all", "v=spf1 "+t)
		for _, other := range terms[i+1:] {
			all = append(all, "v=spf1 "+t+" "+other+" ~all", "v=spf1 "+other+" "+t)
		}
	}
	return append(all, "v=spf1", "v=spf1 ", "v=spf1  -all", "V=SPF1 -ALL", "v=spf10 -all", "v=spf1 all:x", "v=spf1 -all +all")
}

// netResolver has the oracle ask the same zones.
type netResolver struct{ *lookup.DNS }

func notFound(n int, err error, name string) error {
	if err == nil && n == 0 {
		return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	if err != nil {
		return &net.DNSError{Err: err.Error(), Name: name, IsTemporary: true}
	}
	return nil
}

func (r netResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	texts, _, err := r.Texts(ctx, name)
	var all []string
	for _, t := range texts {
		all = append(all, t.String())
	}
	return all, notFound(len(all), err, name)
}

func (r netResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	mxs, err := r.Exchangers(ctx, name)
	var all []*net.MX
	for _, mx := range mxs {
		all = append(all, &net.MX{Host: mx.Mx, Pref: mx.Preference})
	}
	return all, notFound(len(all), err, name)
}

func (r netResolver) LookupIPAddr(ctx context.Context, name string) ([]net.IPAddr, error) {
	addrs, err := r.AllAddresses(ctx, name)
	var all []net.IPAddr
	for _, a := range addrs {
		all = append(all, net.IPAddr{IP: a.AsSlice()})
	}
	return all, notFound(len(all), err, name)
}

func (r netResolver) LookupAddr(ctx context.Context, text string) ([]string, error) {
	names, _, err := r.Names(ctx, netip.MustParseAddr(text))
	return names, notFound(len(names), err, text)
}

// TestOracle holds evaluations against another implementation.
func TestOracle(t *testing.T) {
	compared := 0
	for i, record := range candidates() {
		z := lookuptest.New(t, zone+fmt.Sprintf("self TXT %q\n", record))
		d := z.DNS()
		for _, addr := range []string{"192.0.2.25", "192.0.2.1", "198.51.100.9", "203.0.113.9", "2001:db8::25"} {
			// The oracle asks for addresses of both kinds: it does not count what has the other kind only.
			s := Sender{Addr: netip.MustParseAddr(addr), Local: "ann", Helo: "helo.test", Lenient: true}
			got := Check(t.Context(), d, s, "self.test")
			want, err := oracle.CheckHostWithSender(net.ParseIP(addr), "helo.test", "ann@self.test", oracle.WithContext(t.Context()), oracle.WithResolver(netResolver{d}))
			if string(got.Result) == string(want) {
				compared++
				continue
			}
			if known(record, got, want) {
				continue
			}
			t.Errorf("%d %q for %s: %s (%s: %s), the oracle says %s (%v)", i, record, addr, got.Result, got.Term, got.Text, want, err)
		}
	}
	if compared < 4000 {
		t.Errorf("only %d evaluations agreed", compared)
	}
}

// known reports a difference that is a choice: the oracle looks at a term when it
// comes to it, and RFC 7208 4.6 wants mistakes anywhere in a record found first; and it
// counts a look-up before a mistake in its macros.
func known(record string, got Verdict, want oracle.Result) bool {
	_, problems := parse(record)
	return got.Result == PermError && len(problems) > 0 && want != oracle.TempError
}

// TestVerdictNamesTheTerm: what decided is named, and where it stands.
func TestVerdictNamesTheTerm(t *testing.T) {
	for record, want := range map[string]string{
		"v=spf1 include:inc.test -all":                 "fail -all of self.test",
		"v=spf1 include:broken.test -all":              "permerror ip4:1.2.3 of broken.test",
		"v=spf1 include:none.test -all":                "permerror include:none.test of self.test",
		"v=spf1 mx:mx.test -all":                       "pass mx:mx.test of self.test",
		"v=spf1 redirect=inc.test":                     "softfail ~all of inc.test",
		"v=spf1 a:g1.test a:g2.test a:g3.test -all":    "permerror a:g3.test of self.test",
		"v=spf1 mx:mx.test:x -all":                     "permerror mx:mx.test:x of self.test",
		"v=spf1 a:mail.test/33 -all":                   "permerror a:mail.test/33 of self.test",
		"v=spf1 ip4:192.0.2.25/08 -all":                "permerror ip4:192.0.2.25/08 of self.test",
		"v=spf1 " + strings.Repeat("a:self.test ", 11): "permerror a:self.test of self.test",
		"v=spf1 redirect=inc.test redirect=inc.test":   "permerror redirect=inc.test of self.test",
		"v=spf1 exists:%{c}.test -all":                 "permerror exists:%{c}.test of self.test",
	} {
		d := lookuptest.New(t, zone+fmt.Sprintf("self TXT %q\n", record)).DNS()
		v := Check(t.Context(), d, Sender{Addr: netip.MustParseAddr("192.0.2.25")}, "self.test")
		if got := fmt.Sprintf("%s %s of %s", v.Result, v.Term, v.Domain); got != want {
			t.Errorf("%q: %s (%s), want %s", record, got, v.Text, want)
		}
	}
}

// TestSurveyIsBounded: records made to be looked through for ever are not.
func TestSurveyIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("$ORIGIN test.\n")
	for i := range 200 { // each includes the next two: 2^200 paths
		fmt.Fprintf(&b, "n%d TXT \"v=spf1 include:n%d.test include:n%d.test -all\"\n", i, i+1, i+2)
	}
	z := lookuptest.New(t, b.String())
	s := Look(t.Context(), z.DNS(), "n0.test")
	if !s.Has(TooMany) || z.Asked.Load() > 200 {
		t.Errorf("%d questions, defects %v", z.Asked.Load(), s.Defects)
	}
	z = lookuptest.New(t, b.String())
	if v := Check(t.Context(), z.DNS(), Sender{Addr: netip.MustParseAddr("192.0.2.1")}, "n0.test"); v.Result != PermError || z.Asked.Load() > 20 {
		t.Errorf("%+v after %d questions", v, z.Asked.Load())
	}
}

// TestSurveyFailure: what can't be looked up is unknown, and no defect.
func TestSurveyFailure(t *testing.T) {
	z := lookuptest.New(t, zone+"self TXT \"v=spf1 include:inc.test a:mail.test mx:mx.test -all\"\n")
	for _, name := range []string{"inc.test", "mail.test", "mx.test"} {
		z.Fail(name, lookuptest.ServFail)
	}
	s := Look(t.Context(), z.DNS(), "self.test")
	if len(s.Unknown) != 3 || s.Voids != 0 || s.Lookups != 3 {
		t.Errorf("%+v", s)
	}
}

func FuzzParse(f *testing.F) {
	for _, record := range candidates()[:200] {
		f.Add(record)
	}
	f.Add("v=spf1 a:%{d2r.-}.test/24//64 exists:%{S}%%%_%- ip6:::1/128")
	f.Fuzz(func(t *testing.T, text string) {
		if !isRecord(text) {
			if why := resembles(text); why != "" && len(text) < 4 {
				t.Errorf("%q: %s", text, why)
			}
			return
		}
		r, problems := parse(text)
		if len(problems) > 0 {
			return
		}
		e := &evaluation{sender: Sender{Addr: netip.MustParseAddr("2001:db8::1"), Local: "a.b", Domain: "d.test", Helo: "h"}, validatedOnce: true}
		for _, m := range r.mechanisms {
			if name := e.expand(m.spec, "x.test"); len(name) > 253 && strings.Contains(name, ".") {
				t.Errorf("%q is expanded to %d octets", m.spec, len(name))
			}
		}
	})
}
