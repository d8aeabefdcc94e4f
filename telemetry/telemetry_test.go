package telemetry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"pratique/message"
)

func newMetrics() *Metrics {
	return New(func() time.Time { return time.Unix(1000, 0) })
}

func TestObserveCountsByOutcome(t *testing.T) {
	m := newMetrics()
	sent := &message.Message{
		Began: time.Unix(990, 0), BodySize: 98,
		Recipients: []message.Recipient{{Addr: "a@example.org"}, {Addr: "b@example.org"}},
		Findings:   []message.Finding{{Rule: "M13", Action: "warn"}},
		Failures:   []message.Failure{{Check: "scanning", Stage: message.StageEnd, Err: io.EOF, Policy: message.Accept}},
	}
	m.ExpectUnsigned("excluded")
	m.Observe(&message.Message{Notes: []message.Note{{Check: "scanning", Key: "cached"}, {Check: "signing", Key: "unsigned", Code: "no_key"}}}, message.Outcome{Verdict: message.Accepted})
	m.Observe(sent, message.Outcome{Verdict: message.Accepted})
	sent.Note("signing", "signed", "d=example.org")
	m.Observe(sent, message.Outcome{Verdict: message.Held, Check: "rates"})
	m.Observe(&message.Message{BodySize: 1 << 20}, message.Outcome{Verdict: message.Refused, Check: "lint"})
	m.Reloaded(false, false)

	want := `
# HELP pratique_check_failures_total Checks that broke, by what on_error made of the message. The policy accept let it go unchecked.
# TYPE pratique_check_failures_total counter
pratique_check_failures_total{check="scanning",policy="accept",stage="end"} 2
# HELP pratique_config_last_reload_successful 1 if the configuration in force is the one on disk as of the last reload.
# TYPE pratique_config_last_reload_successful gauge
pratique_config_last_reload_successful 0
# HELP pratique_findings_total Findings by rule and by what was done about them.
# TYPE pratique_findings_total counter
pratique_findings_total{action="warn",rule="M13"} 2
# HELP pratique_messages_total Messages by how they ended, and the check that decided (none: no check did).
# TYPE pratique_messages_total counter
pratique_messages_total{check="lint",verdict="refused"} 1
pratique_messages_total{check="none",verdict="accepted"} 2
pratique_messages_total{check="rates",verdict="held"} 1
# HELP pratique_scans_spared_total Messages that clamd was not asked about, because it had called the same content clean.
# TYPE pratique_scans_spared_total counter
pratique_scans_spared_total 1
# HELP pratique_sent_bytes_total Octets of the messages that left, as they came.
# TYPE pratique_sent_bytes_total counter
pratique_sent_bytes_total 202
# HELP pratique_sent_recipients_total Recipients of the messages that left.
# TYPE pratique_sent_recipients_total counter
pratique_sent_recipients_total 4
# HELP pratique_sent_unsigned_total Messages that left without a signature of ours, by the reason that their record gives.
# TYPE pratique_sent_unsigned_total counter
pratique_sent_unsigned_total{reason="excluded"} 0
pratique_sent_unsigned_total{reason="no_key"} 1
pratique_sent_unsigned_total{reason="unknown"} 1
`
	err := testutil.GatherAndCompare(m.registry, strings.NewReader(want),
		"pratique_check_failures_total", "pratique_config_last_reload_successful", "pratique_findings_total",
		"pratique_messages_total", "pratique_scans_spared_total", "pratique_sent_bytes_total", "pratique_sent_recipients_total", "pratique_sent_unsigned_total")
	if err != nil {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	m := newMetrics()
	m.Keys(map[string]int{"created": 1, "active": 2}, 1, time.Unix(400, 0))
	want := `
# HELP pratique_keys Keys that rotate by themselves, by state.
# TYPE pratique_keys gauge
pratique_keys{state="active"} 2
pratique_keys{state="created"} 1
# HELP pratique_keys_oldest_active_age_seconds For how long the oldest of the active keys has signed (0: there is none).
# TYPE pratique_keys_oldest_active_age_seconds gauge
pratique_keys_oldest_active_age_seconds 600
# HELP pratique_keys_unverifiable Active keys whose record is not at every authoritative server: receivers can't verify what they sign.
# TYPE pratique_keys_unverifiable gauge
pratique_keys_unverifiable 1
`
	names := []string{"pratique_keys", "pratique_keys_oldest_active_age_seconds", "pratique_keys_unverifiable"}
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	m.Keys(map[string]int{"created": 0, "active": 0}, 0, time.Time{})
	want = strings.NewReplacer(`"} 1`, `"} 0`, `"} 2`, `"} 0`, " 600\n", " 0\n", "unverifiable 1", "unverifiable 0").Replace(want)
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestBrokenDomains(t *testing.T) {
	m := newMetrics()
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("c%03d.example", i)
	}
	m.Broken(many)
	if n := testutil.CollectAndCount(m.brokenName); n != maxBrokenNames {
		t.Errorf("%d series for 1000 domains", n)
	}
	if n := testutil.ToFloat64(m.broken); n != 1000 {
		t.Errorf("%v of 1000 domains", n)
	}
	m.Broken([]string{"*.b.example", "c999.example"})
	want := `
# HELP pratique_signing_domain_broken 1 for each domain whose mail can't be signed; of very many the first 20 by name.
# TYPE pratique_signing_domain_broken gauge
pratique_signing_domain_broken{domain="*.b.example"} 1
pratique_signing_domain_broken{domain="c999.example"} 1
# HELP pratique_signing_domains_broken Domains whose mail can't be signed, because one of their keys is of no use.
# TYPE pratique_signing_domains_broken gauge
pratique_signing_domains_broken 2
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "pratique_signing_domain_broken", "pratique_signing_domains_broken"); err != nil {
		t.Error(err)
	}
}

func TestMetricNamesAreWellFormed(t *testing.T) {
	m := newMetrics()
	m.Observe(&message.Message{}, message.Outcome{})
	m.Keys(map[string]int{"active": 1}, 0, time.Time{})
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "pratique_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestHandler(t *testing.T) {
	m := newMetrics()
	m.Clamd(true)
	var health error
	server := httptest.NewServer(m.Handler(func() error { return health }))
	defer server.Close()

	status, text := get(t, server.URL+"/metrics")
	if status != http.StatusOK || !strings.Contains(text, "pratique_clamd_up 1") || !strings.Contains(text, "go_goroutines") {
		t.Errorf("/metrics: %d %.300s", status, text)
	}
	if status, text := get(t, server.URL+"/healthz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("/healthz: %d %q", status, text)
	}
	health = errors.New("counters are not saved")
	if status, text := get(t, server.URL+"/healthz"); status != http.StatusServiceUnavailable || text != "counters are not saved\n" {
		t.Errorf("/healthz of a sick daemon: %d %q", status, text)
	}
	if status, _ := get(t, server.URL+"/"); status != http.StatusNotFound {
		t.Errorf("/: %d", status)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}
