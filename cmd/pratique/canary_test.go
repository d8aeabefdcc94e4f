package main

import (
	"context"
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

// A canary that the MTA does not take is counted, and people are told.
func TestCanaryOfTheDaemonFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	cfg := configs.Default()
	cfg.Canary.From, cfg.Canary.To, cfg.Canary.MTA, cfg.Canary.Maildir = "a@example.org", "b@example.org", l.Addr().String(), maildirIn(t)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	d := &daemon{env: &env{now: time.Now}, started: &cfg, cfg: &cfg, log: log, metrics: telemetry.New(time.Now),
		alerts: alerts.Open(cfg.Alerts, alerts.Env{State: t.TempDir(), Now: time.Now, Log: log})}
	d.metrics.Canaries("ok", "warn", "fail")
	d.flyOne(context.Background(), cfg.Canary)
	active := d.alerts.Active()
	if len(active) != 1 || active[0].Name != "canary" || active[0].Severity != alerts.Critical || !strings.Contains(active[0].Text, "did not take it") {
		t.Errorf("%+v", active)
	}
	scrape := httptest.NewRecorder()
	d.metrics.Handler(func() error { return nil }).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(scrape.Body.String(), `pratique_canaries_total{result="fail"} 1`) {
		t.Error("it was not counted")
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
