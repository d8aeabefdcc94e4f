package canary

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"pratique/message"
	"pratique/signing"
)

// mta is an MTA that signs, and does to messages what the real one can't be made to do.
type mta struct {
	t       *testing.T
	addr    string
	to      string                             // where it delivers: host:port, or a Maildir
	alter   func(signed []byte) []byte         // nil: nothing
	refuse  bool                               //
	sign    func(letter []byte) []byte         //
	deliver func(m *mta, message []byte) error // nil: it drops it
}

func (m *mta) Mail(string, *smtp.MailOptions) error { return nil }
func (m *mta) Rcpt(string, *smtp.RcptOptions) error {
	if m.refuse {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "no"}
	}
	return nil
}
func (m *mta) Reset()        {}
func (m *mta) Logout() error { return nil }

func (m *mta) Data(r io.Reader) error {
	letter, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if m.sign != nil {
		letter = m.sign(letter)
	}
	if m.alter != nil {
		letter = m.alter(letter)
	}
	if m.deliver == nil {
		return nil
	}
	go func() {
		if err := m.deliver(m, letter); err != nil {
			m.t.Error(err)
		}
	}()
	return nil
}

func (m *mta) start() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.t.Fatal(err)
	}
	m.addr = l.Addr().String()
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return m, nil }))
	s.ErrorLog = silent{}
	go s.Serve(l)
	m.t.Cleanup(func() { s.Close() })
}

func toSink(m *mta, letter []byte) error {
	return sendTo(m.to, "canary@sink.example.org", letter)
}

func sendTo(addr, to string, letter []byte) error {
	c, err := smtp.Dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.SendMail("canary@example.org", []string{to}, bytes.NewReader(letter))
}

func toMaildir(m *mta, letter []byte) error {
	tmp := filepath.Join(m.to, "tmp", "1")
	if err := os.WriteFile(tmp, bytes.ReplaceAll(letter, []byte("\r\n"), []byte("\n")), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(m.to, "new", "1"))
}

// signerOf returns what signs by a key of a domain, and the look-up that has its record.
func signerOf(t *testing.T, domain string) (func([]byte) []byte, signing.LookupTXT) {
	t.Helper()
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	key := ed25519.NewKeyFromSeed(seed)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "k.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	o := signing.DefaultOptions()
	o.Domains = []signing.Domain{{Domain: domain, Keys: []signing.Key{{Selector: "s", File: file}}}}
	signer, err := signing.New(o, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	lookup := func(_ context.Context, name string) ([]string, error) { return []string{record}, nil }
	return func(letter []byte) []byte {
		m := &message.Message{Sender: "canary@example.org"}
		var body bytes.Buffer
		if err := message.Play(t.Context(), message.NewChain(message.Link{Check: signer}), m, bytes.NewReader(letter), &body); err != nil {
			t.Error(err)
		}
		var signed bytes.Buffer
		for _, f := range m.Header.Fields() {
			signed.Write(f.Raw())
		}
		signed.WriteString("\r\n")
		signed.Write(body.Bytes())
		return signed.Bytes()
	}, lookup
}

func codes(r *Result) string {
	var list []string
	for _, f := range r.Findings {
		list = append(list, string(f.Status)+" "+f.Code)
	}
	return strings.Join(list, ", ")
}

func TestFly(t *testing.T) {
	sign, lookup := signerOf(t, "example.org")
	signForeign, _ := signerOf(t, "example.net")
	foreign := func(letter []byte) []byte { // what an MTA does that takes another domain for its own
		return signForeign(bytes.Replace(letter, []byte("From: Canary <canary@example.org>"), []byte("From: Canary <canary@example.net>"), 1))
	}
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
	}
	for name, c := range map[string]struct {
		mta   mta
		leaks []string
		want  string
	}{
		"well":             {mta{sign: sign, deliver: toSink}, nil, "ok sent, ok arrived, ok signature, ok alignment"},
		"unsigned":         {mta{deliver: toSink}, nil, "ok sent, ok arrived, fail signature"},
		"body changed":     {mta{sign: sign, alter: replace("deleted", "DELETED"), deliver: toSink}, nil, "ok sent, ok arrived, fail signature, fail alignment, warn content"},
		"header changed":   {mta{sign: sign, alter: replace("Subject: Canary", "Subject: [x] Canary"), deliver: toSink}, nil, "ok sent, ok arrived, fail signature, fail alignment"},
		"another domain's": {mta{sign: foreign, deliver: toSink}, nil, "ok sent, ok arrived, ok signature, fail alignment"},
		"refused":          {mta{refuse: true}, nil, "fail sent"},
		"lost":             {mta{sign: sign}, nil, "ok sent, fail arrived"},
		"leaking":          {mta{sign: sign, deliver: toSink}, []string{"H33 Received[1]: 10.1.2.3"}, "ok sent, ok arrived, ok signature, ok alignment, warn leak"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &c.mta
			m.t = t
			m.start()
			o := flight(t, m)
			r, err := Fly(t.Context(), o, Env{Now: time.Now, Lookup: lookup, Helo: "mail.example.org", Leaks: func([]byte) []string { return c.leaks }})
			if err != nil {
				t.Fatal(err)
			}
			if got := codes(r); got != c.want {
				t.Errorf("%s, want %s: %+v", got, c.want, r.Findings)
			}
			want := OK
			for _, s := range []Status{Warn, Fail} {
				if strings.Contains(c.want, string(s)) {
					want = s
				}
			}
			if r.Status() != want {
				t.Errorf("status %s, want %s", r.Status(), want)
			}
		})
	}
}

// flight is a canary by way of an MTA to a sink on a port of its own.
func flight(t *testing.T, m *mta) Options {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	m.to = l.Addr().String()
	o := DefaultOptions()
	o.From, o.To, o.MTA, o.Sink, o.Timeout = "canary@example.org", "canary@sink.example.org", m.addr, m.to, 3*time.Second
	return o
}

func TestFlyToMaildir(t *testing.T) {
	sign, lookup := signerOf(t, "example.org")
	dir := t.TempDir()
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "cur", "other")
	if err := os.WriteFile(other, []byte("Subject: mine\n\n"+markField+": no\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &mta{t: t, sign: sign, deliver: toMaildir}
	m.start()
	o := flight(t, m)
	m.to, o.Sink, o.Maildir = dir, "", dir
	o.Late = time.Nanosecond
	r, err := Fly(t.Context(), o, Env{Now: time.Now, Lookup: lookup, Helo: "mail.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if got := codes(r); got != "ok sent, ok arrived, warn delay, ok signature, ok alignment" {
		t.Errorf("%s: %+v", got, r.Findings)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || !slices.Equal(left, []string{other}) {
		t.Errorf("the Maildir has %v %v", left, err)
	}
}

func TestNoPlaceToArrive(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := DefaultOptions()
	o.From, o.To, o.Sink = "a@example.org", "b@example.org", l.Addr().String()
	if _, err := Fly(t.Context(), o, Env{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Error(err)
	}
	o.Sink, o.Maildir = "", filepath.Join(t.TempDir(), "none")
	if _, err := Fly(t.Context(), o, Env{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "no Maildir") {
		t.Error(err)
	}
}

// The sink is no place for other mail.
func TestSinkTakesCanariesOnly(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s, err := newSink(l.Addr().String(), "canary@example.org")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	err = sendTo(l.Addr().String(), "other@example.org", []byte("Subject: x\r\n\r\n"))
	if err == nil || !strings.Contains(err.Error(), "only canaries") {
		t.Error(err)
	}
}

func TestBears(t *testing.T) {
	mark := []byte(markField + ": abc")
	for text, want := range map[string]bool{
		"A: b\r\nX-Pratique-Canary: abc\r\n\r\n": true, "x-pratique-canary: abc\n\n": true,
		"A: b\r\n\r\nX-Pratique-Canary: abc\r\n": false, "X-Pratique-Canary: abcd\r\n": false, "": false,
	} {
		if got := bears([]byte(text), mark); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
