package main

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pratique/posture"
)

// audited plays an audit in the daemon.
func (s *standing) audited() {
	s.Helper()
	s.auditOnce(s.Context())
	for _, e := range []string{"panic", "the audit failed", "is not kept"} {
		if strings.Contains(s.log(), e) {
			s.Fatal(s.log())
		}
	}
}

// alerting returns the alerts that are raised, one a line.
func (s *standing) alerting() string {
	var lines []string
	for _, a := range s.alerts.Active() {
		if a.Over.IsZero() {
			lines = append(lines, fmt.Sprintf("%s %s %s", a.Name, a.Severity, a.Subject))
		}
	}
	return strings.Join(lines, "\n")
}

// The daemon's audit shows in metrics and alerts, which end when all is well, and is kept.
func TestDaemonAudits(t *testing.T) {
	s := stand(t, `hostname = "mail.example.org"
egress = ["192.0.2.25"]
[audit]
domains = ["example.org"]
ports = []
fetch_policies = false
[[audit.blocklists]]
zone = "*"
kind = "off"
[[audit.blocklists]]
zone = "list.example.org"
kind = "domain"
`)
	s.resolve()
	s.zone.publish("example.org", "v=spf1 +all")
	s.audited()
	if got := s.alerting(); !strings.Contains(got, "audit_failing warning spf example.org") || !strings.Contains(got, "audit_failing warning dmarc example.org") {
		t.Errorf("alerts:\n%s", got)
	}
	if page := s.scrape(); !strings.Contains(page, `pratique_audit_findings{status="fail",topic="dmarc"} 1`) || strings.Contains(page, "pratique_audit_last_run_timestamp_seconds 0\n") {
		t.Error("the metrics do not show it:\n" + page)
	}
	kept, ok, err := posture.Kept(s.dir)
	if err != nil || !ok || kept.Status != posture.Fail {
		t.Errorf("%v %v %+v", err, ok, kept)
	}

	s.zone.publish("_dmarc.example.org", "v=DMARC1; p=reject; rua=mailto:d@example.org")
	s.audited()
	if got := s.alerting(); strings.Contains(got, "dmarc") || !strings.Contains(got, "spf example.org") {
		t.Errorf("DMARC is well, and the alerts are\n%s", got)
	}

	s.zone.fail(true) // what is not known ends no alert
	s.audited()
	if got := s.alerting(); !strings.Contains(got, "spf example.org") {
		t.Errorf("nothing is known, and the alerts are\n%s", got)
	}
	s.zone.fail(false)
	s.zone.publish("example.org", "v=spf1 ip4:192.0.2.25 -all")
	s.audited()
	if got := s.alerting(); strings.Contains(got, "spf example.org") {
		t.Errorf("SPF is well, and the alerts are\n%s", got)
	}

	s.close() // after a restart the last audit is known
	s.start("")
	if last := s.lastAudit(); last.IsZero() {
		t.Error("the last audit is forgotten")
	}
}

// resolve has the DNS server of the test resolve, too.
func (s *standing) resolve() {
	s.Helper()
	text, err := os.ReadFile(s.path)
	if err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(s.path, []byte(fmt.Sprintf("dns.resolver = %q\n", s.zone.addr)+string(text)), 0o600); err != nil {
		s.Fatal(err)
	}
	if err := s.reload(); err != nil {
		s.Fatal(err)
	}
}

func (s *standing) scrape() string {
	server := httptest.NewServer(s.metrics.Handler(func() error { return nil }))
	defer server.Close()
	response, err := server.Client().Get(server.URL + "/metrics")
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return string(page)
}

// A report that can't be read is as none.
func TestKeptReportIsDamaged(t *testing.T) {
	s := stand(t, "")
	if err := os.WriteFile(filepath.Join(s.dir, "posture.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if last := s.lastAudit(); !last.IsZero() {
		t.Error(last)
	}
	s.says("the last audit is not known")
}
