package spf

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
	"pratique/posture/lookup/lookuptest"
)

// around is what records in these tests lean on.
const around = `
mail.test. A 192.0.2.25
mail.test. AAAA 2001:db8::25
in.test. A 203.0.113.5
ok.test. TXT "v=spf1 ip4:198.51.100.0/24 -all"
`

func sending() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("192.0.2.25"), netip.MustParseAddr("2001:db8::25")}
}

// zoneOf has these TXT records at x.test, each in its strings.
func zoneOf(t testing.TB, texts ...lookup.Text) *lookup.DNS {
	z := lookuptest.New(t, around)
	for _, text := range texts {
		rr := &dns.TXT{Hdr: dns.RR_Header{Name: "x.test.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}}
		for _, part := range text {
			rr.Txt = append(rr.Txt, strings.ReplaceAll(part, `\`, `\\`))
		}
		z.Add(rr)
	}
	return z.DNS()
}

// TestMend: records that are wrong in one way each, and what is to be published instead.
func TestMend(t *testing.T) {
	for _, c := range []struct {
		records []lookup.Text
		want    string
		left    string
	}{
		{nil, "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ~all", ""},
		{[]lookup.Text{{"v=spf1 a:mail.test -all"}}, "v=spf1 a:mail.test -all", ""},
		{[]lookup.Text{{"v=spf1 include:ok.test ~all"}}, "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 include:ok.test ~all", ""},
		{[]lookup.Text{{"v=spf1 a:mail.test"}, {"v=spf1 include:ok.test -all"}}, "v=spf1 a:mail.test include:ok.test ~all", ""},
		{[]lookup.Text{{"v=spf1 a:mail.test -all"}, {"v=spf1 include:ok.test -all"}}, "v=spf1 a:mail.test include:ok.test -all", ""},
		{[]lookup.Text{{"v=spf1 a:mail.test ~all -all"}}, "v=spf1 a:mail.test ~all", ""},
		{[]lookup.Text{{"v=spf1 a:mail.test redirect=ok.test"}, {"v=spf1 ip4:203.0.113.5 ?all"}}, "v=spf1 a:mail.test include:ok.test ip4:203.0.113.5 ~all", ""},
		{[]lookup.Text{{"v=spf1 redirect=ok.test"}}, "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 redirect=ok.test", ""},
		{[]lookup.Text{{"v=spf1 a:mail.test", "ip4:203.0.113.5", "-all"}}, "v=spf1 a:mail.test ip4:203.0.113.5 -all", ""},
		{[]lookup.Text{{"v=spf1 a:mai", "l.test -all"}}, "v=spf1 a:mail.test -all", ""},
		{[]lookup.Text{{"v=spf1 a:mail.test ip4:10.0.0.0/8 ip4:192.0.2.300 -all"}}, "v=spf1 a:mail.test ~all", "ip4:192.0.2.300 ip4:10.0.0.0/8"},
		{[]lookup.Text{{"v=spf1 a:mail.test mail.example.org -all"}}, "v=spf1 a:mail.test ~all", "mail.example.org"},
		{[]lookup.Text{{"spf1 a:mail.test -all"}}, "v=spf1 a:mail.test -all", ""},
		{[]lookup.Text{{"V=SPF1 A:mail.test,-ALL"}}, "v=spf1 A:mail.test -all", ""},
		{[]lookup.Text{{"v=spf1 ip4:192.0.2.25,2001:db8::25,include:ok.test -all"}}, "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 include:ok.test -all", ""},
		{[]lookup.Text{{"v=spf1 ip4: 192.0.2.25 a : mail.test include :ok.test ip4:198.51.100.0 /24 - all"}}, "v=spf1 ip4:192.0.2.25 a:mail.test include:ok.test ip4:198.51.100.0/24 -all", ""},
		{[]lookup.Text{{"\ufeffv=spf1\u00a0a:mail.test\u00a0include:ok.test\u200b -all"}}, "v=spf1 a:mail.test include:ok.test -all", ""},
		{[]lookup.Text{{"v=spf1 a: mx:mail.test a:mail.test -all"}}, "v=spf1 a:mail.test -all", "a mx:mail.test"},
		{[]lookup.Text{{"v=spf1 a:mail.test a:bücher.test -all"}}, "v=spf1 a:mail.test ~all", "a:bücher.test"},
		{[]lookup.Text{{"v=spf1 redirect=ok.test redirect=mail.test"}}, "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ~all", "redirect=ok.test redirect=mail.test"},
		{[]lookup.Text{{"v=spf1 include=ok.test +ip:192.0.2.25 ip6:2001:db8::25 all"}}, "v=spf1 include:ok.test +ip4:192.0.2.25 ip6:2001:db8::25 ~all", ""},
		{[]lookup.Text{{"v=spf1 a:mail.test exp=why.test x-y=1 -all"}}, "v=spf1 a:mail.test exp=why.test x-y=1 -all", ""},
		{[]lookup.Text{{"v=spf1 ip4:0.0.0.0/0 ip6:2001:db8::25 -all"}}, "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ~all", "ip4:0.0.0.0/0"},
	} {
		d := zoneOf(t, c.records...)
		m, ok := Mend(t.Context(), d, Look(t.Context(), d, "x.test"), "mail.test", sending())
		if !ok || m.Text != c.want || strings.Join(m.Left, " ") != c.left {
			t.Errorf("%q: %v %q without %q, want %q without %q", c.records, ok, m.Text, m.Left, c.want, c.left)
		}
	}
}

// TestMendBlind: where the sending addresses are not known, nothing is returned that may
// refuse more than what is there.
func TestMendBlind(t *testing.T) {
	for record, want := range map[string]string{
		"v=spf1 +all":                 "",
		"v=spf1":                      "",
		"v=spf1 a:mail.test":          "",
		"v=spf1 ptr a:mail.test -all": "",
		"v=spf1 a:mail.test mail.example.org -all":        "",
		"v=spf1 a:mail.test redirect=nowhere.test":        "",
		"v=spf1 a:mail.test ip4:10.0.0.0/8 -all":          "v=spf1 a:mail.test -all",
		"v=spf1; a:mail.test; ~all":                       "v=spf1 a:mail.test ~all",
		"v=spf1 a:mail.test a:mail.test redirect:ok.test": "v=spf1 a:mail.test redirect=ok.test",
	} {
		d := zoneOf(t, lookup.Text{record})
		m, ok := Mend(t.Context(), d, Look(t.Context(), d, "x.test"), "mail.test", nil)
		if ok != (want != "") || m.Text != want {
			t.Errorf("%q: %v %q, want %q", record, ok, m.Text, want)
		}
	}
}

// FuzzMend: whatever stands there, what is to be published is a record by which our mail
// passes, and is good as it is.
func FuzzMend(f *testing.F) {
	f.Add("v=spf1 a:mail.test", "ip4:203.0.113.5 -all", 3)
	f.Add("v=spf1;include:ok.test redirect:ok.test", "v=spf1 +all", 0)
	f.Add("\"v=spf1 mx\" –all ip4: 192.0.2.25", "spf2.0/pra ?all", 9)
	f.Fuzz(func(t *testing.T, one, two string, cut int) {
		if len(one) > 200 || len(two) > 200 || one == "" {
			return
		}
		texts := []lookup.Text{{one}}
		if cut > 0 && cut < len(one) {
			texts = []lookup.Text{{one[:cut], one[cut:]}}
		}
		if two != "" {
			texts = append(texts, lookup.Text{two})
		}
		d := zoneOf(t, texts...)
		m, ok := Mend(t.Context(), d, Look(t.Context(), d, "x.test"), "mail.test", sending())
		if !ok {
			return
		}
		tried := With(t.Context(), d, "x.test", m.Text)
		if _, problems := parse(m.Text); !isRecord(m.Text) || len(problems) > 0 || len(uncovered(t.Context(), tried, "x.test", "mail.test", sending())) > 0 {
			t.Errorf("%q is mended to %q: %v", texts, m.Text, problems)
		}
		again, ok := Mend(t.Context(), tried, Look(t.Context(), tried, "x.test"), "mail.test", sending())
		if !ok || again.Text != m.Text {
			t.Errorf("%q is mended to %q, and that to %q", texts, m.Text, again.Text)
		}
	})
}
