package integration

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/message"
	"pratique/signing"
)

// trace is what forwarders leave on top of a message (RFC 8601, RFC 8617).
const trace = "ARC-Seal: i=1; a=rsa-sha256; t=1700000000; cv=none;\r\n\td=list.example; s=arc; b=AAAA\r\n" +
	"ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=list.example; s=arc; h=from:subject;  bh=AAAA; b=AAAA\r\n" +
	"ARC-Authentication-Results: i=1; mx.list.example;\r\n\tdkim=pass header.d=example.org\r\n" +
	"Authentication-Results: mx.list.example; spf=pass smtp.mailfrom=example.org;\r\n  dkim=pass header.d=example.org\r\n"

// What others signed and attested is delivered octet for octet, and is as valid as before.
func TestForwardedMailIsLeftAlone(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{EightBitMIME: true})
	t.Run("postfix", func(t *testing.T) { w.on(t).forwards(w.postfix(w.overUnix()).Addr(), "forwarded-by-postfix") })
	t.Run("sendmail", func(t *testing.T) { w.on(t).forwards(w.on(t).sendmail().Addr(), "forwarded-by-sendmail") })
}

func (w *world) forwards(addr, subject string) {
	w.Helper()
	forwarder, record := newForwarder(w.T)
	signed := forwarder.sign(w.T, harness.Letter(subject))
	field, _, _ := bytes.Cut(signed, []byte("\r\nFrom:"))
	w.accepts(addr, mail(append([]byte(trace), signed...)))
	d := w.delivered(subject)
	if !bytes.Contains(d.Data, []byte("\r\n"+trace+string(field)+"\r\n")) {
		w.Errorf("the fields of the forwarder were changed:\n%s", d.Data)
	}
	results, err := signing.Verify(w.ctx, bytes.NewReader(d.Data), func(_ context.Context, name string) ([]string, error) {
		if strings.HasSuffix(name, ".list.example") {
			return []string{record}, nil
		}
		return nil, fmt.Errorf("no record %s", name)
	})
	if err != nil {
		w.Fatal(err)
	}
	theirs := 0
	for _, r := range results {
		if r.Domain == "list.example" {
			theirs++
			if r.Err != nil {
				w.Errorf("the forwarder's signature: %v\n%s", r.Err, d.Data)
			}
		}
	}
	if theirs != 1 || len(results) < 2 {
		w.Errorf("%d signatures, %d of them the forwarder's", len(results), theirs)
	}
}

// forwarder signs as a list would that signs what it sends on.
type forwarder struct{ *signing.Signer }

func newForwarder(t *testing.T) (forwarder, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	record, err := signing.PublicRecord(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	opts := signing.DefaultOptions()
	opts.Domains = []signing.Domain{{Domain: "list.example", Keys: []signing.Key{{Selector: "l", File: file}}}}
	opts.DefaultDomain = "list.example" // which signs for other domains what has the null sender
	signer, err := signing.New(opts, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return forwarder{signer}, record
}

func (f forwarder) sign(t *testing.T, letter []byte) []byte {
	t.Helper()
	var m message.Message
	var header, body bytes.Buffer
	if err := message.Play(t.Context(), f, &m, bytes.NewReader(letter), &body); err != nil {
		t.Fatal(err)
	}
	m.Header.WriteTo(&header)
	return append(append(header.Bytes(), "\r\n"...), body.Bytes()...)
}
