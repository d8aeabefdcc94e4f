package verifytest

import (
	"testing"
)

// An absent verifier skips the test, unless everything real is asked for.
func TestNeed(t *testing.T) {
	absent := Verifier{Name: "absent", probe: []string{"/nowhere/verifier"}}
	for value, want := range map[string]string{"": "skipped", "1": "failed"} {
		t.Setenv("PRATIQUE_REQUIRE_REAL", value)
		tb := &recorder{TB: t}
		absent.Need(tb)
		if tb.first != want {
			t.Errorf("PRATIQUE_REQUIRE_REAL=%q: %s, want %s", value, tb.first, want)
		}
	}
	tb := &recorder{TB: t}
	All()[0].Need(tb)
	if tb.first != "" {
		t.Errorf("go-msgauth is always there: %s", tb.first)
	}
}

// recorder notes the first way in which a test is told to end.
type recorder struct {
	testing.TB
	first string
}

func (r *recorder) Skipf(string, ...any)  { r.end("skipped") }
func (r *recorder) Fatalf(string, ...any) { r.end("failed") }
func (r *recorder) end(how string) {
	if r.first == "" {
		r.first = how
	}
}

func TestParseAuthResults(t *testing.T) {
	results := parseAuthResults("### INSHEADER: idx=0 hname='Authentication-Results' hvalue='host;\n" +
		"\tdkim=pass (2048-bit key) header.d=example.org header.i=@example.org header.a=rsa-sha256 header.s=r header.b=p4vNxKML;\n" +
		"\tdkim=fail reason=\"signature verification failed\" header.d=example.com header.a=ed25519-sha256 header.s=e;\n" +
		"\tdkim-atps=neutral'\n")
	if len(results) != 2 {
		t.Fatalf("%v", results)
	}
	if r := results[0]; r.Domain != "example.org" || r.Selector != "r" || r.Algorithm != "rsa-sha256" || r.Err != nil {
		t.Errorf("first %+v", r)
	}
	if r := results[1]; r.Domain != "example.com" || r.Selector != "e" || r.Algorithm != "ed25519-sha256" || r.Err == nil {
		t.Errorf("second %+v", r)
	}
	if results := parseAuthResults("host; dkim=none"); results != nil {
		t.Errorf("%v", results)
	}
}
