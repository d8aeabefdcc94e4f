package rates

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/message"
)

// fakeClock stands still until it is moved. It has no monotonic reading.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logBuffer collects what is logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// openStore opens a store that saves only when it is told to. It is closed with
// the test, unless the test closed it.
func openStore(t testing.TB, dir string, clock *fakeClock) *Store {
	t.Helper()
	return openStoreSized(t, dir, clock, kindMemory)
}

func openStoreSized(t testing.TB, dir string, clock *fakeClock, memory int) *Store {
	t.Helper()
	s, err := open(context.Background(), dir, clock.Now, slog.New(slog.DiscardHandler), memory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// oneMessage is a message that left, without recipients.
var oneMessage = Figures{Amounts: Amounts{Messages: 1}}

func newRates(t testing.TB, s *Store, limits ...Limit) *Rates {
	t.Helper()
	r, err := New(s, nil, Options{Store: "sqlite", IPv6Prefix: 128, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// newMessage is from 10.0.0.7 and a@shop.example; recipients are "user@domain".
func newMessage(recipients ...string) *message.Message {
	m := &message.Message{
		Client: message.Client{Addr: netip.MustParseAddr("10.0.0.7")},
		Sender: "a@shop.example",
	}
	for _, r := range recipients {
		m.Recipients = append(m.Recipients, message.Recipient{Addr: r})
	}
	return m
}

// someRecipients are n recipients in one domain.
func someRecipients(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("u%d@dest.example", i)
	}
	return all
}

// begin runs a message up to the end of its body through a chain, and returns
// what the chain answered.
func begin(r *Rates, m *message.Message, body string) error {
	i, err := message.NewChain(message.Link{Check: r}).Begin(context.Background(), m)
	if err != nil {
		return err
	}
	defer i.Close()
	if err := i.Header(); err != nil {
		return err
	}
	if _, err := i.Write([]byte(body)); err != nil {
		return err
	}
	return i.End()
}

// send runs a message to its end and tells the outcome.
func send(r *Rates, m *message.Message) message.Outcome {
	return sendBody(r, m, "hello\r\n")
}

func sendBody(r *Rates, m *message.Message, body string) message.Outcome {
	o := message.OutcomeOf(m, begin(r, m, body))
	r.Observe(m, o)
	return o
}

// wantNothingReserved fails if anything is left of messages that are over.
func wantNothingReserved(t testing.TB, r *Rates) {
	t.Helper()
	r.underway.Range(func(_, _ any) bool {
		t.Error("a message that is over is still under way")
		return false
	})
	for k := range r.store.tables {
		for i := range r.store.tables[k].shards {
			s := &r.store.tables[k].shards[i]
			s.mu.Lock()
			used := 0
			for key, e := range s.entries {
				used += e.cost()
				if e.underway != (Amounts{}) {
					t.Errorf("%v %q still has %+v reserved", Kind(k), key, e.underway)
				}
				if e.in == nil {
					t.Errorf("%v %q is in no list and would never be forgotten", Kind(k), key)
				}
			}
			if used != s.used {
				t.Errorf("%v shard %d reckons with %d octets, its entries have %d", Kind(k), i, s.used, used)
			}
			s.mu.Unlock()
		}
	}
}

// sum is what a store knows of a key in the last hour.
func (s *Store) sum(k Kind, key string, c Count) uint64 {
	shard := s.tables[k].shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	e := shard.entries[key]
	if e == nil {
		return 0
	}
	return e.series.sum(c, s.time.seconds()-hour)
}

// report saves and reads back.
func (s *Store) report(t testing.TB) Report {
	t.Helper()
	s.save()
	if err := s.Health(); err != nil {
		t.Fatal(err)
	}
	r, err := read(filepath.Dir(s.path), s.time.clock(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r Report) row(kind, key string) Row {
	for _, row := range r.Rows {
		if row.Kind == kind && row.Key == key {
			return row
		}
	}
	return Row{}
}

func wantText(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}
