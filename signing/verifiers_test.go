package signing_test

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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/message"
	"pratique/signing"
	"pratique/signing/verifytest"
)

// letters are messages that canonicalization must get right.
var letters = map[string]string{
	"plain": "From: Sender <sender@example.org>\r\nTo: recipient@example.net\r\nSubject: hello\r\n" +
		"Date: Tue, 3 Feb 2026 04:05:06 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n",
	"white space": "from: sender@example.org\r\nTO: a@example.net,\r\n\t b@example.net \t\r\n  ,c@example.net\r\n" +
		"Subject: folded \t at\tonce \r\nX-Other: not signed\r\n\r\n" +
		" leading\r\ntwo  spaces and\ta tab\t\r\n \r\n\r\n\t\r\ntrailing \r\n\r\n\r\n",
	"no body":       "From: sender@example.org\r\nSubject: empty\r\n\r\n",
	"empty lines":   "From: sender@example.org\r\nSubject: empty lines\r\n\r\n\r\n\r\n\r\n",
	"blank line":    "From: sender@example.org\r\nSubject: a blank\r\n\r\n  \t\r\n",
	"8 bit and dot": "From: =?big5?B?pPS1bA==?= <sender@example.org>\r\nSubject: 8 bit\r\n\r\n.\r\n..\r\n\xc3\xa9\xff \xa0\r\n",
	"repeated fields": "Resent-From: b@example.org\r\nResent-To: b@example.net\r\nResent-From: a@example.org\r\nResent-To: a@example.net\r\n" +
		"References: <0@example.org>\r\nFrom: sender@example.org\r\nReferences: <1@example.org>\r\nSubject: twice\r\n\r\ntext\r\n",
	"list": "From: sender@example.org\r\nSubject: news\r\nList-Unsubscribe: <https://example.org/u/1>,\r\n <mailto:u@example.org>\r\n" +
		"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Id: News <news.example.org>\r\n\r\ntext\r\n",
	"long": "From: sender@example.org\r\nSubject: " + strings.Repeat("word ", 180) + "\r\n\r\n" +
		strings.Repeat(strings.Repeat("x", 990)+"\r\n", 200),
}

// Three verifiers that share no code with this package, and go-msgauth, accept
// every signature.
func TestVerifiersAgree(t *testing.T) {
	keys := newKeys(t)
	for _, canonicalization := range []string{"relaxed/relaxed", "simple/simple"} {
		keys.opts.Canonicalization = canonicalization
		signer := keys.signer(t)
		for name, letter := range letters {
			t.Run(canonicalization+"/"+name, func(t *testing.T) {
				t.Parallel()
				verifytest.WantValid(t, play(t, signer, letter), keys.records, keys.signatures...)
			})
		}
	}
}

// Fields with no space after the colon, several, or the first line end.
func TestVerifiersAgreeOnSpaceAfterColon(t *testing.T) {
	const letter = "From:sender@example.org\r\nTo:   recipient@example.net\r\nSubject:\r\n\tfolded at once\r\nCc:\r\n\r\ntext \r\n"
	keys := newKeys(t)
	for _, canonicalization := range []string{"relaxed/simple", "simple/relaxed"} {
		keys.opts.Canonicalization = canonicalization
		signed := play(t, keys.signer(t), letter)
		for _, v := range verifytest.All() {
			if v.OneSpace && strings.HasPrefix(canonicalization, "simple/") {
				continue
			}
			t.Run(canonicalization+"/"+v.Name, func(t *testing.T) {
				t.Parallel()
				v.WantValid(t, signed, keys.records, keys.signatures...)
			})
		}
	}
}

// The verifiers can fail, or they prove nothing.
func TestVerifiersRefuse(t *testing.T) {
	keys := newKeys(t)
	signed := play(t, keys.signer(t), letters["list"])
	other := newKeys(t)
	forgeries := map[string]struct {
		message []byte
		records map[string]string
	}{
		"body changed":         {append(bytes.Clone(signed), "more\r\n"...), keys.records},
		"another key":          {signed, other.records},
		"second From":          {before(signed, "From:", "From: other@example.org\r\n"), keys.records},
		"one-click redirected": {bytes.Replace(signed, []byte("//example.org/u/1"), []byte("//example.com/u/1"), 1), keys.records},
	}
	for name, forged := range forgeries {
		for _, v := range verifytest.All() {
			t.Run(name+"/"+v.Name, func(t *testing.T) {
				t.Parallel()
				results := v.Verify(t, forged.message, forged.records)
				if len(results) != len(keys.signatures) {
					t.Errorf("%d results, want %d", len(results), len(keys.signatures))
				}
				for _, r := range results {
					if r.Err == nil {
						t.Errorf("d=%s s=%s a=%s is valid", r.Domain, r.Selector, r.Algorithm)
					}
				}
			})
		}
	}
}

// A signed message can't be sent on with anything that a reader would take for
// the sender's: what the signature covers can't be doubled, and what was not
// there can't be added, but for what an MTA on the way may add.
func TestReplaysAreRefused(t *testing.T) {
	keys := newKeys(t)
	letter := "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n" + letters["plain"]
	signed := play(t, keys.signer(t), letter)
	for _, field := range []string{
		"From: other@example.com", "Subject: other", "Date: Wed, 4 Feb 2026 04:05:06 +0000", "To: other@example.com",
		"Cc: other@example.com", "Reply-To: other@example.com", "Message-ID: <2@example.com>", "MIME-Version: 1.0",
		"Content-Type: text/html",
	} {
		name, _, _ := strings.Cut(field, ":")
		for place, forged := range map[string][]byte{
			"on top":     append([]byte(field+"\r\n"), signed...),
			"at the end": bytes.Replace(signed, []byte("\r\n\r\n"), []byte("\r\n"+field+"\r\n\r\n"), 1),
		} {
			for _, v := range verifytest.All() {
				if v.Name == "Mail::DKIM" && place == "on top" {
					continue // one of the slow ones is enough for both places
				}
				t.Run(name+" "+place+"/"+v.Name, func(t *testing.T) {
					t.Parallel()
					for _, r := range v.Verify(t, forged, keys.records) {
						if r.Err == nil {
							t.Errorf("a=%s is valid", r.Algorithm)
						}
					}
				})
			}
		}
	}
}

// What our signature does not cover may be added on the way, and others' signatures are left alone.
func TestVerifiersAcceptTrace(t *testing.T) {
	keys := newKeys(t)
	theirs := "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=none;\r\n h=From; bh=AAAA; b=AAAA\r\n"
	signed := play(t, keys.signer(t), theirs+letters["plain"])
	if !bytes.Contains(signed, []byte("\r\n"+theirs)) {
		t.Fatalf("the other signature was changed:\n%s", signed)
	}
	ours := bytes.Replace(signed, []byte(theirs), nil, 1)
	ours = append([]byte("Received: from a by b; Tue, 3 Feb 2026 04:05:06 +0000\r\nList-Id: <list.example.com>\r\n"+
		"List-Unsubscribe: <https://list.example.com/>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nX-Spam: no\r\n"), ours...)
	verifytest.WantValid(t, ours, keys.records, keys.signatures...)
}

// before inserts fields in front of the first field of a name.
func before(message []byte, name, fields string) []byte {
	return bytes.Replace(message, []byte("\r\n"+name), []byte("\r\n"+fields+name), 1)
}

// keys are two keys of example.org.
type keys struct {
	opts       signing.Options
	records    map[string]string
	signatures []string
}

func newKeys(t *testing.T) keys {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := keys{opts: signing.DefaultOptions(), records: map[string]string{}}
	k.opts.Expire = 240 * time.Hour
	d := signing.Domain{Domain: "example.org", Identity: "@example.org"}
	for _, key := range []struct {
		selector, algorithm string
		key                 crypto.Signer
	}{{"r", "rsa-sha256", rsaKey}, {"e", "ed25519-sha256", edKey}} {
		file := writeKey(t, key.key)
		loaded, err := signing.LoadKey(file)
		if err != nil {
			t.Fatal(err)
		}
		d.Keys = append(d.Keys, signing.Key{Selector: key.selector, File: file})
		k.records[key.selector+"._domainkey.example.org"] = loaded.Record()
		k.signatures = append(k.signatures, fmt.Sprintf("d=example.org s=%s a=%s", key.selector, key.algorithm))
	}
	k.opts.Domains = []signing.Domain{d}
	return k
}

func writeKey(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (k keys) signer(t *testing.T) *signing.Signer {
	t.Helper()
	// Verifiers look at their own clock: a signature of the future is not valid.
	s, err := signing.New(k.opts, func() time.Time { return time.Now().Add(-time.Minute) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// play takes a message through the signer and returns what leaves.
func play(t *testing.T, s *signing.Signer, letter string) []byte {
	t.Helper()
	var header, body bytes.Buffer
	m := &message.Message{Sender: "sender@example.org"}
	if err := message.Play(context.Background(), s, m, strings.NewReader(letter), &body); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Header.WriteTo(&header); err != nil {
		t.Fatal(err)
	}
	return bytes.Join([][]byte{header.Bytes(), body.Bytes()}, []byte("\r\n"))
}
