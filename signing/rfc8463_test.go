package signing

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// The keys and the message of RFC 8463, appendix A.
const (
	rfc8463Seed    = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
	rfc8463Ed25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	rfc8463RSA     = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id" +
		"Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM" +
		"KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"

	rfc8463Signed = " v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n" +
		" d=football.example.com; i=@football.example.com;\r\n" +
		" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n" +
		" subject : date : message-id : from : subject : date;\r\n" +
		" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n" +
		" b="
	rfc8463Signature = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="

	rfc8463Other = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n" +
		" d=football.example.com; i=@football.example.com;\r\n" +
		" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n" +
		" date : message-id : from : subject : date;\r\n" +
		" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n" +
		" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n" +
		" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n" +
		" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
	rfc8463Header = "From: Joe SixPack <joe@football.example.com>\r\n" +
		"To: Suzie Q <suzie@shopping.example.net>\r\n" +
		"Subject: Is dinner ready?\r\n" +
		"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" +
		"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
	rfc8463Body = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
)

// From the RFC's message and key, the parts of the signer get the RFC's
// signature: Ed25519 is deterministic.
func TestRFC8463Signature(t *testing.T) {
	seed, err := base64.StdEncoding.DecodeString(rfc8463Seed)
	if err != nil {
		t.Fatal(err)
	}
	key, err := LoadKey(keyFile(t, ed25519.NewKeyFromSeed(seed)))
	if err != nil {
		t.Fatal(err)
	}
	if key.Record() != rfc8463Ed25519 {
		t.Errorf("record %s", key.Record())
	}

	bodyHash := sha256.New()
	b := newBody(true, bodyHash)
	b.Write([]byte(rfc8463Body))
	b.finish()
	if bh := base64.StdEncoding.EncodeToString(bodyHash.Sum(nil)); !strings.Contains(rfc8463Signed, "bh="+bh+";") {
		t.Errorf("bh=%s", bh)
	}

	c := canonicalization{relaxedHeader: true, relaxedBody: true}
	var signed []byte
	for field := range strings.SplitAfterSeq(rfc8463Header, "\r\n") {
		if field != "" { // the order of h= is that of the header
			signed = c.appendHeader(signed, []byte(field))
		}
	}
	digest := sha256.Sum256(c.appendSignature(signed, rfc8463Signed))
	ready, err := newSigningKey(key, goRSA{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := ready.sign(digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if got := base64.StdEncoding.EncodeToString(signature); got != rfc8463Signature {
		t.Errorf("signature %s, want %s", got, rfc8463Signature)
	}
}

func TestRFC8463Verify(t *testing.T) {
	text := signatureField + ":" + rfc8463Signed + rfc8463Signature + "\r\n" + rfc8463Other + rfc8463Header + "\r\n" + rfc8463Body
	for _, lines := range []string{text, strings.ReplaceAll(text, "\r\n", "\n")} {
		results, err := Verify(context.Background(), strings.NewReader(lines), rfc8463Lookup)
		if err != nil {
			t.Fatal(err)
		}
		want := []Result{
			{Domain: "football.example.com", Selector: "brisbane", Algorithm: ed25519SHA256},
			{Domain: "football.example.com", Selector: "test", Algorithm: rsaSHA256},
		}
		if fmt.Sprint(results) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", results, want)
		}
	}
}

func rfc8463Lookup(_ context.Context, name string) ([]string, error) {
	switch name {
	case "brisbane._domainkey.football.example.com":
		return []string{rfc8463Ed25519}, nil
	case "test._domainkey.football.example.com":
		return []string{rfc8463RSA}, nil
	}
	return nil, fmt.Errorf("no record %s", name)
}
