package tally

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/message"
)

// clock stands until it is put on.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

func open(t *testing.T, state string, c *clock) *Tally {
	t.Helper()
	tally, err := Open(state, c.read, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

// from is a message of a client in which these rules found something.
func from(addr string, rules ...string) *message.Message {
	m := &message.Message{}
	m.Client.Addr = netip.MustParseAddr(addr)
	for _, rule := range rules {
		m.Report(message.Finding{Check: "lint", Rule: rule, Action: "observe"})
	}
	return m
}

func TestReport(t *testing.T) {
	state, c := t.TempDir(), newClock()
	tally := open(t, state, c)
	accepted := message.Outcome{}
	tally.Observe(from("10.0.0.1", "H30"), accepted)
	c.now = c.now.AddDate(0, 0, 6)
	tally.Observe(from("10.0.0.1", "H30", "H30", "M13"), accepted)
	tally.Observe(from("10.0.0.1"), message.Outcome{Verdict: message.Refused})
	tally.Observe(from("10.0.0.2", "H30"), message.Outcome{Verdict: message.Tempfailed})
	other := from("10.0.0.2")
	other.Report(message.Finding{Check: "survival", Rule: "S01"})
	tally.Observe(other, message.Outcome{Verdict: message.Held})
	local := from("127.0.0.1", "M13")
	local.Client.Local = true
	tally.Observe(local, accepted)
	tally.Observe(&message.Message{}, accepted)
	for _, v := range []message.Verdict{message.Passed, message.Aborted, message.Lost} {
		tally.Observe(from("10.0.0.3", "H30"), message.Outcome{Verdict: v})
	}
	tally.Save()

	got, err := Read(state, c.now.AddDate(0, 0, -1))
	want := Report{Since: "2026-11-29", Messages: 6, Rules: []RuleCount{
		{"H30", 2, []ClientCount{{"10.0.0.1", 1, 2}, {"10.0.0.2", 1, 2}}},
		{"M13", 2, []ClientCount{{Local, 1, 1}, {"10.0.0.1", 1, 2}}},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	if got, err := Read(state, c.now.AddDate(0, 0, -7)); err != nil || got.Messages != 7 || got.Rules[0].Messages != 3 {
		t.Errorf("a week: %+v, %v", got, err)
	}
	again := open(t, state, c)
	again.Observe(from("10.0.0.1", "H30"), accepted)
	again.Save()
	if got, _ := Read(state, c.now); got.Messages != 7 || got.Rules[0].Messages != 3 {
		t.Errorf("after a restart: %+v", got)
	}
}

func TestItForgets(t *testing.T) {
	state, c := t.TempDir(), newClock()
	tally := open(t, state, c)
	for range 3 * keepDays {
		tally.Observe(from("10.0.0.1", "H30"), message.Outcome{})
		c.now = c.now.AddDate(0, 0, 1)
	}
	if n := len(tally.counts.Days); n > keepDays+1 || n < keepDays {
		t.Errorf("%d days are kept", n)
	}
	for i := range 3 * maxClients {
		tally.Observe(from(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}).String()), message.Outcome{})
	}
	if day := tally.counts.Days[c.now.Format(dayLayout)]; len(day) != maxClients+1 || day[Others].Messages != 2*maxClients {
		t.Errorf("%d clients, %+v", len(day), day[Others])
	}
}

func TestDamage(t *testing.T) {
	for _, text := range []string{"{", `{"days":{"2026-11-24":[]}}`, "\x00"} {
		state := t.TempDir()
		path := filepath.Join(state, fileName)
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		open(t, state, newClock())
		aside, _ := filepath.Glob(path + ".damaged-*")
		if len(aside) != 1 {
			t.Fatalf("%q was set aside as %q", text, aside)
		}
		if kept, err := os.ReadFile(aside[0]); err != nil || string(kept) != text {
			t.Errorf("%q was not set aside: %v", text, err)
		}
	}
	state := t.TempDir()
	if err := os.WriteFile(filepath.Join(state, fileName), []byte(`{"days":{"2026-11-24":{"x":null},"2026-11-23":null}}`), 0o640); err != nil {
		t.Fatal(err)
	}
	open(t, state, newClock()).Observe(from("10.0.0.1"), message.Outcome{})
	if _, err := Read(t.TempDir(), time.Now()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestMailGoesOn holds that a state folder that is gone costs counts, and says so once.
func TestMailGoesOn(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(state, 0o750); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	tally, err := Open(state, newClock().read, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		tally.Observe(from("10.0.0.1", "H30"), message.Outcome{})
		tally.Save()
	}
	if n := strings.Count(log.String(), "can't be saved"); n != 1 {
		t.Errorf("said %d times: %s", n, &log)
	}
	if err := os.Mkdir(state, 0o750); err != nil {
		t.Fatal(err)
	}
	tally.Save()
	if got, err := Read(state, newClock().now); err != nil || got.Messages != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	state, c := t.TempDir(), newClock()
	tally := open(t, state, c)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 100 {
				tally.Observe(from(fmt.Sprintf("10.0.0.%d", i), "H30"), message.Outcome{})
				tally.Save()
			}
		})
	}
	group.Wait()
	tally.Save()
	if got, err := Read(state, c.now); err != nil || got.Messages != 800 {
		t.Errorf("%+v, %v", got, err)
	}
}

func BenchmarkObserve(b *testing.B) {
	c := newClock()
	tally, err := Open(b.TempDir(), c.read, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	m := from("10.0.0.1", "H30", "M13")
	for b.Loop() {
		tally.Observe(m, message.Outcome{})
	}
}
