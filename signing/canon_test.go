package signing

import (
	"strings"
	"testing"
)

func TestHeaderCanonicalization(t *testing.T) {
	tests := []struct{ name, in, relaxed string }{
		{"RFC 6376 3.4.5", "A: X\r\n", "a:X\r\n"},
		{"RFC 6376 3.4.5, folded", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
		{"nothing after the colon", "Subject:\r\n", "subject:\r\n"},
		{"only white space", "Subject: \t\r\n \r\n", "subject:\r\n"},
		{"no space", "SUBJECT:x\r\n", "subject:x\r\n"},
		{"runs", "Subject: \t a \t b\r\n\t \tc\r\n", "subject:a b c\r\n"},
		{"colons in the value", "Subject: a: b :c\r\n", "subject:a: b :c\r\n"},
		{"folded at once", "Subject:\r\n a\r\n", "subject:a\r\n"},
		{"bare CR and LF are octets", "Subject: a\rb\n c \r\n", "subject:a\rb\n c\r\n"},
		{"8 bit", "Subject: \xc3\x89 \xa0\r\n", "subject:\xc3\x89 \xa0\r\n"},
		{"only ASCII letters are lowered", "X-\xc3\x89: a\r\n", "x-\xc3\x89:a\r\n"},
	}
	for _, tt := range tests {
		relaxed := canonicalization{relaxedHeader: true}
		if got := string(relaxed.appendHeader(nil, []byte(tt.in))); got != tt.relaxed {
			t.Errorf("%s: relaxed %q, want %q", tt.name, got, tt.relaxed)
		}
		if got := string(canonicalization{}.appendHeader([]byte("x"), []byte(tt.in))); got != "x"+tt.in {
			t.Errorf("%s: simple %q, want %q", tt.name, got, "x"+tt.in)
		}
	}
}

func FuzzRelaxedHeader(f *testing.F) {
	f.Add("B : Y\t\r\n\tZ  ")
	f.Add("Subject:\r\n \r")
	f.Add("Subject:\r\r\n\n")
	f.Fuzz(func(t *testing.T, field string) {
		if !strings.Contains(field, ":") {
			t.Skip("no field")
		}
		field = strings.ReplaceAll(field, "\r\n", "\r\n ") // within a field each CRLF is folding
		once := appendRelaxed(nil, []byte(field+"\r\n"))
		if want := referenceRelaxed(field); string(once) != want {
			t.Errorf("relaxed of %q is %q, want %q", field, once, want)
		}
		if twice := appendRelaxed(nil, once); string(twice) != string(once) {
			t.Errorf("relaxed of %q is not stable: %q, then %q", field, once, twice)
		}
	})
}

// referenceRelaxed takes a field, in which each CRLF is folding, step by step as RFC 6376 3.4.2 has it.
func referenceRelaxed(field string) string {
	name, value, _ := strings.Cut(field, ":")
	value = strings.ReplaceAll(value, "\r\n", "")
	for _, upper := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		name = strings.ReplaceAll(name, string(upper), string(upper+'a'-'A'))
	}
	blanks := func(r rune) bool { return r == ' ' || r == '\t' }
	return strings.TrimRight(name, " \t") + ":" + strings.Join(strings.FieldsFunc(value, blanks), " ") + "\r\n"
}

func TestParseCanonicalization(t *testing.T) {
	for _, text := range []string{"relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"} {
		c, err := parseCanonicalization(text)
		if err != nil || c.String() != text {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"", "relaxed", "Relaxed/relaxed", "relaxed/nofws", "relaxed/relaxed/simple"} {
		if _, err := parseCanonicalization(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
