package explain

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
)

func clock() time.Time { return time.Now() }

// world is a domain that signs, and its records.
type world struct {
	opts    signing.Options
	records map[string][]string
}

func newWorld(t testing.TB, form string) *world {
	t.Helper()
	w := &world{opts: signing.DefaultOptions(), records: map[string][]string{}}
	w.opts.Canonicalization = form
	d := signing.Domain{Domain: "example.org", Identity: "@example.org"}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for selector, key := range map[string]crypto.Signer{"r": rsaKey, "e": edKey} {
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
		w.records[selector+"._domainkey.example.org"] = []string{record}
		d.Keys = append(d.Keys, signing.Key{Selector: selector, File: file})
	}
	w.opts.Domains = []signing.Domain{d}
	return w
}

func (w *world) lookup(_ context.Context, name string) ([]string, error) {
	if found, ok := w.records[name]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("no record %s", name)
}

func (w *world) sign(t testing.TB, text string) string {
	t.Helper()
	signer, err := signing.New(w.opts, clock, nil)
	if err != nil {
		t.Fatal(err)
	}
	var m message.Message
	var header, body bytes.Buffer
	if err := message.Play(context.Background(), signer, &m, strings.NewReader(text), &body); err != nil {
		t.Fatal(err)
	}
	m.Header.WriteTo(&header)
	return header.String() + "\r\n" + body.String()
}

func (w *world) explain(t testing.TB, text string, original ...string) []Signature {
	t.Helper()
	o := Options{Lookup: w.lookup, Clock: clock}
	if len(original) > 0 {
		o.Original = []byte(original[0])
	}
	all, err := Explain(context.Background(), []byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const header = "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: figures\r\n" +
	"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"

var longLine = strings.Repeat("0123456789", 120) // 1,200 octets

var letter = header + "Good morning,\r\n\r\ntwo  spaces, and Gr\u00fc\u00dfe.\r\n" + longLine + "\r\nFrom here on it goes well.\r\n.\r\nAnn\r\n"

func TestValid(t *testing.T) {
	for _, form := range []string{"relaxed/relaxed", "simple/simple"} {
		w := newWorld(t, form)
		signed := w.sign(t, letter)
		for _, s := range w.explain(t, signed) {
			if s.Err != nil || s.Body != Same || s.Header != Same || s.Reasons != nil || s.Form != form {
				t.Errorf("%+v", s)
			}
			if s.Identity != "@example.org" || time.Since(s.Signed) > time.Hour || !s.Expires.IsZero() || s.KeyBits < 256 || s.Record == "" {
				t.Errorf("%+v", s)
			}
			if s.Uncovered != nil || s.Unsealed != nil || len(s.Covered) < 8 {
				t.Errorf("uncovered %q, unsealed %q, covered %q", s.Uncovered, s.Unsealed, s.Covered)
			}
		}
	}
}

// mutations are what happens to messages on their way. Each says what an
// explanation must name, without the original and beside it.
var mutations = []struct {
	name         string
	old, new     string
	bodyDiffers  bool
	alone, wants string
}{
	{"a footer", "Ann\r\n", "Ann\r\n-- \r\nA list\r\n", true, "without the last 2 lines", "2 lines were added at its end, from line 8 of the body on: \"--"},
	{"a wrapped line", longLine, longLine[:998] + "\r\n " + longLine[998:], true, "long lines were wrapped, the first one at line 4", "line 4 of the body, the line was wrapped: \"0123"},
	{"quoted-printable", "two  spaces, and Gr\u00fc\u00dfe.", "two  spaces, and Gr=C3=BC=C3=9Fe.", true, "the body is not the one", "line 3 of the body, converted to quoted-printable"},
	{"a changed word", "morning", "evening", true, "the body is not the one", "line 1 of the body, the text was changed: \"Good morning,\" was signed, now it is \"Good evening,\""},
	{"a line put in", "two", "one\r\ntwo", true, "the body is not the one", "line 3 of the body, a line was inserted"},
	{"a line taken out", "From here on it goes well.\r\n", "", true, "the body is not the one", "line 5 of the body, a line was taken out"},
	{"a doubled dot", "\r\n.\r\n", "\r\n..\r\n", true, "the body is not the one", "line 6 of the body, a dot at the beginning"},
	{"an mbox", "\r\nFrom here", "\r\n>From here", true, "the body is not the one", `line 5 of the body, a ">" was put before`},
	{"cut off", ".\r\nAnn\r\n", "", true, "the body is not the one", "its last 2 lines are missing, from line 6 of the body on"},
	{"base64", "two  spaces, and Gr\u00fc\u00dfe.", "dHdvICBzcGFjZXMsIGFuZCBHcsO8w59lLg==", true, "the body is not the one", "line 3 of the body, the text was changed"},
	{"the last line end cut off", "Ann\r\n", "An", true, "the body is not the one", "line 7 of the body, the text was changed"},
	{"words joined", "on it", "onit", true, "the body is not the one", "line 5 of the body, white space was changed"},
	{"another subject", "Subject: figures", "Subject: numbers", false, "the header is not the one", "figures\" was signed, now it is"},
	{"a second subject", "Subject: figures", "Subject: numbers\r\nSubject: figures", false, "it is valid without the field \"Subject: numbers\"", "a field was added: "},
	{"a Cc", "Subject: figures", "Cc: eve@example.com\r\nSubject: figures", false, "it is valid without the field \"Cc: eve@example.com\"", "a field was added: "},
	{"no date", "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n", "", false, "the header is not the one", "a field was taken out: "},
}

func TestMutations(t *testing.T) {
	for _, form := range []string{"relaxed/relaxed", "simple/simple", "relaxed/simple"} {
		w := newWorld(t, form)
		signed := w.sign(t, letter)
		for _, m := range mutations {
			t.Run(form+"/"+m.name, func(t *testing.T) {
				if !strings.Contains(signed, m.old) {
					t.Fatalf("nothing to change")
				}
				changed := strings.Replace(signed, m.old, m.new, 1)
				for i, explained := range [][]Signature{w.explain(t, changed), w.explain(t, changed, signed)} {
					for _, s := range explained {
						wantBody, wantHeader := Same, Differs
						if m.bodyDiffers {
							wantBody, wantHeader = Differs, Same
						}
						if s.Body != wantBody || s.Header != wantHeader || blames(s.Err) != [2]bool{m.bodyDiffers, !m.bodyDiffers} {
							t.Errorf("%s: %v, body %s, header %s", s.Algorithm, s.Err, s.Body, s.Header)
						}
						want := []string{m.alone, m.wants}[i]
						if len(s.Reasons) != 1 || !strings.Contains(s.Reasons[0], want) {
							t.Errorf("reasons %q, want %q", s.Reasons, want)
						}
					}
				}
			})
		}
	}
}

// blames tells whether go-msgauth finds fault with the body, or with the header.
func blames(err error) [2]bool {
	text := fmt.Sprint(err)
	return [2]bool{strings.Contains(text, "body hash did not verify"), strings.Contains(text, "signature did not verify")}
}

// What may happen to a message under the relaxed form is no difference.
func TestRelaxedStands(t *testing.T) {
	w := newWorld(t, "relaxed/relaxed")
	signed := w.sign(t, letter)
	for _, c := range []struct{ old, new string }{
		{"two  spaces", "two \t spaces"}, {"Ann\r\n", "Ann  \r\n\r\n\r\n"}, {"Subject: figures", "SUBJECT:\r\n figures "}, {"To: bob", "X-New: field\r\nTo: bob"},
	} {
		for _, s := range w.explain(t, strings.Replace(signed, c.old, c.new, 1)) {
			if s.Err != nil || s.Body != Same || s.Header != Same || s.Reasons != nil {
				t.Errorf("%q: %+v", c.new, s)
			}
		}
	}
	if got := w.explain(t, strings.ReplaceAll(signed, "\r\n", "\n")); got[0].Err != nil || got[0].Body != Same {
		t.Errorf("stored with LF: %+v", got[0])
	}
}

func TestOfTheSignatureItself(t *testing.T) {
	w := newWorld(t, "relaxed/relaxed")
	signed := w.sign(t, letter)
	signed = signed[strings.Index(signed[1:], "DKIM-Signature:")+1:] // the second one alone
	selector := w.opts.Domains[0].Keys[1].Selector
	record := selector + "._domainkey.example.org"
	good := w.records[record]
	other := newWorld(t, "relaxed/relaxed").records[record]
	tests := []struct {
		name, old, new string
		records        []string
		want           string
	}{
		{"no record", "", "", nil, "the key is not known: no record"},
		{"none", "", "", []string{}, "there is no record at " + record},
		{"two records", "", "", []string{good[0], other[0]}, "there are 2 records at " + record},
		{"another key", "", "", other, "another key signed it"},
		{"revoked", "", "", []string{"v=DKIM1; p="}, "the key was revoked"},
		{"a record of something else", "", "", []string{"v=spf1 -all"}, "this is an SPF record"},
		{"no hash for us", "", "", []string{good[0] + "; h=sha1"}, "the record excludes sha256"},
		{"not for mail", "", "", []string{good[0] + "; s=tlsrpt"}, "the record excludes mail"},
		{"expired", "t=", "x=1000; t=", good, "it expired on Thu, 01 Jan 1970 00:16:40 UTC"},
		{"l=", "t=", "l=10; t=", good, "l=10 leaves the rest"},
		{"sha1", "a=", "a=rsa-sha1; q=", good, "rsa-sha1 is not accepted"},
		{"an unknown form", "c=relaxed/relaxed", "c=tight", good, "is none of relaxed/relaxed"},
		{"no From", "h=From:From:", "h=", good, "h= does not name From"},
		{"an identity elsewhere", "i=@example.org", "i=@example.com", good, "does not lie within d=example.org"},
		{"no body hash", "bh=", "bx=", good, "it has no bh="},
		{"a broken b", " b=", " b=!", good, "b= is no base64"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			w.records[record] = c.records
			if c.records == nil {
				delete(w.records, record)
			}
			text := signed
			if c.old != "" {
				if text = strings.Replace(signed, c.old, c.new, 1); text == signed {
					t.Fatal("nothing to change")
				}
			}
			found := w.explain(t, text)
			if len(found) != 1 || found[0].Err == nil || !strings.Contains(strings.Join(found[0].Reasons, "\n"), c.want) {
				t.Errorf("%+v, want %q", found, c.want)
			}
		})
	}
}

func TestCoverage(t *testing.T) {
	w := newWorld(t, "relaxed/relaxed")
	signed := w.sign(t, "From: a@example.org\r\nSubject: x\r\n\r\ntext\r\n")
	signed = strings.Replace(signed, "Subject: x", "To: b@example.net\r\nList-Unsubscribe: <https://x.example/>\r\nSubject: x", 1)
	if got := w.explain(t, signed)[0]; fmt.Sprint(got.Uncovered) != "[To List-Unsubscribe]" || got.Err != nil {
		t.Errorf("uncovered %q, %v", got.Uncovered, got.Err)
	}
	weak := "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r; h=From:Subject; bh=; b=\r\nFrom: a@example.org\r\nSubject: x\r\n\r\n"
	if got := w.explain(t, weak)[0]; fmt.Sprint(got.Unsealed) != "[From Subject]" || got.Form != "simple/simple" {
		t.Errorf("%+v", got)
	}
}

func TestAnOriginalThatIsNone(t *testing.T) {
	w := newWorld(t, "relaxed/relaxed")
	changed := strings.Replace(w.sign(t, letter), "morning", "evening", 1)
	for _, s := range w.explain(t, changed, letter[:len(letter)-5]) {
		if !strings.Contains(strings.Join(s.Reasons, " "), "it is no copy of what was signed") {
			t.Errorf("%q", s.Reasons)
		}
	}
}

// FuzzExplain holds that the two verdicts agree, whatever is done to a message.
func FuzzExplain(f *testing.F) {
	w := newWorld(f, "relaxed/relaxed")
	f.Add("Good morning\n\n", "morning", "evening")
	f.Add(" \n", "\n", "\n\n")
	f.Add("text", "Subject: figures", "Subject: figures\nTo: eve@example.com")
	f.Fuzz(func(t *testing.T, body, old, replacement string) {
		signed := w.sign(t, header+withCRLF(body))
		changed := signed
		if old = withCRLF(old); old != "" {
			changed = strings.Replace(signed, old, withCRLF(replacement), 1)
		}
		all, err := Explain(context.Background(), []byte(changed), Options{Lookup: w.lookup, Clock: clock, Original: []byte(signed)})
		if err != nil {
			return
		}
		for _, s := range all {
			if valid := s.Body == Same && s.Header == Same; s.Body != Unknown && s.Header != Unknown && valid != (s.Err == nil) && !tagsAtFault(s) {
				t.Errorf("%v, yet body %s, header %s: %q", s.Err, s.Body, s.Header, changed)
			}
			if found := blames(s.Err); found[0] && s.Body == Same || found[1] && s.Header == Same {
				t.Errorf("%v, yet body %s, header %s: %q", s.Err, s.Body, s.Header, changed)
			}
			if s.Err != nil && len(s.Reasons) == 0 {
				t.Errorf("no reason for %v: %q", s.Err, changed)
			}
		}
	})
}

// tagsAtFault reports a signature that is not valid whatever the message is.
func tagsAtFault(s Signature) bool {
	found := blames(s.Err)
	return s.Err != nil && !found[0] && !found[1]
}

// withCRLF leaves no bare CR and LF, of which go-msgauth makes something else.
func withCRLF(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\n", "\r\n")
}
