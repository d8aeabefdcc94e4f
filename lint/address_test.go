package lint

import (
	"fmt"
	"net/mail"
	"strings"
	"testing"
)

// Forms that receivers accept and net/mail does not: the reason for a parser of our own.
var beyondNetMail = map[string]string{
	`<@relay.example.net,@b.example:ann@example.org>`: "ann@example.org",
	`Ann <ann . example @ example . org>`:             "ann.example@example.org",
	`ann..example@example.org`:                        "ann..example@example.org",
	`ann.@example.org`:                                "ann.@example.org",
	`ann@example.org <ann@example.org>`:               "ann@example.org",
	`=?utf-8?Q?M=C3=BCller,_Ann?= <ann@example.org>`:  "ann@example.org",
	"M\xfcller <ann@example.org>":                     "ann@example.org",
	`[Shop] Ann <ann@example.org>`:                    "ann@example.org",
}

func TestAddressesThatNetMailRefuses(t *testing.T) {
	for in, want := range beyondNetMail {
		if list, err := mail.ParseAddressList(in); err == nil && len(list) == strings.Count(want, "@") {
			t.Errorf("net/mail reads %q by now", in)
		}
		if got, err := addressesOf(in); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func addressesOf(value string) (string, error) {
	boxes, err := parseAddresses(value)
	var all []string
	for _, b := range boxes {
		all = append(all, b.String())
	}
	return strings.Join(all, " "), err
}

func TestAddressErrors(t *testing.T) {
	tests := []struct {
		in    string
		found string
		err   error
	}{
		{"", "", nil},
		{"undisclosed-recipients:;", "", nil},
		{"Ann", "", errNoDomain},
		{"ann@", "", errNoDomain},
		{"@example.org", "", errNoLocalPart},
		{"<>", "", errNoAddress},
		{"Ann <ann@example.org> x", "ann@example.org", errTrailing},
		{"Example, Ann <ann@example.org>", "ann@example.org", errNoDomain},
		{"a@b.org, c d@e.org, f@g.org", "a@b.org f@g.org", errSpace},
		{"Team: a@b.org", "a@b.org", errOpenGroup},
		{`"Ann <a@b.org>`, "", errOpenQuote},
		{"(Ann <a@b.org>", "", errOpenComment},
		{"a@[192.0.2.1", "", errOpenLiteral},
		{"<a@b.org", "", errOpenAngle},
		{"a@b.org>", "", errStrayBracket},
		{"a@b@c.org", "", errTrailing},
		{"a@b.org; c@d.org", "", errTrailing},
		{", a@b.org,, c@d.org,", "a@b.org c@d.org", nil},
		{"Team: a@b.org;, Others: c@d.org;", "a@b.org c@d.org", nil},
	}
	for _, tt := range tests {
		if got, err := addressesOf(tt.in); got != tt.found || err != tt.err {
			t.Errorf("%q: %q, %v, want %q, %v", tt.in, got, err, tt.found, tt.err)
		}
	}
}

func TestVisibleAddresses(t *testing.T) {
	tests := map[string]int{
		"a@b; c@d":                     2,
		"a@b c@d":                      2,
		"<a@b> <c@d>":                  2,
		"A <a@b> C <c@d.e.f>":          2,
		"a.b@c.d <A.B@c.D> x":          1,
		"<@relay:a@b.org":              1,
		"a@b@c":                        1,
		"a@ @b a@.":                    0,
		`"a@b" <c@d> x`:                1,
		`(a@b) "c d"@e f`:              1,
		"":                             0,
		"Example, Ann <a@example.org>": 1,
	}
	for in, want := range tests {
		if got := visibleAddresses(in); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

// Whatever net/mail accepts is accepted here and gives the same addresses.
func FuzzAddresses(f *testing.F) {
	for in := range beyondNetMail {
		f.Add(in)
	}
	for _, in := range []string{`"a b"@c.org`, "A (b) <c@d.org>", "A: b@c.org, d@e.org;", "a@[1.2.3.4]", `"a\"b" <c@d>`, "=?utf-8?q?a?= <b@c>"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		boxes, err := parseAddresses(in)
		list, netErr := mail.ParseAddressList(in)
		if netErr != nil || encodedWords(in) {
			return
		}
		if err != nil || len(boxes) != len(list) {
			t.Fatalf("%q: %v, %v; net/mail has %d addresses", in, boxes, err, len(list))
		}
		for i, box := range boxes {
			if own, theirs := unquoted(box), list[i].Address; own != theirs {
				t.Errorf("%q: address %d is %q, net/mail has %q", in, i, own, theirs)
			}
		}
	})
}

// encodedWords reports what the two read differently on purpose: one encoded-word may hold specials here.
func encodedWords(s string) bool { return strings.Contains(s, "=?") }

// unquoted is the address as net/mail gives it: without quoting and without the obsolete spaces.
func unquoted(m mailbox) string {
	local := m.local
	if strings.HasPrefix(local, `"`) && strings.HasSuffix(local, `"`) {
		local = unescape(local[1 : len(local)-1])
	}
	return fmt.Sprintf("%s@%s", local, m.domain)
}

func TestAddressesAreReadInLinearTime(t *testing.T) {
	for _, piece := range []string{"(", "\"", "=?", "=?,", "=?a?q?,", "=?a?q?x", "a,", "<", "<,", "<@a,", "\\", "@a", "a: ", ";", "[", "(a) "} {
		work := func(n int) float64 {
			return fastest(func() {
				_, _ = parseAddresses(strings.Repeat(piece, n))
				visibleAddresses(strings.Repeat(piece, n))
			})
		}
		wantLinear(t, piece, work)
	}
}
