package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/configs"
	"pratique/message"
	"pratique/rates/baseline"
	"pratique/telemetry/alerts"
)

// watched is a daemon without its milter, whose time is moved by hand.
type watched struct {
	*daemon
	now time.Time
}

func newWatched(t testing.TB, state string, now time.Time) *watched {
	s := &watched{now: now}
	cfg := configs.Default()
	cfg.State, cfg.Alerts.Log = state, false
	cfg.Baseline.Timezone, cfg.Bulk.Threshold = "UTC", 100
	s.daemon = &daemon{env: &env{now: func() time.Time { return s.now }}, log: slog.New(slog.NewTextHandler(t.Output(), nil)), started: &cfg, cfg: &cfg}
	s.alerts = alerts.Open(cfg.Alerts, alerts.Env{Now: s.env.now, Log: s.log})
	s.openUsual(&cfg)
	return s
}

func (s *watched) tell(m *message.Message, o message.Outcome) {
	for _, observer := range s.usual.observers() {
		observer.Observe(m, o)
	}
}

func letterFrom(client, sender string, to ...string) *message.Message {
	m := &message.Message{Sender: sender, Client: message.Client{Addr: netip.MustParseAddr(client)}}
	for _, addr := range to {
		m.Recipients = append(m.Recipients, message.Recipient{Addr: addr})
	}
	return m
}

// minutes plays some time in which two clients send evenly; alone judges by the set
// alone, which is quicker.
func (s *watched) minutes(n int, alone bool, send ...string) {
	for range n {
		for _, client := range send {
			for range 4 {
				s.tell(letterFrom(client, "a@example.org", "x@example.net"), message.Outcome{})
			}
		}
		s.now = s.now.Add(time.Minute)
		if alone {
			s.usual.baselines.Evaluate(s.now)
		} else {
			s.usual.minute(context.Background())
		}
	}
}

func (s *watched) active() string {
	var all []string
	for _, a := range s.alerts.Active() {
		if a.Over.IsZero() {
			all = append(all, a.Severity.String()+" "+a.Name+" "+a.Subject)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestUsual(t *testing.T) {
	state := t.TempDir()
	s := newWatched(t, state, time.Date(2026, 9, 3, 0, 0, 0, 0, time.UTC))
	both := []string{"10.0.0.1", "10.0.0.2"}
	s.minutes(22*24*60, true, both...)
	s.minutes(120, false, both...)
	if got := s.active(); got != "" {
		t.Fatalf("active: %s", got)
	}
	s.minutes(30, false, both[0])
	if got, want := s.active(), "warning rate_drop client 10.0.0.2"; got != want {
		t.Errorf("one is silent: %s, want %s", got, want)
	}
	s.minutes(40, false)
	if got, want := s.active(), "critical rate_drop total"; got != want {
		t.Errorf("all are silent: %s, want %s", got, want)
	}
	a := s.alerts.Active()[0]
	if a.Text != "nothing was sent in 20 minutes, where 160 (at least 160) are usual" {
		t.Errorf("text %q", a.Text)
	}
	s.minutes(130, false, both...)
	if got := s.active(); got != "" {
		t.Errorf("all is well: %s", got)
	}

	// After a restart it knows what it knew.
	s.usual.save(true)
	s = newWatched(t, state, s.now.Add(time.Minute))
	s.minutes(90, false, both...)
	if got := s.active(); got != "" {
		t.Errorf("after a restart: %s", got)
	}
	s.minutes(30, false, append(slices.Repeat(both[:1], 30), both[1])...)
	if got, want := s.active(), "critical rate_spike client 10.0.0.1, critical rate_spike sender_domain example.org, critical rate_spike total"; got != want {
		t.Errorf("a flood: %s, want %s", got, want)
	}
	s.cfg.Baseline.Ignore = []string{"client 10.0.0.1", "total"}
	s.minutes(1, false, append(slices.Repeat(both[:1], 30), both[1])...)
	if got, want := s.active(), "critical rate_spike sender_domain example.org"; got != want {
		t.Errorf("some are ignored: %s, want %s", got, want)
	}
	s.cfg.Baseline.Alerts = false
	s.minutes(1, false, both...)
	if got := s.active(); got != "" {
		t.Errorf("switched off: %s", got)
	}
}

func TestNearBulk(t *testing.T) {
	state := t.TempDir()
	s := newWatched(t, state, time.Date(2026, 9, 3, 0, 0, 0, 0, time.UTC))
	asked := ""
	s.usual.wouldFail = func(_ context.Context, domain string) []string { asked = domain; return []string{"DMARC is missing"} }
	send := func(n int) {
		for range n {
			s.tell(letterFrom("10.0.0.1", "a@news.example.org", "x@gmail.com"), message.Outcome{})
		}
		s.minutes(1, false)
	}
	send(59)
	if got := s.active(); got != "" {
		t.Fatalf("active: %s", got)
	}
	send(1)
	a := s.alerts.Active()[0]
	if a.Name != "bulk_near" || a.Subject != "example.org at Gmail" || a.Step != 60 || a.Severity != alerts.Warning || asked != "example.org" ||
		!strings.HasPrefix(a.Text, "example.org and its subdomains sent 60 messages to Gmail in 24 hours, 60 % of the 100 from which on") ||
		!strings.Contains(a.Text, "Google never takes the status back") || !strings.HasSuffix(a.Text, "Missing now: DMARC is missing") {
		t.Errorf("%+v", a)
	}
	send(35)
	if a := s.alerts.Active()[0]; a.Step != 95 || a.Severity != alerts.Critical {
		t.Errorf("%+v", a)
	}
	send(5)
	if a := s.alerts.Active()[0]; a.Step != 100 || !strings.Contains(a.Text, "is a bulk sender from now on") {
		t.Errorf("%+v", a)
	}
	s.usual.save(true)
	s = newWatched(t, state, s.now.Add(25*time.Hour))
	for range 3 {
		send = func(n int) {
			for range n {
				s.tell(letterFrom("10.0.0.1", "a@news.example.org", "x@gmail.com"), message.Outcome{})
			}
			s.minutes(1, false)
		}
		send(300)
	}
	if got := s.active(); got != "" {
		t.Errorf("a day later, again as much: %s", got)
	}
}

func TestDamagedUsual(t *testing.T) {
	state := t.TempDir()
	for _, name := range []string{baselineFile, bulkFile} {
		if err := os.WriteFile(filepath.Join(state, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newWatched(t, state, time.Now())
	for _, name := range []string{baselineFile, bulkFile} {
		if aside, _ := filepath.Glob(filepath.Join(state, name+".damaged-*")); len(aside) != 1 {
			t.Errorf("%s was set aside as %q", name, aside)
		}
	}
	s.minutes(3, false, "10.0.0.1")
}

func TestDeviationTexts(t *testing.T) {
	for want, d := range map[string]baseline.Deviation{
		"rate_spike login shop: 900 recipients in the last 10 minutes, where 12 (at most 30) are usual": {Kind: "login", Key: "shop", What: baseline.Spike,
			Window: 10 * time.Minute, Observed: 900, Median: 12, High: 30},
		"rate_drop client 10.0.0.1: nothing was sent in 24 hours, where 3 (at least 2) are usual": {Kind: "client", Key: "10.0.0.1", What: baseline.Drop,
			Window: 24 * time.Hour, Median: 3, Low: 2},
		"queue_growing queue deferred: 4000 messages wait in the last hour, where 40 (at most 60) are usual": {Kind: "queue", Key: "deferred", What: baseline.Spike,
			Window: time.Hour, Observed: 4000, Median: 40, High: 60},
		"queue_shrinking queue deferred: no message waits in an hour, where 40 (at least 30) are usual": {Kind: "queue", Key: "deferred", What: baseline.Drop,
			Window: time.Hour, Median: 40, Low: 30},
		"mix_changed total: new recipients: 90 % of the messages of the last 65 minutes are to recipients that their sender had not written to, where 5 % (at most 8 %) are usual": {
			Kind: "total", Key: "total", What: baseline.Mix, Part: baseline.NewRecipients, Window: 65 * time.Minute, Observed: 0.9, Median: 0.05, High: 0.08},
		"mix_changed total: refusals: 50 % of the messages of the last 65 minutes are refused, where 1 % (at most 2 %) are usual": {
			Kind: "total", Key: "total", What: baseline.Mix, Part: baseline.Refusals, Window: 65 * time.Minute, Observed: 0.5, Median: 0.01, High: 0.02},
	} {
		a := deviationAlert(d)
		if got := fmt.Sprintf("%s %s: %s", a.Name, a.Subject, a.Text); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// BenchmarkUsual is what baselines and counts of bulk mail add to a message.
func BenchmarkUsual(b *testing.B) {
	s := newWatched(b, "", time.Date(2026, 9, 3, 0, 0, 0, 0, time.UTC))
	observers := s.usual.observers()
	m := letterFrom("10.0.0.1", "a@news.example.org", "x@gmail.com", "y@example.net")
	m.Header.Receive(message.NewField("From", " Example <a@news.example.org>"))
	m.Client.Login = "shop"
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range observers {
			o.Observe(m, message.Outcome{})
		}
	}
}

// The page draws what is usual in messages.
func TestBandsOfThePage(t *testing.T) {
	s := newWatched(t, t.TempDir(), time.Date(2026, 9, 3, 0, 0, 0, 0, time.UTC))
	if got := s.usualBands(s.now.Add(-24*time.Hour), s.now); len(got) > 0 {
		t.Errorf("of nothing: %+v", got)
	}
	s.minutes(5*24*60, true, "10.0.0.1", "10.0.0.2")
	got := s.usualBands(s.now.Add(-24*time.Hour), s.now)
	if len(got) != 24 || got[3].Low != 480 || got[3].Median != 480 || got[3].High != 480 || !got[3].At.Equal(s.now.Add(-21*time.Hour)) {
		t.Errorf("%d hours, %+v", len(got), got)
	}
}
