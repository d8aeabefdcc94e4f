package alerts

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pratique/message"
)

// fakeMTA answers commands as the test says; what it has no answer for is fine.
type fakeMTA struct {
	net.Listener
	answers map[string]string // by the beginning of the command
	mu      sync.Mutex
	said    []string
}

func newMTA(t *testing.T, answers map[string]string) *fakeMTA {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeMTA{Listener: l, answers: answers}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	}()
	return f
}

func (f *fakeMTA) serve(c net.Conn) {
	defer c.Close()
	io.WriteString(c, "220 fake\r\n")
	in := bufio.NewScanner(c)
	data := false
	for in.Scan() {
		f.mu.Lock()
		f.said = append(f.said, in.Text())
		f.mu.Unlock()
		switch {
		case data && in.Text() != ".":
			continue
		case in.Text() == "DATA":
			data = true
			io.WriteString(c, "354 go\r\n")
			continue
		}
		data = false
		io.WriteString(c, f.answer(in.Text())+"\r\n")
	}
}

func (f *fakeMTA) answer(command string) string {
	for start, answer := range f.answers {
		if strings.HasPrefix(command, start) {
			if answer == "hang" {
				time.Sleep(time.Minute)
			}
			return answer
		}
	}
	if strings.HasPrefix(command, "EHLO") {
		return "250-fake\r\n250-SMTPUTF8\r\n250 8BITMIME"
	}
	return "250 fine"
}

func (f *fakeMTA) heard() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.said, "\n")
}

func mailerTo(server string) *mailer {
	return &mailer{
		Mail: Mail{To: []string{"a@example.org", "b@example.org"}, Server: server, Timeout: 5 * time.Second},
		env:  Env{Hostname: "mail.example.org", Now: time.Now, Log: slog.New(slog.DiscardHandler)},
		seal: NewSeal("", time.Now),
	}
}

func TestMailAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answers   map[string]string
		ok        bool
		permanent bool
		says      string
	}{
		"fine":              {nil, true, false, ""},
		"one refused":       {map[string]string{"RCPT TO:<a@": "550 no such user"}, true, false, ""},
		"251":               {map[string]string{"RCPT": "251 will forward"}, true, false, ""},
		"all refused":       {map[string]string{"RCPT": "550 no such user"}, false, true, "RCPT TO:<b@example.org>: 550 \"no such user\""},
		"all deferred":      {map[string]string{"RCPT": "451 later"}, false, false, "451 \"later\""},
		"null sender":       {map[string]string{"MAIL": "550 go away"}, false, true, "MAIL FROM:<>: 550 \"go away\""},
		"content refused":   {map[string]string{".": "550 5.7.1 rates: over"}, false, true, "end of the mail: 550 \"5.7.1 rates: over\""},
		"content tempfails": {map[string]string{".": "451 4.7.1 later"}, false, false, "451"},
	} {
		f := newMTA(t, c.answers)
		err := mailerTo(f.Addr().String()).send(t.Context(), hostile())
		if c.ok != (err == nil) || errors.As(err, new(*permanent)) != c.permanent || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if c.ok && !strings.Contains(f.heard(), "MAIL FROM:<>\nRCPT TO:<a@example.org>\nRCPT TO:<b@example.org>\nDATA\nX-Pratique-Seal: v=1;") {
			t.Errorf("%s: it heard\n%s", name, f.heard())
		}
	}
}

func TestMailThatHangs(t *testing.T) {
	m := mailerTo(newMTA(t, map[string]string{"RCPT": "hang"}).Addr().String())
	m.Timeout = 100 * time.Millisecond
	began := time.Now()
	if err := m.send(t.Context(), hostile()); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if err := mailerTo("127.0.0.1:1").send(t.Context(), hostile()); err == nil || errors.As(err, new(*permanent)) {
		t.Errorf("an MTA that is away: %v", err)
	}
}

func TestLetter(t *testing.T) {
	n := hostile()
	n.Alerts[0].Subject = "sender domain grüße.example"
	n.Alerts[0].Text = "Überall zu viel: " + strings.Repeat("x", 900) + "\n.\nend"
	n.More = 7
	text, err := mailerTo("").letter(n)
	if err != nil {
		t.Fatal(err)
	}
	for l := range bytes.SplitSeq(text, []byte("\r\n")) {
		if len(l) > 200 || bytes.ContainsAny(l, "\r\n") || bytes.ContainsFunc(l, func(r rune) bool { return r > '~' }) {
			t.Errorf("line %q", l)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if want := "[mail.example.org] critical: rate_spike sender domain grüße.example and 7 more"; subject != want {
		t.Errorf("Subject %q", subject)
	}
	for field, want := range map[string]string{"Auto-Submitted": "auto-generated", "X-Pratique-Alert": "firing critical rate_spike",
		"From": "Pratique <pratique@mail.example.org>", "To": "a@example.org, b@example.org"} {
		if m.Header.Get(field) != want {
			t.Errorf("%s: %q", field, m.Header.Get(field))
		}
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || !strings.Contains(string(body), "Überall zu viel") || !strings.Contains(string(body), "and 7 more") {
		t.Errorf("%s, %v", body, err)
	}
}

// play runs a mail through the check for our own, and tells whether it was known.
func play(t *testing.T, own *Own, text []byte, change func(*message.Message)) (m *message.Message, err error) {
	t.Helper()
	m = &message.Message{Client: message.Client{Local: true}}
	header, body, _ := bytes.Cut(text, []byte("\r\n\r\n"))
	for field := range strings.SplitSeq(strings.ReplaceAll(string(header), "\r\n ", "\r\r "), "\r\n") {
		name, value, _ := strings.Cut(strings.ReplaceAll(field, "\r\r ", "\r\n "), ":")
		m.Header.Receive(message.NewField(name, value))
	}
	if change != nil {
		change(m)
	}
	i, err := message.NewChain(message.Link{Check: own}).Begin(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	err = i.Header()
	for half := range bytes.SplitAfterSeq(body, []byte("a")) {
		if err == nil {
			_, err = i.Write(half)
		}
	}
	if err == nil {
		err = i.End()
	}
	own.Observe(m, message.OutcomeOf(m, err))
	return m, err
}

func TestOwnMail(t *testing.T) {
	now := time.Now()
	read := func() time.Time { return now }
	sender := mailerTo("")
	sender.seal = NewSeal(t.TempDir(), read)
	stranger := mailerTo("")
	letter := func(m *mailer) []byte {
		text, err := m.letter(hostile())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	other := letter(sender)
	_, otherID, _ := strings.Cut(string(other), "Message-ID: ")
	otherID, _, _ = strings.Cut(otherID, "\r\n")
	for _, c := range []struct {
		name   string
		by     *mailer
		change func(m *message.Message)
		edit   func(text []byte) []byte
		age    time.Duration
		known  bool
		refuse bool
	}{
		{name: "as it is", by: sender, known: true},
		{name: "empty lines at its end", by: sender, known: true, edit: func(b []byte) []byte { return append(b, "\r\n\r\n"...) }},
		{name: "another body", by: sender, known: true, refuse: true, edit: func(b []byte) []byte { return append(b, "buy now\r\n"...) }},
		{name: "another secret", by: stranger},
		{name: "another Message-ID", by: sender, edit: func(b []byte) []byte {
			return bytes.Replace(b, []byte("Message-ID: <"), []byte("Message-ID: <x"), 1)
		}},
		{name: "two Message-IDs", by: sender, change: func(m *message.Message) { m.Header.Append("Message-ID", " "+otherID) }},
		{name: "two seals", by: sender, change: func(m *message.Message) { m.Header.Append(headerSeal, " v=1") }},
		{name: "a login", by: sender, change: func(m *message.Message) { m.Client.Login = "shop" }},
		{name: "a day late", by: sender, age: 24 * time.Hour, known: true},
		{name: "a month late", by: sender, age: 30 * 24 * time.Hour},
		{name: "no seal", by: sender, edit: func(b []byte) []byte { return b[bytes.Index(b, []byte("Date:")):] }},
	} {
		text := letter(c.by)
		if c.edit != nil {
			text = c.edit(text)
		}
		now = now.Add(c.age)
		m, err := play(t, NewOwn(sender.seal), text, c.change) // local and with the null sender: held, not refused
		now = now.Add(-c.age)
		if IsOwn(m) != c.known || (m.Held() != "") != c.refuse {
			t.Errorf("%s: known %v, %v, %+v", c.name, IsOwn(m), err, m.Notes)
		}
		if m.Header.Count(headerSeal) != 0 {
			t.Errorf("%s: a seal leaves", c.name)
		}
	}
}

// A seal is of use once, but for mail that has to come again.
func TestASealIsSpent(t *testing.T) {
	sender := mailerTo("")
	own := NewOwn(sender.seal)
	text, err := sender.letter(hostile())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := play(t, own, text, func(m *message.Message) { m.Began = time.Now() })
	if again, _ := play(t, own, text, nil); !IsOwn(m) || IsOwn(again) {
		t.Errorf("known %v, and again %v", IsOwn(m), IsOwn(again))
	}
	text, _ = sender.letter(hostile())
	later := &message.Refusal{Code: 451}
	for range 3 {
		m := &message.Message{}
		own.underway.Store(m, parseToken(string(text)).id)
		own.Observe(m, message.OutcomeOf(m, later))
	}
	if m, _ := play(t, own, text, nil); !IsOwn(m) {
		t.Error("a mail that was tempfailed is not known when it comes again")
	}
	left := 0
	own.underway.Range(func(_, _ any) bool { left++; return true })
	if left > 0 {
		t.Errorf("%d messages are still under way", left)
	}
}

func TestSecret(t *testing.T) {
	state := t.TempDir()
	var keys [8][]byte
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() { keys[i], _ = NewSeal(state, time.Now).open() })
	}
	all.Wait()
	for _, key := range keys {
		if len(key) != keySize || !bytes.Equal(key, keys[0]) {
			t.Errorf("keys %x and %x", keys[0], key)
		}
	}
	info, err := os.Stat(filepath.Join(state, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret: %v, %v", info.Mode(), err)
	}
	if os.Geteuid() == 0 {
		theirs := t.TempDir()
		if err := os.Chown(theirs, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if _, err := NewSeal(theirs, time.Now).open(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(theirs, keyFile))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534 {
			t.Errorf("root keeps the secret from the daemon: %+v, %v", info.Sys(), err)
		}
	}
	if _, err := NewSeal(state+"/gone", time.Now).open(); err == nil {
		t.Error("a folder that is not there has a secret")
	}
}

// counting is a check and an observer that counts what it sees.
type counting struct{ headers, octets, ends, told int }

func (c *counting) Name() string { return "counting" }
func (c *counting) Begin(context.Context, *message.Message) (message.Inspector, error) {
	return c, nil
}
func (c *counting) Header() error                             { c.headers++; return nil }
func (c *counting) Write(p []byte) (int, error)               { c.octets += len(p); return len(p), nil }
func (c *counting) End() error                                { c.ends++; return nil }
func (c *counting) Close() error                              { return nil }
func (c *counting) Observe(*message.Message, message.Outcome) { c.told++ }

func TestExempt(t *testing.T) {
	for _, own := range []bool{false, true} {
		c := &counting{}
		m := &message.Message{}
		if own {
			m.Note(checkName, keyOwn, "")
		}
		chain := message.NewChain(message.Link{Check: Exempt(c)})
		i, err := chain.Begin(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		i.Header()
		idle := i.(message.Idler).Idle()
		i.Write([]byte("abc"))
		i.End()
		i.Close()
		Unseen(c).Observe(m, message.Outcome{})
		want := counting{1, 3, 1, 1}
		if own {
			want = counting{}
		}
		if *c != want || idle != own || chain.Name() != "chain" || Exempt(c).Name() != "counting" {
			t.Errorf("own %v: %+v, idle %v", own, *c, idle)
		}
	}
}

func FuzzSeal(f *testing.F) {
	seal := NewSeal("", time.Now)
	good, err := seal.token("<a@b>", []byte("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("v=1; t=; id=; bh=; mac=")
	f.Add("v=1;t=9999999999999999999;id=x;mac=")
	f.Fuzz(func(t *testing.T, value string) {
		parsed := parseToken(value)
		if seal.check(parsed, "<a@b>") == nil && parsed != parseToken(good) {
			t.Errorf("%q is taken for ours", value)
		}
	})
}

func FuzzBodyHash(f *testing.F) {
	f.Add([]byte("a\r\n\r\nb\r\n\r\n"), 3)
	f.Add([]byte("\r\r\n\n\r"), 1)
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		whole, parts := newBodyHash(), newBodyHash()
		whole.Write(body)
		cut = max(0, min(cut, len(body)))
		parts.Write(body[:cut])
		parts.Write(body[cut:])
		if whole.sum() != parts.sum() {
			t.Error("how it comes makes a difference")
		}
		if bytes.HasSuffix(body, []byte("\r\n")) {
			more := newBodyHash()
			more.Write(append(bytes.Clone(body), "\r\n"...))
			if more.sum() != newSum(body) {
				t.Error("an empty line at the end makes a difference")
			}
		}
		if len(body) > 0 && body[0] != '\r' {
			changed := bytes.Clone(body)
			changed[0] ^= 0x40
			if changed[0] != '\r' && newSum(changed) == newSum(body) {
				t.Error("another body has the same sum")
			}
		}
	})
}

func newSum(body []byte) string {
	b := newBodyHash()
	b.Write(body)
	return b.sum()
}
