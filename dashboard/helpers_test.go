package dashboard

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/journal"
	"pratique/message"
	"pratique/telemetry/alerts"
)

// now is the time of the tests: the middle of an hour.
var now = time.Date(2026, 11, 24, 14, 20, 0, 0, time.UTC)

// hostile is what somebody writes who wants to run a script in the page, or to break out of it.
const hostile = `"><script>window.stolen=1</script><img src=x onerror="window.stolen=1">{{.}}'&javascript:alert(1)`

// kept is a journal that a test fills.
type kept struct {
	t     testing.TB
	dir   string
	clock time.Time
	mu    sync.Mutex
	j     *journal.Journal
}

func newKept(t testing.TB) *kept {
	t.Helper()
	k := &kept{t: t, dir: t.TempDir(), clock: now}
	opts := journal.DefaultOptions()
	opts.Subject = true
	k.j = journal.New(opts, k.dir, func() time.Time { k.mu.Lock(); defer k.mu.Unlock(); return k.clock }, slog.New(slog.DiscardHandler), nil)
	return k
}

// at records a message that ended so long before now.
func (k *kept) at(before time.Duration, m *message.Message, o message.Outcome) {
	k.mu.Lock()
	k.clock = now.Add(-before)
	k.mu.Unlock()
	m.Began = now.Add(-before - 3*time.Millisecond)
	k.j.Observe(m, o)
}

func (k *kept) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := k.j.Close(ctx); err != nil {
		k.t.Error(err)
	}
}

// letter is a message from a shop to some customers.
func letter(i int) *message.Message {
	return &message.Message{
		Client:  message.Client{Addr: netip.MustParseAddr("10.0.0.1"), Helo: "shop.example.org", Login: "shop"},
		QueueID: fmt.Sprintf("4F%08X", i), Sender: "shop@example.org",
		Recipients: []message.Recipient{{Addr: fmt.Sprintf("c%d@example.net", i)}}, BodySize: 2000,
		Notes: []message.Note{{Check: "signing", Key: "signed", Text: "d=example.org s=2026a a=rsa-sha256"}},
	}
}

// aDay is what a day's mail may be: most is accepted, some of each other kind, and one that is hostile.
func aDay(t testing.TB) (state string) {
	k := newKept(t)
	for i := range 400 {
		m, o := letter(i), message.Outcome{Verdict: message.Accepted}
		switch {
		case i%40 == 7:
			m.Findings = []message.Finding{{Check: "lint", Rule: "M01", Action: "reject", Where: "body", Detail: "multipart/mixed without a boundary parameter"}}
			o = message.Outcome{Verdict: message.Refused, Check: "lint", Stage: message.StageEnd,
				Refusal: &message.Refusal{Code: 550, Enhanced: "5.6.0", Text: "M01 multipart without its boundary"}}
		case i%50 == 9:
			o = message.Outcome{Verdict: message.Tempfailed, Check: "rates", Refusal: &message.Refusal{Code: 451, Enhanced: "4.7.1", Text: "rates: too many"}}
		case i%60 == 11:
			o = message.Outcome{Verdict: message.Held, Reason: "rates: over a limit"}
		}
		k.at(time.Duration(400-i)*3*time.Minute, m, o)
	}
	m := letter(9999)
	m.Client = message.Client{Addr: netip.MustParseAddr("192.0.2.66"), Helo: hostile, Login: hostile}
	m.Sender = hostile + "@evil.example"
	m.Recipients = []message.Recipient{{Addr: "a@" + hostile}}
	if err := m.Header.Receive(message.NewField("Subject", " "+hostile)); err != nil {
		t.Fatal(err)
	}
	m.Findings = []message.Finding{{Check: "lint", Rule: "H30", Action: "warn", Where: hostile, Detail: hostile}}
	k.at(2*time.Minute, m, message.Outcome{Verdict: message.Refused, Check: "lint",
		Refusal: &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: hostile}})
	k.close()
	return k.dir
}

// sources has something in every place.
func sources(state string) Sources {
	return Sources{
		State: state, Hostname: "mail.example.org", Version: "pratique test", Now: func() time.Time { return now }, Zone: time.UTC, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Alerts: func() ([]alerts.Status, []alerts.Event) {
			a := alerts.Alert{Name: "rate_spike", Subject: hostile, Severity: alerts.Critical, Text: hostile}
			return []alerts.Status{{Alert: a, Since: now.Add(-time.Hour)}}, []alerts.Event{
				{At: now, State: alerts.Repeated, Alert: a}, {At: now.Add(-time.Hour), State: alerts.Firing, Alert: a}}
		},
		Usual: func(since, until time.Time) (bands []Band) {
			for at := since.Truncate(time.Hour); at.Before(until); at = at.Add(time.Hour) {
				bands = append(bands, Band{At: at, Low: 10, Median: 18, High: 26})
			}
			return bands
		},
		Limits: func() []Limit {
			return []Limit{{Kind: "login", Key: hostile, Name: "recipients per login in 1h", Used: 480, Max: 500, Frees: 12 * time.Minute}}
		},
		Posture: func() Posture {
			return Posture{At: now.Add(-3 * time.Hour), Status: "fail", Items: []PostureItem{
				{"fail", "reverse DNS", "192.0.2.1", hostile, "receivers refuse", "set the PTR record"}, {"ok", "SPF", "example.org", "passes", "", ""}}}
		},
		Queue: func(since, until time.Time) []Queue {
			return []Queue{{At: now.Add(-time.Hour), Size: map[string]int{"active": 3, "deferred": 10}},
				{At: now.Add(-time.Minute), Size: map[string]int{"active": 1, "deferred": 200}, Oldest: 3 * time.Hour,
					Top: []QueueReason{{hostile, hostile, 150}}}}
		},
		Returned: func(context.Context, time.Time, time.Time) (Returned, error) {
			return Returned{Sent: 1000, Bounced: 12, Complaints: 1, Reasons: []ReturnedReason{{"hard", "gmail", hostile, 9}}}, nil
		},
	}
}

// serve serves the page of these sources on loopback.
func serve(t testing.TB, s Sources) string {
	t.Helper()
	page, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(page.Handler())
	t.Cleanup(server.Close)
	return server.URL
}

func get(t testing.TB, url string) (int, string, http.Header) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

var messageAccepted = message.Outcome{Verdict: message.Accepted}

// awaitRecord waits until the journal has something.
func awaitRecord(t testing.TB, base string) {
	t.Helper()
	for range 200 {
		if _, text, _ := get(t, base+"/messages"); strings.Contains(text, `<td class="time">`) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the journal stays empty")
}
