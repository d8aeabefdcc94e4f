package survival

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	randv2 "math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/message"
	"pratique/signing"
)

func newSigner(t testing.TB, form string) *signing.Signer {
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
	opts := signing.DefaultOptions()
	opts.Canonicalization = form
	opts.Domains = []signing.Domain{{Domain: "example.org", Keys: []signing.Key{{Selector: "e", File: file}}}}
	s, err := signing.New(opts, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newForecaster(t testing.TB, opts Options, form string) *Forecaster {
	t.Helper()
	parsed, err := signing.ParseForm(form)
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(opts, parsed)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// with returns the default options with a change.
func with(change func(*Options)) Options {
	o := DefaultOptions()
	change(&o)
	return o
}

// forecast plays a message through a signer and a forecaster.
func forecast(t testing.TB, opts Options, form, sender, text string) (*message.Message, error) {
	t.Helper()
	m := &message.Message{Sender: sender}
	return m, message.Play(context.Background(), newChain(t, opts, form), m, strings.NewReader(text), nil)
}

// newChain is what serve has: it mends, signs and forecasts.
func newChain(t testing.TB, opts Options, form string) *message.Chain {
	t.Helper()
	f := newForecaster(t, opts, form)
	d, err := NewMender(opts, f.form)
	if err != nil {
		t.Fatal(err)
	}
	return message.NewChain(message.Link{Check: d}, message.Link{Check: newSigner(t, form)}, message.Link{Check: f})
}

func told(m *message.Message) []string {
	var all []string
	for _, f := range m.Findings {
		all = append(all, fmt.Sprintf("%s %s %s: %s", f.Action, f.Rule, f.Where, f.Detail))
	}
	return all
}

const head = "From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"

func TestPlaces(t *testing.T) {
	long := strings.Repeat("x", 1200) + "\r\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"none":   {head + "\r\ntext\r\n", nil},
		"a line": {head + "\r\ntext\r\n" + long, []string{"warn S01 body line 2: 1200 octets, over 998"}},
		"in a part": {head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\n" +
			long + "--i--\r\n--b--\r\n" + long, []string{"warn S01 2.1 line 9: 1200 octets, over 998", "warn S01 body line 12: 1200 octets, over 998"}},
		"many": {head + "\r\n" + strings.Repeat(long, 9), []string{
			"warn S01 body line 1: 1200 octets, over 998", "warn S01 body line 2: 1200 octets, over 998", "warn S01 body line 3: 1200 octets, over 998 (and 6 more places)"}},
		"8bit": {head + "Content-Transfer-Encoding: 8bit\r\n\r\nx", []string{"warn S02 Content-Transfer-Encoding[1]: text/plain, declared 8bit"}},
		"an 8bit part": {head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: Binary\r\n\r\nx\r\n--b--\r\n",
			[]string{"warn S02 1 line 3: text/html, declared binary"}},
		"a field": {head + "References: <a@b>\r\nReferences: <" + strings.Repeat("r", 1200) + "@b>\r\n\r\nx\r\n",
			[]string{"warn S03 References[2]: a line of 1216 octets, over 998"}},
		"a field that is not covered": {head + "X-Long: " + long + "\r\nx\r\n", nil},
		"not signed":                  {strings.Replace(head, "example.org", "example.net", 1) + "\r\n" + long, nil},
	} {
		m, err := forecast(t, DefaultOptions(), "relaxed/relaxed", "a@example.org", c.text)
		if got := told(m); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

func TestActions(t *testing.T) {
	text := head + "\r\n" + strings.Repeat("x", 1200) + "\r\n"
	for _, c := range []struct {
		action, sender, want, reply string
	}{
		{"reject", "a@example.org", "reject", "550 5.6.0 S01 its signature would not survive delivery: body line 1, 1200 octets, over 998"},
		{"warn", "a@example.org", "warn", ""},
		{"observe", "a@example.org", "observe", ""},
		{"off", "a@example.org", "", ""},
	} {
		m, err := forecast(t, with(func(o *Options) { o.Forecast = c.action }), "relaxed/relaxed", c.sender, text)
		if got := fmt.Sprint(err); c.reply != "" && got != c.reply || c.reply == "" && err != nil {
			t.Errorf("%s: %v", c.action, err)
		}
		if c.want == "" && m.Findings != nil || c.want != "" && (len(m.Findings) != 1 || m.Findings[0].Action != c.want) {
			t.Errorf("%s: %q", c.action, told(m))
		}
	}
	if m, err := forecast(t, with(func(o *Options) { o.Forecast = "reject" }), "relaxed/relaxed", "", text); err != nil || len(m.Findings) != 1 || m.Findings[0].Action != "warn" {
		t.Errorf("a bounce: %q, %v", told(m), err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		with(func(o *Options) { o.Forecast = "fix" }),
		with(func(o *Options) { o.LineLimit = 10 }),
		with(func(o *Options) { o.LineLimit = 1 << 30 }),
		with(func(o *Options) { o.MendMaxSize = 0 }),
		with(func(o *Options) { o.MendMaxSize = 1 << 30 }),
	} {
		if _, err := New(o, signing.Form{}); err == nil {
			t.Errorf("%+v is taken", o)
		}
		if _, err := NewMender(o, signing.Form{}); err == nil {
			t.Errorf("%+v is taken for mending", o)
		}
	}
}

// read returns what is found in a body that comes in these chunks.
func read(limit int, relaxed bool, chunks [][]byte) []message.Finding {
	b := newBody(limit, relaxed)
	b.field("Content-Type", "multipart/mixed; boundary=b", "Content-Type[1]")
	b.endRootHeader()
	for _, c := range chunks {
		b.write(c)
	}
	b.close()
	return b.findings()
}

// FuzzBody holds that the cuts between chunks make no difference, and that a line
// is called long exactly if wrapping changes the canonical form of the body.
func FuzzBody(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n--b--\r\n"), uint64(1), true)
	f.Add([]byte(strings.Repeat("x", 30)+"\r\n"+strings.Repeat(" ", 50)+"\r\n\r\ny"), uint64(2), true)
	f.Add([]byte("a\rb\nc\r\r\n"+strings.Repeat("\r", 40)), uint64(3), false)
	f.Add([]byte("--b\r\nContent-Type: message/rfc822\r\n\r\n--b\r\n--bb\r\n:"), uint64(4), false)
	f.Fuzz(func(t *testing.T, body []byte, seed uint64, relaxed bool) {
		const limit = 20
		random := randv2.New(randv2.NewPCG(seed, 0))
		var chunks [][]byte
		for rest := body; len(rest) > 0; {
			n := 1 + random.IntN(min(len(rest), 40))
			chunks = append(chunks, bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		whole := read(limit, relaxed, [][]byte{body})
		if got := read(limit, relaxed, chunks); !reflect.DeepEqual(got, whole) {
			t.Errorf("in chunks %v, as a whole %v: %q", got, whole, body)
		}
		if bytes.ContainsAny(bytes.ReplaceAll(body, []byte("\r\n"), nil), "\r\n") {
			return // what is wrapped where there are bare line ends is Postfix's own affair
		}
		form, err := signing.ParseForm(map[bool]string{true: "relaxed/relaxed", false: "simple/simple"}[relaxed])
		if err != nil {
			t.Fatal(err)
		}
		var before, after bytes.Buffer
		form.WriteBody(&before, body)
		form.WriteBody(&after, wrap(body, limit))
		long := slices.ContainsFunc(whole, func(f message.Finding) bool { return f.Rule == LongBodyLine })
		if changes := !bytes.Equal(before.Bytes(), after.Bytes()); long != changes {
			t.Errorf("wrapping changes it: %v, the forecast was %v: %q", changes, long, body)
		}
	})
}

// TestSkip holds what is skipped at once to the lines one by one.
func TestSkip(t *testing.T) {
	const limit = 9
	random := randv2.New(randv2.NewPCG(1, 2))
	for range 20000 {
		text := make([]byte, random.IntN(60))
		for i := range text {
			text[i] = "ab-\r\n\n"[random.IntN(6)]
		}
		whole, lines := 0, 0
		for line := range bytes.Lines(text) {
			if !bytes.HasSuffix(line, []byte("\n")) || len(line) > limit+1 || line[0] == '-' {
				break
			}
			whole, lines = whole+len(line), lines+1
		}
		b := newBody(limit, true)
		if got := b.skip(text); got != whole || b.line != lines {
			t.Fatalf("%q: %d octets in %d lines, want %d in %d", text, got, b.line, whole, lines)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	line := strings.Repeat("VGhpcyBpcyBiYXNlNjQg", 4)[:76] + "\r\n"
	body := []byte(strings.Repeat(line, 1<<20/len(line)))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		read(998, true, [][]byte{body})
	}
}
