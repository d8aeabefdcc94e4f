package signing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The examples of the RFCs, whose private keys are published with them. Their
// white space is that of the RFC without the indent of its pages: in RFC 6376
// A.2, which signs with simple/simple, there is one space before "Are", in
// RFC 8463 A.3, which is relaxed, there are two.
var knownAnswers = []struct {
	rfc        string // testdata/rfc
	records    map[string]string
	signatures []string
}{
	{"6376", map[string]string{
		"brisbane._domainkey.example.com": "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt" +
			"IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB",
	}, []string{"d=example.com s=brisbane a=rsa-sha256"}},
	{"8463", map[string]string{
		"brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
		"test._domainkey.football.example.com": "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id" +
			"Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
	}, []string{"d=football.example.com s=brisbane a=ed25519-sha256", "d=football.example.com s=test a=rsa-sha256"}},
}

// rfc8463Seed is the Ed25519 key of RFC 8463 A.1.
const rfc8463Seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="

func TestKnownAnswersVerify(t *testing.T) {
	for _, known := range knownAnswers {
		text := rfcMessage(t, known.rfc)
		for _, lines := range []string{text, strings.ReplaceAll(text, "\r\n", "\n")} {
			results, err := Verify(context.Background(), strings.NewReader(lines), identity{records: known.records}.lookup)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range results {
				got = append(got, fmt.Sprintf("d=%s s=%s a=%s", r.Domain, r.Selector, r.Algorithm))
				if r.Err != nil {
					t.Errorf("RFC %s: %s: %v", known.rfc, got[len(got)-1], r.Err)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(known.signatures) {
				t.Errorf("RFC %s: %q, want %q", known.rfc, got, known.signatures)
			}
		}
	}
}

// From the RFC's message, key and h=, the parts of the signer get the RFC's
// signature, octet for octet: both algorithms are deterministic.
func TestKnownAnswersSign(t *testing.T) {
	for _, known := range knownAnswers {
		for _, c := range recompute(t, rfcMessage(t, known.rfc)) {
			if !bytes.Equal(c.bodyHash, c.wantBody) {
				t.Errorf("RFC %s, s=%s: bh=%s, want %s", known.rfc, c.tags["s"], base64.StdEncoding.EncodeToString(c.bodyHash), c.tags["bh"])
			}
			key := rfcKey(t, known.rfc, c.tags["a"])
			wantRecord(t, key, known.records[c.tags["s"]+"._domainkey."+c.tags["d"]])
			for _, b := range testBackends(t) {
				sign, err := newSignFunc(key, b, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				signature, err := sign(c.digest)
				if err != nil {
					t.Fatal(err)
				}
				if got := base64.StdEncoding.EncodeToString(signature); got != c.tags["b"] {
					t.Errorf("RFC %s, s=%s, %s: b=%s, want %s", known.rfc, c.tags["s"], b.name(), got, c.tags["b"])
				}
			}
		}
	}
}

// The whole signer, with its own h=, on the RFC's messages and with the RFC's keys.
func TestKnownAnswersSignedAnew(t *testing.T) {
	for _, known := range knownAnswers {
		text := rfcMessage(t, known.rfc)
		for _, c := range recompute(t, text) {
			id := identity{opts: DefaultOptions(), records: known.records}
			id.opts.Canonicalization = c.tags["c"]
			id.opts.Domains = []Domain{{Domain: c.tags["d"], Keys: []Key{{Selector: c.tags["s"], File: keyFile(t, rfcKey(t, known.rfc, c.tags["a"]).signer)}}}}
			ours := strings.ReplaceAll(text, "<joe@football.example.com>", "<joe@"+c.tags["d"]+">")
			signed, _ := sign(t, id.signer(t, goRSA{}), ours)
			if anew := recompute(t, string(signed))[0]; anew.tags["bh"] != c.tags["bh"] {
				t.Errorf("RFC %s: bh=%s, want %s", known.rfc, anew.tags["bh"], c.tags["bh"])
			}
			results, err := Verify(context.Background(), bytes.NewReader(signed), id.lookup)
			if err != nil || results[0].Err != nil {
				t.Errorf("RFC %s, s=%s: %v, %v", known.rfc, c.tags["s"], results, err)
			}
		}
	}
}

func rfcMessage(t *testing.T, rfc string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "rfc", rfc+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\n", "\r\n")
}

func rfcKey(t testing.TB, rfc, algorithm string) *PrivateKey {
	t.Helper()
	if algorithm == ed25519SHA256 {
		key, err := newPrivateKey(ed25519.NewKeyFromSeed(decode(t, rfc8463Seed)))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	text, err := os.ReadFile(filepath.Join("testdata", "rfc", rfc+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// wantRecord holds that a key is the private half of a published record.
func wantRecord(t *testing.T, key *PrivateKey, record string) {
	t.Helper()
	if p := tag(record, "p"); p == "" || tag(key.Record(), "p") != p {
		t.Errorf("the key's record is %s, want %s", key.Record(), record)
	}
}

// RFC 6376 3.4.5: one message in three canonicalizations.
func TestCanonicalizationExamples(t *testing.T) {
	const header, body = "A: X\r\nB : Y\t\r\n\tZ  \r\n", " C \r\nD \t E\r\n\r\n\r\n"
	for canonicalization, want := range map[string]struct{ header, body string }{
		"relaxed/relaxed": {"a:X\r\nb:Y Z\r\n", " C\r\nD E\r\n"},
		"simple/simple":   {"A: X\r\nB : Y\t\r\n\tZ  \r\n", " C \r\nD \t E\r\n"},
		"relaxed/simple":  {"a:X\r\nb:Y Z\r\n", " C \r\nD \t E\r\n"},
	} {
		c, err := parseCanonicalization(canonicalization)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, f := range splitFields(header) {
			got = c.appendHeader(got, []byte(f))
		}
		if string(got) != want.header {
			t.Errorf("%s: header %q, want %q", canonicalization, got, want.header)
		}
		if got := canonicalBody(c.relaxedBody, []byte(body)); got != want.body {
			t.Errorf("%s: body %q, want %q", canonicalization, got, want.body)
		}
	}
}
