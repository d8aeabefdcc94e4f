package signing

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pratique/message"
)

// fixedTime is when the tests sign, unless they say otherwise.
var fixedTime = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func fixedClock() time.Time { return fixedTime }

// keyFile writes a private key in PKCS#8 and returns the file.
func keyFile(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemFile(t, "PRIVATE KEY", der)
}

func pemFile(t testing.TB, kind string, der []byte) string {
	t.Helper()
	return textFile(t, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func textFile(t testing.TB, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// identity is a domain, its options and what it has in the DNS.
type identity struct {
	opts    Options
	records map[string]string
}

// example signs for example.org with an RSA key, selector r, and an Ed25519 key, selector e.
func example(t testing.TB) identity {
	t.Helper()
	id := identity{opts: DefaultOptions(), records: map[string]string{}}
	id.add(t, "example.org", map[string]crypto.Signer{"r": newRSA(t), "e": newEd25519(t)}, "r", "e")
	return id
}

func (id *identity) add(t testing.TB, domain string, keys map[string]crypto.Signer, order ...string) {
	t.Helper()
	d := Domain{Domain: domain}
	name := d.SigningDomain()
	for _, selector := range order {
		record, err := PublicRecord(keys[selector].Public())
		if err != nil {
			t.Fatal(err)
		}
		id.records[selector+"._domainkey."+name] = record
		d.Keys = append(d.Keys, Key{Selector: selector, File: keyFile(t, keys[selector])})
	}
	id.opts.Domains = append(id.opts.Domains, d)
}

// lookup finds the records as the DNS would.
func (id identity) lookup(_ context.Context, name string) ([]string, error) {
	if record, ok := id.records[name]; ok {
		return []string{record}, nil
	}
	return nil, fmt.Errorf("no record %s", name)
}

func (id identity) signer(t testing.TB, b backend) *Signer {
	t.Helper()
	s, err := newSigner(id.opts, fixedClock, slog.New(slog.DiscardHandler), b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sign plays a message through the signer and returns what leaves.
func sign(t testing.TB, s *Signer, text string) (signed []byte, m *message.Message) {
	t.Helper()
	signed, m, err := trySign(s, text)
	if err != nil {
		t.Fatal(err)
	}
	return signed, m
}

func trySign(s *Signer, text string) ([]byte, *message.Message, error) {
	return trySignFor(s, "sender@example.org", text)
}

// trySignFor is trySign with an envelope sender, "" for the null sender.
func trySignFor(s *Signer, sender, text string) ([]byte, *message.Message, error) {
	m := &message.Message{Sender: sender}
	var header, body bytes.Buffer
	err := message.Play(context.Background(), s, m, bytes.NewReader([]byte(text)), &body)
	m.Header.WriteTo(&header)
	return append(append(header.Bytes(), "\r\n"...), body.Bytes()...), m, err
}

// wantValid holds that every signature of a message verifies, and how many there are.
func (id identity) wantValid(t testing.TB, signed []byte, count int) {
	t.Helper()
	results, err := Verify(context.Background(), bytes.NewReader(signed), id.lookup)
	if err != nil {
		t.Fatalf("%v:\n%q", err, signed)
	}
	if len(results) != count {
		t.Errorf("%d signatures, want %d", len(results), count)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("d=%s s=%s a=%s: %v\n%.4000q", r.Domain, r.Selector, r.Algorithm, r.Err, signed)
		}
	}
}

// testBackends are the ways to RSA signatures that this machine has.
func testBackends(t testing.TB) []backend {
	t.Helper()
	lib, err := openLibcrypto()
	if err != nil {
		t.Logf("without libcrypto: %v", err)
		return []backend{goRSA{}}
	}
	return []backend{lib, goRSA{}}
}

// playThrough plays a message through a check. What leaves is in m.
func playThrough(check message.Check, m *message.Message, text string) error {
	return message.Play(context.Background(), check, m, bytes.NewReader([]byte(text)), nil)
}

// failingKey is a key whose signatures fail.
func failingKey(err error) func() (signFunc, error) {
	sign := func([]byte) ([]byte, error) { return nil, err }
	return func() (signFunc, error) { return sign, nil }
}
