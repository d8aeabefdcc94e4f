package dmarc

import (
	"fmt"
	"strings"
	"testing"

	"pratique/posture/lookup/lookuptest"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"v=DMARC1; p=reject":    "p=reject",
		"v=DMARC1;p=reject;":    "p=reject",
		"v = DMARC1 ; p = NONE": "p=none",
		"v=DMARC1; p=none; sp=quarantine; np=reject; adkim=s; aspf=S; t=y; psd=n; fo=1:d; rua=mailto:a@b.test": "p=none sp=quarantine np=reject dkim-strict spf-strict testing psd=n rua=a@b.test",
		"v=DMARC1; p=none; rua=mailto:a@b.test, mailto:c@d.test!10m":                                           `p=none rua=a@b.test,c@d.test | rua: rua: the size behind "!" (10m) is of RFC 7489, and is ignored now`,
		"v=DMARC1; p=none; rua=a@b.test":                                                                       "p=none | rua: rua=a@b.test is no URI, and is ignored; mailto:a@b.test is meant, perhaps",
		"v=DMARC1; p=none; rua=mailto://a@b.test":                                                              `p=none | rua: rua: "" is no mail address: two slashes stand behind mailto:, and none is wanted`,
		"v=DMARC1; p=none; rua=mailto:a":                                                                       `p=none | rua: rua: "a" is no mail address`,
		"v=DMARC1; p=none; ruf=https://b.test":                                                                 "p=none | ruf: ruf: receivers report to mailto: only, https: is ignored",
		"v=DMARC1; p=monitor":                                                                                  "p= | !p: p=monitor is no policy; none, quarantine and reject are",
		"v=DMARC1; sp=reject":                                                                                  "p= sp=reject | !p: p= is missing, and there is no valid rua=: RFC 9989 takes it for p=none, receivers by RFC 7489 ignore the record",
		"v=DMARC1; rua=mailto:a@b.test":                                                                        "p= rua=a@b.test | p: p= is missing: RFC 9989 and RFC 7489 take it for p=none, since there is a valid rua=; many receivers ignore the record",
		"v=DMARC1; p=reject; pct=20":                                                                           "p=reject | pct: pct=20 is of RFC 7489: receivers by RFC 9989 ignore it, and apply the policy to all mail; t=y asks them for one step less",
		"v=DMARC1; p=reject; pct=many":                                                                         "p=reject | pct: pct=many is no number from 0 to 100",
		"v=DMARC1; p=reject; ri=3600; rf=afrf":                                                                 "p=reject | ri: ri= is of RFC 7489, and RFC 9989 has dropped it: it does nothing any more | rf: rf= is of RFC 7489, and RFC 9989 has dropped it: it does nothing any more",
		"v=DMARC1; p=reject; P=none":                                                                           "p=reject | P: P= is no tag of DMARC, and is ignored, p= is meant, perhaps",
		"v=DMARC1; p=reject; foo=bar":                                                                          "p=reject | foo: foo= is no tag of DMARC, and is ignored",
		"v=DMARC1; p=reject; p=none":                                                                           "p=reject | p: p= stands twice",
		"v=DMARC1; p=reject; v=DMARC1":                                                                         "p=reject | v: v= stands twice",
		"v=DMARC1; sp=none; p=reject":                                                                          "p=reject sp=none | p: p= does not follow v= at once: RFC 7489 wants that",
		"v=DMARC1; p=reject; junk":                                                                             `p=reject | : "junk" is no tag: it has no "="`,
		"v=DMARC1; p=reject; aspf=strict":                                                                      "p=reject | aspf: aspf=strict is none of r, s; r is taken",
	} {
		if !IsRecord(text) {
			t.Errorf("%q is none", text)
			continue
		}
		if got := print(Parse(text)); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", text, got, want)
		}
	}
}

// print writes what was read.
func print(r Record) string {
	parts := []string{"p=" + string(r.P)}
	add := func(on bool, text string) {
		if on {
			parts = append(parts, text)
		}
	}
	add(r.SP != "", "sp="+string(r.SP))
	add(r.NP != "", "np="+string(r.NP))
	add(r.StrictKey, "dkim-strict")
	add(r.StrictSPF, "spf-strict")
	add(r.Testing, "testing")
	add(r.PSD != "u", "psd="+r.PSD)
	for tag, list := range map[string][]Report{"rua": r.RUA, "ruf": r.RUF} {
		var addresses []string
		for _, report := range list {
			addresses = append(addresses, report.Address)
		}
		add(len(addresses) > 0, tag+"="+strings.Join(addresses, ","))
	}
	text := strings.Join(parts, " ")
	for _, p := range r.Problems {
		text += fmt.Sprintf(" | %s%s: %s", map[bool]string{true: "!"}[p.Fatal], p.Tag, p.Text)
	}
	return text
}

func TestIsRecord(t *testing.T) {
	for text, why := range map[string]string{
		"v=DMARC1":              "",
		"v=DMARC1;":             "",
		"v=DMARC1 p=none":       "v=DMARC1 must be followed by a semicolon",
		"v=DMARC10; p=none":     "v=DMARC1 must be followed by a semicolon",
		"v=dmarc1; p=none":      "v=DMARC1 is case-sensitive, and must be written like this",
		" \"v=DMARC1; p=none\"": "something stands before v=DMARC1",
		"p=none; v=DMARC1":      "v=DMARC1 is not its first tag, and must be",
		"v=DMARC; p=none":       "it must begin with v=DMARC1",
		"v=spf1 -all":           "",
	} {
		if got := Resembles(text); got != why {
			t.Errorf("%q: %q, want %q", text, got, why)
		}
		if IsRecord(text) != (why == "" && !strings.HasPrefix(text, "v=spf1")) {
			t.Errorf("%q: %v", text, IsRecord(text))
		}
	}
}

const tree = `
_dmarc.example.com. TXT "v=DMARC1; p=reject; sp=quarantine; np=none"
_dmarc.mail.example.com. TXT "v=DMARC1; p=none"
_dmarc.own.example.com. TXT "v=DMARC1; p=none; psd=n"
_dmarc.co.test. TXT "v=DMARC1; p=reject; psd=y"
_dmarc.shop.co.test. TXT "v=DMARC1; p=quarantine"
_dmarc.two.example.com. TXT "v=DMARC1; p=none"
_dmarc.two.example.com. TXT "v=DMARC1; p=reject"
_dmarc.g.h.example.net. TXT "v=DMARC1; p=reject"
_dmarc.a.b.c.d.e.f.g.h.example.net. TXT "text"
_dmarc.org. TXT "v=spf1 -all"
`

// TestWalk finds records and organizational domains by both rules.
func TestWalk(t *testing.T) {
	d := lookuptest.New(t, tree).DNS()
	for _, c := range []struct{ domain, walk, suffix string }{
		{"example.com", "example.com at example.com", "example.com at example.com"},
		{"mail.example.com", "example.com at mail.example.com", "example.com at mail.example.com"},
		{"x.mail.example.com", "example.com at example.com", "example.com at example.com"},
		{"own.example.com", "own.example.com at own.example.com", "example.com at own.example.com"},
		{"x.own.example.com", "own.example.com at own.example.com", "example.com at example.com"},
		{"co.test", "co.test at co.test", "co.test at co.test"},
		{"shop.co.test", "shop.co.test at shop.co.test", "co.test at shop.co.test"},
		{"x.shop.co.test", "shop.co.test at shop.co.test", "co.test at co.test"},
		{"x.other.co.test", "other.co.test at co.test", "co.test at co.test"},
		{"two.example.com", "example.com at example.com", "example.com at "},
		{"example.org", "example.org at ", "example.org at "},
		// More than 7 labels: those between are left out.
		{"1.2.3.4.5.6.7.8.g.h.example.net", "g.h.example.net at g.h.example.net", "example.net at "},
		{"single", "single at ", "single at "},
	} {
		walk, suffix := Walk(t.Context(), d, c.domain), BySuffix(t.Context(), d, c.domain)
		if got := walk.Org + " at " + walk.At; got != c.walk {
			t.Errorf("%s by tree walk: %s, want %s", c.domain, got, c.walk)
		}
		if got := suffix.Org + " at " + suffix.At; got != c.suffix {
			t.Errorf("%s by suffix: %s, want %s", c.domain, got, c.suffix)
		}
	}
}

// TestWalkIsBounded: at most 8 questions, however many labels (RFC 9989 4.10).
func TestWalkIsBounded(t *testing.T) {
	z := lookuptest.New(t, "")
	Walk(t.Context(), z.DNS(), strings.Repeat("a.", 100)+"test")
	if n := z.Asked.Load(); n != 8 {
		t.Errorf("%d questions", n)
	}
}

// TestWalkUnknown: a step that is not known makes what depends on it unknown.
func TestWalkUnknown(t *testing.T) {
	z := lookuptest.New(t, tree)
	z.Fail("_dmarc.example.com", lookuptest.ServFail)
	if f := Walk(t.Context(), z.DNS(), "x.example.com"); f.Unknown == nil || f.Record != nil {
		t.Errorf("%+v", f)
	}
	if f := Walk(t.Context(), z.DNS(), "mail.example.com"); f.Unknown == nil || f.Record == nil {
		t.Errorf("%+v", f)
	}
	if f := BySuffix(t.Context(), z.DNS(), "x.example.com"); f.Unknown == nil {
		t.Errorf("%+v", f)
	}
}

func TestPolicyFor(t *testing.T) {
	r := Parse("v=DMARC1; p=reject; sp=quarantine; np=none")
	for _, c := range []struct {
		own, exists bool
		want        Policy
	}{{true, true, Reject}, {false, true, Quarantine}, {false, false, None}, {true, false, Reject}} {
		if got := r.For(c.own, c.exists); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if Reject.Weakened() != Quarantine || Quarantine.Weakened() != None || None.Weakened() != None {
		t.Error("t=y does not ask for one step less")
	}
}

func TestAligned(t *testing.T) {
	d := lookuptest.New(t, tree).DNS()
	for _, c := range []struct {
		from, auth string
		strict     bool
		want       bool
	}{
		{"mail.example.com", "example.com", false, true},
		{"mail.example.com", "example.com", true, false},
		{"mail.example.com", "mail.example.com", true, true},
		{"own.example.com", "example.com", false, false},
		{"x.own.example.com", "own.example.com", false, true},
		{"a.co.test", "b.co.test", false, false},
		{"example.com", "example.org", false, false},
	} {
		if got := Aligned(Walk(t.Context(), d, c.from), Walk(t.Context(), d, c.auth), c.strict); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// FuzzParse: a record that is mended has nothing left that is wrong with it, and says the same.
func FuzzParse(f *testing.F) {
	f.Add("v=DMARC1; p=none; rua=mailto:a@b.test!10m, x; fo=1:q; sp=; np=reject; psd=y; t=y;;")
	f.Add("v=DMARC1;adkim=s;rua=mailto:%61@b.test")
	f.Fuzz(func(t *testing.T, text string) {
		Resembles(text)
		if !IsRecord(text) {
			return
		}
		r := Parse(text)
		again := Parse(r.String())
		if len(again.Problems) > 0 || again.For(true, true) != r.For(true, true) || again.For(false, true) != r.For(false, true) || len(again.RUA) != len(r.RUA) {
			t.Errorf("%q is mended to %q: %+v", text, r.String(), again.Problems)
		}
	})
}
