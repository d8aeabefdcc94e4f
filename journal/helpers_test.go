package journal

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pratique/message"
)

var start = time.Date(2026, 11, 28, 13, 0, 0, 0, time.UTC)

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: start} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// begin begins a journal that is closed at the end of the test.
func begin(t testing.TB, dir string, c *clock, change func(*Options)) *Journal {
	t.Helper()
	opts := DefaultOptions()
	if change != nil {
		change(&opts)
	}
	j := New(opts, dir, c.time, quiet(), nil)
	t.Cleanup(func() { closeJournal(t, j) })
	return j
}

func closeJournal(t testing.TB, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// settled waits until all that was observed is written.
func settled(t testing.TB, j *Journal) {
	t.Helper()
	waitFor(t, "the records to be written", func() bool {
		for _, s := range j.Stats() {
			if s.Waiting > 0 {
				return false
			}
		}
		return true
	})
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func reader(t testing.TB, dir string) *Reader {
	t.Helper()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// letter is a message that was accepted and signed, as the other rooms leave it.
func letter(n int, at time.Time) *message.Message {
	m := &message.Message{
		Client:     message.Client{Name: "app1.example.org", Addr: netip.MustParseAddr("10.0.0.7"), Helo: "app1.example.org", Login: "shop", TLS: "TLSv1.3"},
		QueueID:    fmt.Sprintf("4F%08X", n),
		Sender:     "news@example.org",
		Recipients: []message.Recipient{{Addr: "a@example.net"}, {Addr: "b@Example.NET"}, {Addr: "c@example.com"}},
		BodySize:   2000,
		Began:      at.Add(-20 * time.Millisecond),
		Findings:   []message.Finding{{Check: "lint", Rule: "M09", Action: "warn", Where: "1.2 line 7", Detail: "1200 octets"}},
		Notes: []message.Note{
			{Check: "access", Key: "admitted", Text: "network 10.0.0.0/8"},
			{Check: "scanning", Key: "verdict", Text: "clean"},
			{Check: "signing", Key: "signed", Text: "d=example.org s=2026a a=rsa-sha256"},
			{Check: "signing", Key: "signed", Text: "d=example.org s=2026e a=ed25519-sha256"},
		},
		Checks: []message.CheckRun{
			{Check: "access", State: message.CheckRan, Spent: 3 * time.Microsecond},
			{Check: "rates", State: message.CheckSkipped},
			{Check: "lint", State: message.CheckRan, Spent: 400 * time.Microsecond},
			{Check: "scanning", State: message.CheckRan, Spent: 12 * time.Millisecond},
			{Check: "signing", State: message.CheckRan, Spent: 700 * time.Microsecond},
		},
	}
	for _, f := range [][2]string{
		{"From", " Shop <news@example.org>"}, {"To", " a@example.net"}, {"Subject", " Your order"},
		{"Date", " Sat, 28 Nov 2026 13:00:00 +0000"}, {"Message-ID", fmt.Sprintf(" <%d@example.org>", n)},
	} {
		if err := m.Header.Receive(message.NewField(f[0], f[1])); err != nil {
			panic(err)
		}
	}
	m.Header.Prepend("DKIM-Signature", " v=1; a=rsa-sha256; d=example.org")
	return m
}

// refused makes a letter one that lint refuses, and returns its outcome.
func refuse(m *message.Message) message.Outcome {
	m.Findings = append(m.Findings, message.Finding{Check: "lint", Rule: "M01", Action: "reject", Detail: "no boundary"})
	m.Notes = m.Notes[:1]
	m.Checks[2].State = message.CheckDecided
	m.Checks[3].State, m.Checks[4].State = message.CheckUnreached, message.CheckUnreached
	return message.Outcome{
		Verdict: message.Refused, Stage: message.StageHeader, Check: "lint",
		Refusal: &message.Refusal{Code: 550, Enhanced: "5.6.0", Text: "M01 multipart without its boundary"},
	}
}

func optionsOf(o Options) *atomic.Pointer[Options] {
	var p atomic.Pointer[Options]
	p.Store(&o)
	return &p
}
