package signing

import (
	"bytes"
	"context"
	"crypto"
	cryptorand "crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/message"
)

const letter = "From: Sender <sender@example.org>\r\nTo: recipient@example.net\r\nSubject: hello\r\n" +
	"Date: Tue, 3 Feb 2026 04:05:06 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n"

func notes(m *message.Message) []string {
	var all []string
	for _, n := range m.Notes {
		all = append(all, fmt.Sprintf("%s %s: %s", n.Check, n.Key, n.Text))
	}
	return all
}

func TestSignerSigns(t *testing.T) {
	id := example(t)
	for _, b := range testBackends(t) {
		signed, m := sign(t, id.signer(t, b), letter)
		id.wantValid(t, signed, 2)
		if !bytes.HasSuffix(signed, []byte(letter)) {
			t.Errorf("the message was changed:\n%s", signed)
		}
		first, _ := m.Header.First(signatureField)
		if !strings.Contains(first.Unfolded(), "s=r;") {
			t.Errorf("the first key's signature is not on top:\n%s", signed)
		}
		want := []string{
			"signing signed: d=example.org s=r a=rsa-sha256",
			"signing signed: d=example.org s=e a=ed25519-sha256",
		}
		if got := notes(m); !slices.Equal(got, want) {
			t.Errorf("notes %q, want %q", got, want)
		}
	}
}

func TestSignerNamesOneReason(t *testing.T) {
	id := example(t)
	tests := []struct {
		name, header, reason string
		code                 Reason
	}{
		{"no From", "To: a@example.net\r\n", "no From", NoFrom},
		{"several From", "From: a@example.org\r\nFrom: b@example.org\r\n", "2 From fields", ManyFrom},
		{"no key", "From: a@shop.example\r\n", `no key for "shop.example"`, NoKey},
		{"below without wildcard", "From: a@sub.example.org\r\n", `no key for "sub.example.org"`, NoKey},
		{"unreadable", "From: nobody\r\n", "no address in From that can be read", UnreadableFrom},
		{"nothing in it", "From:\r\n", "no address in From that can be read", UnreadableFrom},
		{"empty group", "From: undisclosed:;\r\n", "no address in From that can be read", UnreadableFrom},
		{"second address is ours", "From: a@example.com, b@example.org\r\n", `no key for "example.com"`, NoKey},
		{"endless domain", "From: a@" + strings.Repeat("a.", 200) + "example.org\r\n", `no key for "a.a.a.`, NoKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id.opts.Unsigned = accept
			text := tt.header + "Subject: x\r\n\r\nbody\r\n"
			signed, m := sign(t, id.signer(t, goRSA{}), text)
			if string(signed) != text {
				t.Errorf("the message was changed:\n%s", signed)
			}
			if len(m.Notes) != 1 || !strings.HasPrefix(notes(m)[0], "signing unsigned: "+tt.reason) || m.Notes[0].Code != string(tt.code) {
				t.Errorf("notes %q, code %s, want %q", notes(m), m.Notes[0].Code, tt.reason)
			}

			id.opts.Unsigned = reject
			_, m, err := trySign(id.signer(t, goRSA{}), text)
			var refusal *message.Refusal
			if !errors.As(err, &refusal) || refusal.Code != 550 || refusal.Enhanced != "5.7.1" || !strings.Contains(refusal.Text, tt.reason) {
				t.Errorf("unsigned = reject gives %v", err)
			}
			if len(m.Notes) != 1 {
				t.Errorf("notes %q", notes(m))
			}
		})
	}
}

func TestFromAddress(t *testing.T) {
	for value, want := range map[string]string{
		"a@Example.ORG":                                   "example.org",
		"j@B\u00fccher.example":                           "xn--bcher-kva.example",
		"j@under_score.example":                           "under_score.example",
		`"x@example.com" <a@example.org>`:                 "example.org",
		"a@example.com (b@example.org)":                   "example.com",
		"first@example.org, second@example.com":           "example.org",
		"Group: a@example.org, b@example.com;":            "example.org",
		"=?unknown-8bit?q?=E9?= <a@example.org>":          "example.org",
		"=?gb18030?b?0A==?=\r\n <a@example.org>":          "example.org",
		`"a@b"@example.org`:                               "example.org",
		"J\u00f6rg <j\u00f6rg@example.org>":               "example.org",
		"J\xf6rg <a@example.org>":                         "example.org",
		"a@example.com <a@example.org>":                   "example.org",
		"Example, Inc. <a@example.org>":                   "example.org",
		"=?utf-8?b?%%%?=<a@example.org>":                  "example.org",
		`"unfinished <a@example.org>`:                     "example.org",
		"J\xf6rg <a@example.com> <a@example.org>":         "",
		"J\xf6rg <a@example.org> and more":                "",
		"J\xf6rg <a b@example.org>":                       "",
		"a@[192.0.2.1]":                                   "[192.0.2.1]",
		"a@example.org (comment (nested) with <b@c.org>)": "example.org",
	} {
		var h message.Header
		if err := h.Receive(message.NewField("From", " "+value)); err != nil {
			t.Fatal(err)
		}
		address, err := fromAddress(&h)
		if got := message.Domain(address); got != want || address != strings.ToLower(address) {
			t.Errorf("%s: %q (%v), want %q", value, address, err, want)
		}
	}
}

func TestTableFind(t *testing.T) {
	all := domains("example.org", "*.example.org", "*.deep.example.org", "own.deep.example.org", "*.example.com")
	table, err := newTable(all, "", newKeyring(slog.New(slog.DiscardHandler), goRSA{}))
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]string{
		"example.org":            "example.org",
		"a.example.org":          "example.org",
		"a.b.example.org":        "example.org",
		"deep.example.org":       "example.org",
		"a.deep.example.org":     "deep.example.org",
		"own.deep.example.org":   "own.deep.example.org",
		"a.own.deep.example.org": "deep.example.org",
		"a.example.com":          "example.com",
		"example.com":            "",
		"notexample.org":         "",
		"org":                    "",
		"":                       "",
		".example.org":           "example.org",
		strings.Repeat("a.", 121) + "example.org": "example.org",
		strings.Repeat("a.", 122) + "example.org": "",
	} {
		got := ""
		if e := table.find(domain); e != nil {
			got = e.domain
		}
		if got != want {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
}

// "*.example.org" signs with d=example.org, under one record for all.
func TestWildcardSignsForParent(t *testing.T) {
	id := identity{opts: DefaultOptions(), records: map[string]string{}}
	id.add(t, "*.Example.org", map[string]crypto.Signer{"e": newEd25519(t)}, "e")
	signed, m := sign(t, id.signer(t, goRSA{}), strings.ReplaceAll(letter, "sender@example.org", "sender@shop.example.org"))
	id.wantValid(t, signed, 1)
	if want := "signing signed: d=example.org s=e a=ed25519-sha256"; notes(m)[0] != want {
		t.Errorf("notes %q", notes(m))
	}
}

// Mail of a subdomain is signed with the key that its parent publishes.
func TestSignAsParent(t *testing.T) {
	id := identity{opts: DefaultOptions(), records: map[string]string{}}
	key := newEd25519(t)
	id.add(t, "Example.org", map[string]crypto.Signer{"e": key}, "e")
	for _, name := range []string{"a.shop.example.org", "*.mail.example.org"} {
		id.opts.Domains = append(id.opts.Domains, Domain{
			Domain: name, SignAs: "example.ORG", Identity: "@mail.example.org", Keys: id.opts.Domains[0].Keys,
		})
	}
	s := id.signer(t, goRSA{})
	for _, from := range []string{"example.org", "a.shop.example.org", "deep.in.mail.example.org"} {
		signed, m := sign(t, s, strings.ReplaceAll(letter, "example.org>", from+">"))
		id.wantValid(t, signed, 1)
		if want := "signing signed: d=example.org s=e a=ed25519-sha256"; notes(m)[0] != want {
			t.Errorf("%s: notes %q", from, notes(m))
		}
	}
	if _, m := sign(t, s, strings.ReplaceAll(letter, "example.org>", "b.shop.example.org>")); m.Notes[0].Code != string(NoKey) {
		t.Errorf("a sister is signed: %q", notes(m))
	}
}

// A key that can't be used stops the mail of its domain, and of no other.
func TestUnusableKeyIsIsolated(t *testing.T) {
	id := example(t)
	id.add(t, "other.example", map[string]crypto.Signer{"e": newEd25519(t)}, "e")
	id.opts.Domains[1].Keys = append(id.opts.Domains[1].Keys, Key{Selector: "gone", File: "/nowhere/gone.pem"})
	var log bytes.Buffer
	s, err := newSigner(id.opts, fixedClock, slog.New(slog.NewTextHandler(&log, nil)), goRSA{})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"level=ERROR", "other.example", "selector=gone", "/nowhere/gone.pem"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not say %s: %s", part, log.String())
		}
	}
	signed, _ := sign(t, s, letter)
	id.wantValid(t, signed, 2)

	theirs := strings.ReplaceAll(letter, "sender@example.org", "sender@other.example")
	signed, m, err := trySign(s, theirs)
	var refusal *message.Refusal
	if err == nil || errors.As(err, &refusal) || !strings.Contains(err.Error(), "selector gone") {
		t.Errorf("err %v, want a plain one that names the selector", err)
	}
	if len(m.Notes) != 0 || bytes.Contains(signed, []byte(signatureField)) {
		t.Errorf("notes %q, message\n%s", notes(m), signed)
	}
}

// A key that breaks while it signs leaves no signature at all behind.
func TestBrokenSignature(t *testing.T) {
	id := example(t)
	id.opts.Domains[0].Keys = []Key{id.opts.Domains[0].Keys[1], id.opts.Domains[0].Keys[0]} // Ed25519 first
	s := id.signer(t, goRSA{})
	broken := errors.New("no entropy")
	s.table.exact["example.org"].keys[1].ready = failingKey(broken)
	signed, m, err := trySign(s, letter)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "s=r") {
		t.Errorf("err %v", err)
	}
	if string(signed) != letter || len(m.Notes) != 0 {
		t.Errorf("notes %q, message\n%s", notes(m), signed)
	}
}

// The body may come in any chunks.
func TestSignerIgnoresChunks(t *testing.T) {
	id := example(t)
	s := id.signer(t, goRSA{})
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		body := randomBody(random, "\r\n")
		want := signChunks(t, s, []byte(body))
		for range 5 {
			if got := signChunks(t, s, randomChunks(random, []byte(body))...); !slices.Equal(got, want) {
				t.Fatalf("%q in chunks:\n%s\nwant\n%s", body, got, want)
			}
		}
	}
}

func signChunks(t *testing.T, s *Signer, chunks ...[]byte) []string {
	t.Helper()
	m := &message.Message{}
	if err := m.Header.Receive(message.NewField("From", " sender@example.org")); err != nil {
		t.Fatal(err)
	}
	i, err := s.Begin(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if err := i.Header(); err != nil {
		t.Fatal(err)
	}
	for _, chunk := range chunks {
		if n, err := i.Write(chunk); n != len(chunk) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(chunk), err)
		}
	}
	if err := i.End(); err != nil {
		t.Fatal(err)
	}
	var signatures []string
	for _, f := range m.Header.Named(signatureField) {
		signatures = append(signatures, string(f.Raw()))
	}
	return signatures
}

// What other checks change in the header, up to their own ends, is what is signed.
func TestSignerSignsTheHeaderAsItLeaves(t *testing.T) {
	id := example(t)
	for _, canonicalization := range []string{"relaxed/relaxed", "simple/simple"} {
		id.opts.Canonicalization = canonicalization
		m := &message.Message{}
		chain := message.NewChain(message.Link{Check: editor{}}, message.Link{Check: id.signer(t, goRSA{})})
		var header, body bytes.Buffer
		if err := message.Play(context.Background(), chain, m, strings.NewReader(letter), &body); err != nil {
			t.Fatal(err)
		}
		m.Header.WriteTo(&header)
		id.wantValid(t, append(append(header.Bytes(), "\r\n"...), body.Bytes()...), 2)
		if first, _ := m.Header.First(signatureField); !strings.Contains(first.Unfolded(), "Reply-To:Reply-To") {
			t.Errorf("the new field is not signed:\n%s", header.Bytes())
		}
	}
}

// editor changes the header at its end and at the end of the message.
type editor struct{}

func (editor) Name() string { return "editor" }
func (editor) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	return editing{m}, nil
}

type editing struct{ m *message.Message }

func (e editing) Header() error {
	for i := range e.m.Header.Named("Subject") {
		e.m.Header.Replace(i, " changed\n  and folded")
		break
	}
	for i := range e.m.Header.Named("To") {
		e.m.Header.Remove(i)
		break
	}
	return nil
}
func (editing) Write(p []byte) (int, error) { return len(p), nil }
func (e editing) End() error {
	e.m.Header.Append("Reply-To", " <late@example.org>")
	e.m.Header.Prepend("X-Trace", " seen")
	return nil
}
func (editing) Close() error { return nil }

func TestSignerIsSafeForConcurrentUse(t *testing.T) {
	id := example(t)
	for _, b := range testBackends(t) {
		s := id.signer(t, b)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					signed, _, err := trySign(s, letter)
					if err != nil {
						t.Error(err)
						return
					}
					id.wantValid(t, signed, 2)
				}
			})
		}
		wg.Wait()
	}
}

func TestUnfinishedMessages(t *testing.T) {
	s := example(t).signer(t, goRSA{})
	i, err := s.Begin(context.Background(), &message.Message{})
	if err != nil || i.Close() != nil {
		t.Errorf("closed before the header: %v", err)
	}
}

func TestWeakKeyIsUsedAndLogged(t *testing.T) {
	key, err := rsa.GenerateKey(cryptorand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	id := identity{opts: DefaultOptions(), records: map[string]string{}}
	id.add(t, "example.org", map[string]crypto.Signer{"old": key}, "old")
	var log bytes.Buffer
	s, err := New(id.opts, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	signed, _ := sign(t, s, letter)
	id.wantValid(t, signed, 1)
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "1024 bits") {
		t.Errorf("the log says %s", log.String())
	}
}
