package main

import (
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/configs"
	"pratique/telemetry"
	"pratique/telemetry/alerts"
)

// A canary that the MTA does not take is counted, and people are told, until none is
// sent any more.
func TestCanaryOfTheDaemonFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	cfg := configs.Default()
	cfg.Canary.From, cfg.Canary.To, cfg.Canary.MTA, cfg.Canary.Maildir = "a@example.org", "b@example.org", l.Addr().String(), maildirIn(t)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	clock := time.Now()
	d := &daemon{env: &env{now: func() time.Time { return clock }}, started: &cfg, cfg: &cfg, log: log, metrics: telemetry.New(time.Now),
		alerts: alerts.Open(cfg.Alerts, alerts.Env{State: t.TempDir(), Now: time.Now, Log: log})}
	f := flights{daemon: d}
	round := func(every time.Duration) (metrics string, active []alerts.Status) {
		cfg.Canary.Every = every
		f.round(t.Context())
		clock = clock.Add(firstCanary)
		f.round(t.Context())
		scrape := httptest.NewRecorder()
		d.metrics.Handler(func() error { return nil }).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
		return scrape.Body.String(), d.alerts.Active()
	}
	for range 2 {
		metrics, active := round(cfg.Canary.Timeout)
		if len(active) != 1 || active[0].Name != "canary" || active[0].Severity != alerts.Critical || !strings.Contains(active[0].Text, "did not take it") {
			t.Errorf("%+v", active)
		}
		if !strings.Contains(metrics, `pratique_canaries_total{result="fail"} 1`) {
			t.Error("it was not counted")
		}
		metrics, active = round(0)
		if len(active) != 1 || active[0].Over.IsZero() {
			t.Errorf("canaries are turned off: %+v", active)
		}
		if strings.Contains(metrics, "pratique_canar") {
			t.Error("there still are metrics of canaries")
		}
	}
}

func maildirIn(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
