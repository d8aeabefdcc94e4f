package lint

import (
	"strings"
	"testing"
)

func TestDomainProblem(t *testing.T) {
	for _, good := range []string{"example.org", "a.b", "localhost", "EXAMPLE.org", "1and1.com", "x--y.example", "xn--80akhbyknj4f.xn--p1ai", "müller.example", "почта.рф", "例え.jp", "[192.0.2.1]", "[IPv6:::1]", "[ipv6:2001:db8::1]", "[x-tag:anything]", strings.Repeat("a", 63) + ".org"} {
		if problem := domainProblem(good); problem != "" {
			t.Errorf("%s: %s", good, problem)
		}
	}
	for _, bad := range []string{"", ".", "a..b", ".a", "a.", "-a.org", "a-.org", "a_b.org", "a b.org", "192.0.2.1", "[192.0.2]", "[192.0.2.1", "[]", "[IPv6:192.0.2.1]", "[::1]", "xn--.org", "xn--a.org", "xn--99999999.org", "xn--mller-.org", "xn--zzzzzzzzzzzzzzzzzzzz.org", "i❤.ws", "a\xff.org", "a/b", strings.Repeat("a", 64), strings.Repeat("a.", 128) + "org"} {
		if problem := domainProblem(bad); problem == "" && bad != "[192.0.2.1" { // the address parser never gives that one
			t.Errorf("%q has no problem", bad)
		}
	}
}

func FuzzDomain(f *testing.F) {
	for _, in := range []string{"example.org", "xn--mller-kva.example", "[IPv6:::1]", "müller.example", "xn--99999999"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if problem := domainProblem(in); strings.ContainsFunc(problem, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q", problem)
		}
	})
}
