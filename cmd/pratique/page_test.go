package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pratique/configs"
	"pratique/dashboard"
	"pratique/posture"
	"pratique/watch/queue"
)

// The page has what the rooms know: here the last audit, behind the guard.
func TestPageOfTheDaemon(t *testing.T) {
	cfg := configs.Default()
	cfg.State = t.TempDir()
	cfg.Dashboard = dashboard.Options{Token: "0123456789abcdef"}
	report := posture.Report{At: time.Now(), Status: posture.Fail, Findings: []posture.Finding{
		{Topic: "SPF", Subject: "example.org", Status: posture.OK, Found: "passes"},
		{Topic: "DMARC", Subject: "news.example.org", Status: posture.Fail, Found: "no record", Publish: []string{"_dmarc.example.org. TXT"}},
	}}
	if err := posture.Keep(cfg.State, report); err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(t.Context(), &env{now: time.Now, stderr: io.Discard, stdout: io.Discard}, "", &cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	handler, err := d.web()
	if err != nil {
		t.Fatal(err)
	}
	get := func(path, token string) (int, string) {
		r := httptest.NewRequest("GET", path, nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for path, want := range map[string]int{"/": 401, "/metrics": 401, "/api/alerts": 401, "/healthz": 200} {
		if code, _ := get(path, ""); code != want {
			t.Errorf("%s without a token: %d", path, code)
		}
	}
	d.queued.Store(&queue.Sample{At: time.Now(), Messages: 12, Queues: map[string]queue.QueueSize{"deferred": {Messages: 12}},
		Destinations: []queue.Destination{{Domain: "example.net", Recipients: 11}}})
	for _, path := range []string{"/", "/metrics", "/posture", "/limits", "/queue", "/alerts", "/api/overview"} {
		if code, text := get(path, cfg.Dashboard.Token); code != http.StatusOK {
			t.Errorf("%s: %d %.300s", path, code, text)
		}
	}
	_, text := get("/posture", cfg.Dashboard.Token)
	if dmarc, spf := strings.Index(text, "DMARC"), strings.Index(text, "SPF"); dmarc < 0 || spf < dmarc || !strings.Contains(text, "_dmarc.example.org. TXT") {
		t.Errorf("the audit is not shown, the worst first:\n%s", text)
	}
	if _, text := get("/queue", cfg.Dashboard.Token); !strings.Contains(text, "<b>12</b> deferred") || !strings.Contains(text, "example.net") {
		t.Errorf("the queue is not shown:\n%s", text)
	}
	if missing := d.missingOf(t.Context(), "example.org"); len(missing) != 1 || missing[0] != "DMARC: no record" {
		t.Errorf("missing of the domain: %q", missing)
	}
}
