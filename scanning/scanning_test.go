package scanning

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pratique/message"
	"pratique/scanning/clamdtest"
)

// Bodies on either side of what is kept for a retry.
const (
	small = 1 << 10
	large = 1 << 20
)

// mail returns a message with a body of about this size.
func mail(size int) []byte {
	const line = "The quick brown fox jumps over the lazy dog, again and again.\r\n"
	return append([]byte("From: a@example.org\r\nSubject: a\r\n b\r\n\r\n"), bytes.Repeat([]byte(line), size/len(line)+1)...)
}

// options returns the defaults with this clamd and a time for a scan in which
// whatever is going to answer has done so.
// marked is what clamd gets of a message.
func marked(raw []byte) []byte { return slices.Concat(mailMark, raw) }

func options(clamd string) Options {
	opts := DefaultOptions()
	opts.Clamd = clamd
	opts.Timeout = 20 * time.Second
	return opts
}

func newScanner(t testing.TB, opts Options) *Scanner {
	t.Helper()
	s, err := New(opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// play sends a message through the scanner as serve would.
func play(t testing.TB, s *Scanner, raw []byte) (*message.Message, error) {
	t.Helper()
	m := &message.Message{}
	chain := message.NewChain(message.Link{Check: s, OnError: s.opts.OnError})
	err := message.Play(context.Background(), chain, m, bytes.NewReader(raw), nil)
	if n := len(s.places); n > 0 {
		t.Errorf("%d places are still taken", n)
	}
	return m, err
}

func note(m *message.Message, key string) string {
	for _, n := range m.Notes {
		if n.Check == "scanning" && n.Key == key {
			return n.Text
		}
	}
	return ""
}

// begin begins to scan a message with an empty header.
func begin(t testing.TB, s *Scanner) message.Inspector {
	t.Helper()
	i, err := s.Begin(context.Background(), &message.Message{})
	if err == nil {
		err = i.Header()
	}
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestVerdictsMeetTheirPolicies(t *testing.T) {
	const (
		name     = "Win.Test.EICAR_HDB-1"
		tooLarge = "message is too large to be scanned"
	)
	infected := []clamdtest.Behaviour{
		clamdtest.Answer("stream: " + name + " FOUND"),
		clamdtest.AnswerInBytes("stream: " + name + " FOUND"),
		clamdtest.Early(10, "stream: "+name+" FOUND"),
		clamdtest.EarlyAndHangUp(10, "stream: "+name+" FOUND"),
	}
	oversize := []clamdtest.Behaviour{
		clamdtest.SizeLimit(10),
		clamdtest.SizeLimit(100),
		clamdtest.Early(10, "INSTREAM size limit exceeded. ERROR"),
		clamdtest.Answer("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND"),
	}
	tests := []struct {
		name    string
		clamds  []clamdtest.Behaviour
		opts    func(*Options)
		answer  error
		held    string
		finding string
		verdict string
	}{
		{
			name: "clean", verdict: "clean",
			clamds: []clamdtest.Behaviour{clamdtest.Clean, clamdtest.AnswerInBytes("stream: OK"), clamdtest.Slow(100)},
		},
		{
			name: "infected, by default", clamds: infected, finding: "reject", verdict: "infected with " + name,
			answer: &message.Refusal{Code: 554, Enhanced: "5.7.1", Text: "message refused: infected with " + name},
		},
		{
			name: "infected, hold", clamds: infected, finding: "hold", verdict: "infected with " + name,
			opts: func(o *Options) { o.Infected = "hold" }, held: "infected with " + name,
		},
		{
			name: "infected, discard", clamds: infected, finding: "discard", verdict: "infected with " + name,
			opts: func(o *Options) { o.Infected = "discard" }, answer: &message.Discard{Reason: "infected with " + name},
		},
		{
			name: "oversize, by default", clamds: oversize, verdict: "not scanned",
			answer: &message.Refusal{Code: 452, Enhanced: "4.3.4", Text: tooLarge},
		},
		{
			name: "oversize, reject", clamds: oversize, verdict: "not scanned",
			opts: func(o *Options) { o.Oversize = "reject" }, answer: &message.Refusal{Code: 552, Enhanced: "5.3.4", Text: tooLarge},
		},
		{
			name: "oversize, accept", clamds: oversize, verdict: "not scanned",
			opts: func(o *Options) { o.Oversize = "accept" },
		},
		{
			name: "over max_size, by default", clamds: []clamdtest.Behaviour{clamdtest.Clean}, verdict: "not scanned: larger than max_size",
			opts: func(o *Options) { o.MaxSize = 500 }, answer: &message.Refusal{Code: 452, Enhanced: "4.3.4", Text: tooLarge},
		},
		{
			name: "over max_size, accept", clamds: []clamdtest.Behaviour{clamdtest.Clean}, verdict: "not scanned: larger than max_size",
			opts: func(o *Options) { o.MaxSize, o.Oversize = 500, "accept" },
		},
		{
			name: "header alone over max_size", clamds: []clamdtest.Behaviour{clamdtest.Clean}, verdict: "not scanned: larger than max_size",
			opts: func(o *Options) { o.MaxSize, o.Oversize = 5, "accept" },
		},
	}
	for _, tt := range tests {
		for _, clamd := range tt.clamds {
			for size, raw := range map[string][]byte{"small": mail(small), "large": mail(large)} {
				t.Run(tt.name+"/"+size, func(t *testing.T) {
					t.Parallel()
					opts := options(clamdtest.Start(t, clamd).Address())
					if tt.opts != nil {
						tt.opts(&opts)
					}
					m, err := play(t, newScanner(t, opts), raw)
					if got, want := describe(err), describe(tt.answer); got != want {
						t.Errorf("answer = %s, want %s", got, want)
					}
					if m.Held() != tt.held {
						t.Errorf("held = %q, want %q", m.Held(), tt.held)
					}
					if verdict := note(m, "verdict"); !strings.HasPrefix(verdict, tt.verdict) {
						t.Errorf("verdict = %q, want %q", verdict, tt.verdict)
					}
					if len(m.Failures) > 0 {
						t.Errorf("failures = %v", m.Failures)
					}
					var want []message.Finding
					if tt.finding != "" {
						want = []message.Finding{{Check: "scanning", Rule: "infected", Action: tt.finding, Detail: name}}
					}
					if len(m.Findings) != len(want) || len(want) > 0 && m.Findings[0] != want[0] {
						t.Errorf("findings = %v, want %v", m.Findings, want)
					}
				})
			}
		}
	}
}

func describe(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

func TestClamdSeesTheMessageExactly(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize - 60, chunkSize, 2 * chunkSize, 3 * chunkSize, large} {
		raw := mail(size)
		for _, split := range []int{1, 7, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize} {
			if split < 100 && size > 2*chunkSize {
				continue
			}
			clamd := clamdtest.Start(t, clamdtest.Clean)
			if err := playSplit(newScanner(t, options(clamd.Address())), raw, split); err != nil {
				t.Fatalf("%d octets in pieces of %d: %v", size, split, err)
			}
			scan := clamd.Scans()[0]
			if !scan.Ended || !bytes.Equal(scan.Stream, marked(raw)) {
				t.Errorf("%d octets in pieces of %d: clamd got %d of %d octets, ended %v", size, split, len(scan.Stream), len(raw), scan.Ended)
			}
			if most := (len(marked(raw)) + chunkSize - 1) / chunkSize; scan.Chunks > most {
				t.Errorf("%d octets in pieces of %d came in %d chunks, want at most %d", size, split, scan.Chunks, most)
			}
		}
	}
}

// playSplit hands the body on in pieces, each in a buffer that is overwritten
// afterwards: what an inspector is given is borrowed.
func playSplit(s *Scanner, raw []byte, split int) error {
	m := &message.Message{}
	if err := message.Play(context.Background(), message.NewChain(), m, bytes.NewReader(raw), nil); err != nil {
		return err
	}
	i, err := s.Begin(context.Background(), m)
	if err != nil {
		return err
	}
	defer i.Close()
	if err := i.Header(); err != nil {
		return err
	}
	_, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	buf := make([]byte, split)
	for len(body) > 0 {
		n := copy(buf, body)
		if _, err := i.Write(buf[:n]); err != nil {
			return err
		}
		clear(buf)
		body = body[n:]
	}
	return i.End()
}

// A clamd that falls behind makes the message wait; the message does not pile up here.
func TestBackPressure(t *testing.T) {
	release := make(chan struct{})
	s := newScanner(t, options(clamdtest.Start(t, func(c *clamdtest.Conn) {
		c.ReadUntil(10)
		<-release
		clamdtest.Clean(c)
	}).Address()))
	i := begin(t, s)
	defer i.Close()
	var written atomic.Int64
	done := make(chan error)
	go func() {
		piece := mail(chunkSize)
		for range 256 {
			if _, err := i.Write(piece); err != nil {
				done <- err
				return
			}
			written.Add(int64(len(piece)))
		}
		done <- i.End()
	}()
	const most = 2 << 20 // five chunks and what the kernel keeps in a socket
	for !waiting("(*scan).take") {
		if n := written.Load(); n > most {
			t.Errorf("took %d octets while clamd read nothing", n)
			break
		}
		runtime.Gosched()
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// waiting reports whether a goroutine waits in a select of this function.
func waiting(function string) bool {
	buf := make([]byte, 1<<20)
	return strings.Contains(string(buf[:runtime.Stack(buf, true)]), "[select]:\npratique/scanning."+function)
}

// Nobody at clamd has to wait for the end of a message whose fate is sealed.
func TestOversizeHangsUpAtOnce(t *testing.T) {
	streaming := make(chan struct{})
	clamd := clamdtest.Start(t, func(c *clamdtest.Conn) {
		c.ReadUntil(10)
		close(streaming)
		c.ReadStream()
	})
	opts := options(clamd.Address())
	opts.MaxSize = large
	i := begin(t, newScanner(t, opts))
	defer i.Close()
	if _, err := i.Write(mail(large / 2)); err != nil {
		t.Fatal(err)
	}
	<-streaming
	if _, err := i.Write(mail(large)); err == nil {
		t.Fatal("accepted")
	}
	idle := make(chan struct{})
	go func() {
		clamd.WaitIdle()
		close(idle)
	}()
	select {
	case <-idle:
	case <-time.After(10 * time.Second):
		t.Error("the connection is still open")
	}
}

func TestClamdSeesWhatOtherChecksChanged(t *testing.T) {
	clamd := clamdtest.Start(t, clamdtest.Clean)
	s := newScanner(t, options(clamd.Address()))
	chain := message.NewChain(message.Link{Check: fixer{}}, message.Link{Check: s})
	m := &message.Message{}
	if err := message.Play(context.Background(), chain, m, strings.NewReader("A: 1\r\n\r\nbody"), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := string(clamd.Scans()[0].Stream), string(marked([]byte("B: 2\r\nA: 1\r\n\r\nbody"))); got != want {
		t.Errorf("clamd got %q, want %q", got, want)
	}
}

// fixer is a check that adds a header field.
type fixer struct{ m *message.Message }

func (fixer) Name() string { return "fixer" }
func (fixer) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	return fixer{m}, nil
}
func (f fixer) Header() error             { f.m.Header.Prepend("B", " 2"); return nil }
func (fixer) Write(p []byte) (int, error) { return len(p), nil }
func (fixer) End() error                  { return nil }
func (fixer) Close() error                { return nil }
