package posture

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"pratique/signing"
	"pratique/signing/records"
	"pratique/signing/records/recordstest"
)

func newKey(t *testing.T, bits int) *signing.PrivateKey {
	t.Helper()
	var key any
	var err error
	if bits == 0 {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, bits)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := signing.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return private
}

// txt is a line of a zone file.
func txt(name, text string) string { return strings.Replace(txtLine(name, text), " IN ", " 60 IN ", 1) }

// TestKeys holds keys against records with all kinds of mistakes.
func TestKeys(t *testing.T) {
	ed, other, rsa1024, rsa2048 := newKey(t, 0), newKey(t, 0), newKey(t, 1024), newKey(t, 2048)
	name := func(s string) string { return s + "._domainkey.good.test" }
	addr := recordstest.Start(t, "127.0.0.1", 0, recordstest.Records(t,
		txt(name("match"), ed.Record()), txt(name("long"), rsa2048.Record()), txt(name("short"), rsa1024.Record()),
		txt(name("test"), ed.Record()+"; t=y"), txt(name("other"), other.Record()), txt(name("revoked"), "v=DKIM1; k=ed25519; p="),
		txt(name("sha1"), ed.Record()+"; h=sha1"), txt(name("tls"), ed.Record()+"; s=tlsrpt"), txt(name("two"), ed.Record()), txt(name("two"), other.Record()),
		txt(name("cut"), rsa2048.Record()[:255]), txt(name("spf"), "v=spf1 -all"), name("alias")+". 60 CNAME "+name("match")+".",
	))
	for _, c := range []struct {
		selector string
		key      *signing.PrivateKey
		awaited  bool
		want     string
	}{
		{"match", ed, false, "dkim_match ok"},
		{"long", rsa2048, false, "dkim_match ok"},
		{"alias", ed, false, "dkim_match ok"},
		{"short", rsa1024, false, "dkim_match ok, dkim_warning warn"},
		{"test", ed, false, "dkim_match ok, dkim_warning warn"},
		{"other", ed, false, "dkim_different fail"},
		{"revoked", ed, false, "dkim_revoked fail"},
		{"sha1", ed, false, "dkim_wrong_hash fail"},
		{"tls", ed, false, "dkim_wrong_type fail"},
		{"two", ed, false, "dkim_multiple fail"},
		{"cut", rsa2048, false, "dkim_malformed fail"},
		{"spf", ed, false, "dkim_wrong_type fail"},
		{"none", ed, false, "dkim_missing fail"},
		{"none", rsa1024, false, "dkim_missing fail, weak_key warn"},
		{"none", ed, true, "dkim_missing warn"},
		{"unreadable", nil, false, "key_unusable fail"},
	} {
		r := Run(t.Context(), asking(addr), Subject{Pairs: from("good.test"),
			Keys: []Key{{Record: name(c.selector), Domain: "good.test", Selector: c.selector, Private: c.key, Err: errors.New("no such file"), Awaited: c.awaited}}})
		var got []string
		for _, f := range only(r.Findings, "dkim") {
			if f.Code == "only_ed25519" {
				continue
			}
			got = append(got, fmt.Sprintf("%s %s", f.Code, f.Status))
			if f.Status == Fail && c.key != nil && len(f.Publish) == 0 {
				t.Errorf("%s: there is no record to publish", c.selector)
			}
			for _, line := range f.Publish { // what is to be published, is right
				if rr, err := dns.NewRR(line); err != nil || strings.Join(rr.(*dns.TXT).Txt, "") != c.key.Record() {
					t.Errorf("%s: %s: %v", c.selector, line, err)
				}
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %v, want %s", c.selector, got, c.want)
		}
	}
}

// TestKeyUnknown: a server that fails has not said that the record is there.
func TestKeyUnknown(t *testing.T) {
	addr := recordstest.Start(t, "127.0.0.1", 0, recordstest.Rcode(dns.RcodeServerFailure))
	r := Run(t.Context(), asking(addr), Subject{Pairs: from("good.test"), Keys: []Key{{Record: "s._domainkey.good.test", Domain: "good.test", Private: newKey(t, 2048)}}})
	if found := only(r.Findings, "dkim"); len(found) != 1 || found[0].Status != Unknown || !strings.Contains(found[0].Found, "SERVFAIL") {
		t.Errorf("%+v", found)
	}
	unsigned := Run(t.Context(), asking(addr), Subject{Pairs: []Pair{{From: "good.test", Envelope: "good.test"}}})
	if found := only(unsigned.Findings, "dkim"); len(found) != 1 || found[0].Code != "no_key" {
		t.Errorf("%+v", found)
	}
}

// TestOnlyEd25519: a key that many receivers do not know is not enough.
func TestOnlyEd25519(t *testing.T) {
	ed, rsa := newKey(t, 0), newKey(t, 2048)
	addr := recordstest.Start(t, "127.0.0.1", 0, recordstest.Records(t))
	for want, keys := range map[bool][]Key{
		true:  {{Record: "a._domainkey.good.test", Domain: "good.test", Private: ed}},
		false: {{Record: "a._domainkey.good.test", Domain: "good.test", Private: ed}, {Record: "b._domainkey.good.test", Domain: "good.test", Private: rsa}},
	} {
		r := Run(t.Context(), asking(addr), Subject{Pairs: from("good.test"), Keys: keys})
		if got := strings.Contains(codes(r.Findings), "only_ed25519 warn"); got != want {
			t.Errorf("%d keys: %v", len(keys), got)
		}
	}
}

// TestTXTLine: what is to be published reads back as it was meant, whatever is in it.
func TestTXTLine(t *testing.T) {
	for _, text := range []string{"", "v=spf1 -all", `a "quoted\ text`, strings.Repeat("0123456789", 100), "\x00\xff\n", strings.Repeat("\"", 300)} {
		rr, err := dns.NewRR(txtLine("x.test", text))
		if text == "" {
			continue // no TXT record is without a string
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := ""
		for _, part := range rr.(*dns.TXT).Txt {
			got += records.Octets(part)
		}
		if got != text {
			t.Errorf("%q reads back as %q", text, got)
		}
	}
}
