package alerts

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/state"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a manager whose only channel keeps what it is told.
type world struct {
	*Manager
	t     *testing.T
	clock *clock
	state string
	log   *lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, clock: newClock(), state: t.TempDir()}
	w.restart()
	return w
}

func (w *world) restart() {
	if w.Manager != nil {
		w.close()
	}
	o := DefaultOptions()
	o.Log, o.PerMinute = false, 3
	w.log = &lockedBuffer{}
	w.Manager = Open(o, Env{State: w.state, Hostname: "mail.example.org", Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(w.log, nil))})
	w.channels = []*channel{{name: "kept", more: make(chan struct{}, 1), manager: w.Manager, cancel: func() {}, done: closed()}}
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// told returns what was told since it was last asked, one line an event, notifications apart.
func (w *world) told() string {
	w.step()
	c := w.channels[0]
	var lines []string
	for _, n := range c.waiting() {
		var events []string
		for _, e := range n.Alerts {
			events = append(events, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.State, e.Name, e.Subject)))
		}
		if n.More > 0 {
			events = append(events, fmt.Sprintf("%d more", n.More))
		}
		lines = append(lines, strings.Join(events, ", "))
	}
	c.queue = nil
	return strings.Join(lines, "\n")
}

func (w *world) wants(want string) {
	w.t.Helper()
	if got := w.told(); got != want {
		w.t.Errorf("told %q, want %q", got, want)
	}
}

func drop(subject string) Alert {
	return Alert{Name: "rate_drop", Subject: subject, Severity: Warning, Text: "nothing came"}
}

func TestRaisedOnceRepeatedResolved(t *testing.T) {
	w := newWorld(t)
	w.Raise(drop("a"))
	w.wants("firing rate_drop a")
	for range 239 {
		w.clock.advance(time.Minute)
		w.Raise(drop("a"))
		w.wants("")
	}
	w.clock.advance(time.Minute)
	w.wants("repeated rate_drop a")
	w.Clear("rate_drop", "a")
	w.clock.advance(9 * time.Minute)
	w.wants("")
	w.clock.advance(time.Minute)
	w.wants("resolved rate_drop a")
	w.clock.advance(24 * time.Hour)
	w.wants("")
	if len(w.Active()) != 0 || len(w.History()) != 3 || w.History()[0].State != Resolved {
		t.Errorf("%+v, %+v", w.Active(), w.History())
	}
}

func TestWorseIsToldAtOnce(t *testing.T) {
	w := newWorld(t)
	a := drop("a")
	w.Raise(a)
	w.wants("firing rate_drop a")
	a.Severity = Critical
	w.Raise(a)
	w.wants("worse rate_drop a")
	a.Severity = Warning
	w.Raise(a)
	a.Severity = Critical
	w.Raise(a)
	w.wants("")
	w.clock.advance(time.Minute)
	a.Step = 80
	w.Raise(a)
	w.wants("worse rate_drop a")
	a.Step = 60
	w.Raise(a)
	a.Step = 80
	w.Raise(a)
	w.wants("")
}

// What comes and goes is one alert, and the longer it does so the longer it must be over.
func TestFlapping(t *testing.T) {
	w := newWorld(t)
	messages := 0
	for range 24 * 60 / 15 { // a day: there for 2 minutes, away for 13
		w.Raise(drop("a"))
		for range 15 {
			w.clock.advance(time.Minute)
			if w.Clear("rate_drop", "a"); w.told() != "" {
				messages++
			}
		}
	}
	// Without any damping these are 192: raised and resolved 96 times.
	if messages > 12 {
		t.Errorf("%d messages in a day", messages)
	}
}

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		w.Raise(drop(fmt.Sprint(i)))
	}
	w.wants("firing rate_drop 0\nfiring rate_drop 1")
	w.clock.advance(burst)
	got := w.told()
	if strings.Count(got, "firing") != maxListed || !strings.HasSuffix(got, ", 48 more") || strings.Contains(got, "\n") {
		t.Errorf("then %q", got)
	}
	w.Raise(drop("late"))
	w.wants("")
	w.clock.advance(time.Minute - burst)
	w.wants("firing rate_drop late")
}

func TestTheFirstAreTheMostSevere(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.Raise(drop(fmt.Sprint(i)))
	}
	a := drop("worst")
	a.Severity = Critical
	w.Raise(a)
	w.told()
	w.clock.advance(burst)
	w.wants("firing rate_drop worst, firing rate_drop 2")
	if got := w.Active()[0].Subject; got != "worst" {
		t.Errorf("the first active is %s", got)
	}
}

func TestARestartTellsNothingAgain(t *testing.T) {
	w := newWorld(t)
	w.Raise(drop("lasts"))
	w.Raise(drop("ends"))
	w.told()
	w.restart()
	w.clock.advance(time.Minute)
	w.Raise(drop("lasts"))
	w.wants("")
	w.clock.advance(confirm - 2*time.Minute)
	w.Raise(drop("lasts"))
	w.wants("")
	w.clock.advance(time.Minute)
	w.wants("resolved rate_drop ends")
	w.clock.advance(4 * time.Hour)
	w.wants("repeated rate_drop lasts")
}

func TestWhatWasNotDeliveredIsKept(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.Raise(drop(fmt.Sprint(i)))
	}
	w.step()
	w.close()
	r, err := Read(w.state)
	if err != nil || len(r.Undelivered["kept"]) != 2 || len(r.Untold) != 2 || len(r.Active) != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	w.Manager = nil
	w.restart()
	w.clock.advance(burst)
	w.wants("firing rate_drop 2\nfiring rate_drop 3")
}

func TestAClockThatIsPutBack(t *testing.T) {
	w := newWorld(t)
	w.Raise(drop("a"))
	w.told()
	w.clock.advance(-30 * 24 * time.Hour)
	w.Raise(drop("b"))
	w.wants("firing rate_drop b")
	w.clock.advance(4 * time.Hour)
	w.wants("repeated rate_drop a\nrepeated rate_drop b")
	w.Clear("rate_drop", "a")
	w.clock.advance(10 * time.Minute)
	w.wants("resolved rate_drop a")
}

func TestADamagedFileIsSetAside(t *testing.T) {
	for _, text := range []string{"", "{", `{"active":[[]]}`, "\x00"} {
		w := newWorld(t)
		if err := os.WriteFile(filepath.Join(w.state, fileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.Manager = nil
		w.restart()
		if !strings.Contains(w.log.String(), "damaged") {
			t.Errorf("%q: %s", text, w.log)
		}
		aside, _ := filepath.Glob(filepath.Join(w.state, fileName+state.AsideMark+"*"))
		if len(aside) != 1 {
			t.Fatalf("%q was set aside as %q", text, aside)
		}
		if kept, _ := os.ReadFile(aside[0]); string(kept) != text {
			t.Errorf("%q was set aside as %q", text, kept)
		}
		w.Raise(drop("a"))
		w.wants("firing rate_drop a")
	}
}

func TestAFolderThatCanNotBeWritten(t *testing.T) {
	w := newWorld(t)
	w.env.State = filepath.Join(w.state, "gone")
	for i := range 3 {
		w.Raise(drop(fmt.Sprint(i)))
		w.told()
	}
	if n := strings.Count(w.log.String(), "can't be written"); n != 1 || len(w.Active()) != 3 {
		t.Errorf("said %d times:\n%s", n, w.log)
	}
}

func TestWhatComesInIsBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 2 * maxActive {
		w.Raise(drop(fmt.Sprint(i)))
	}
	w.told()
	if n := len(w.Active()); n != maxActive+1 || w.Active()[0].Name != tooMany {
		t.Errorf("%d are active, the first is %+v", n, w.Active()[0])
	}
	long := Alert{Name: "rate_drop", Subject: strings.Repeat("ä", 10_000), Text: "a\r\nb\x00\x1b[31m" + strings.Repeat("x", 1<<20)}
	got := tidy(long)
	if len(got.Subject) > maxSubject || len(got.Text) > maxText || strings.ContainsAny(got.Text, "\r\n\x00\x1b") || !strings.HasSuffix(got.Subject, "ä…") {
		t.Errorf("%+v", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { w.Run(ctx) })
	var raising sync.WaitGroup
	for g := range 4 {
		raising.Go(func() {
			for i := range 200 {
				w.Raise(drop(fmt.Sprint(g, i%7)))
				w.Clear("rate_drop", fmt.Sprint(g, i%5))
				w.Active()
				w.History()
				if i%50 == 0 {
					o := DefaultOptions()
					o.PerMinute = 1 + i/50
					w.Use(o)
				}
			}
		})
	}
	raising.Wait()
	cancel()
	all.Wait()
	if r, err := Read(w.state); err != nil || len(r.Active) != 28 {
		t.Errorf("%d active, %v", len(r.Active), err)
	}
}

func TestANilManager(t *testing.T) {
	var m *Manager
	m.Raise(drop("a"))
	m.Clear("rate_drop", "a")
	m.Use(DefaultOptions())
	m.Run(t.Context())
	if m.Active() != nil || m.History() != nil {
		t.Error("it knows something")
	}
}

func TestTheLog(t *testing.T) {
	b := &lockedBuffer{}
	o := DefaultOptions()
	c := newClock()
	m := Open(o, Env{Now: c.Now, Log: slog.New(slog.NewTextHandler(b, nil))})
	a := drop("client 10.0.0.1")
	a.Severity, a.Value, a.Threshold = Critical, 0, 12
	m.Raise(a)
	m.step()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(b.String(), "msg=alert") && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	m.close()
	want := `level=ERROR msg=alert state=firing name=rate_drop subject="client 10.0.0.1" severity=critical text="nothing came" value=0 threshold=12 since=2026-11-02T03:00:00.000Z`
	if !strings.Contains(b.String(), want) {
		t.Errorf("%s\nwant %s", b, want)
	}
}

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.Name] || k.Says == "" || strings.ToLower(k.Name) != k.Name || metricName(k.Name) != k.Name {
			t.Errorf("%+v", k)
		}
		seen[k.Name] = true
	}
	if metricName("x") != "other" {
		t.Error("x has a label of its own")
	}
}

func BenchmarkRaise(b *testing.B) {
	m := Open(Options{Repeat: time.Hour, PerMinute: 1}, Env{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	m.Raise(drop("client 10.0.0.1"))
	for b.Loop() {
		m.Raise(drop("client 10.0.0.1"))
	}
}
