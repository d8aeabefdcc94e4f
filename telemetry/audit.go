package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// auditMetrics are about the audit of the server's posture.
type auditMetrics struct {
	findings *prometheus.GaugeVec
	listed   prometheus.Gauge
	last     prometheus.Gauge
	took     prometheus.Gauge
}

func newAuditMetrics(registry prometheus.Registerer) *auditMetrics {
	m := &auditMetrics{}
	m.findings = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "pratique_audit_findings",
		Help: "Findings of the last audit by topic and status: ok, info, unknown, warn or fail.",
	}, []string{"topic", "status"})
	m.listed = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pratique_audit_blocklistings",
		Help: "Entries of our addresses and domains in blocklists, as of the last audit.",
	})
	m.last = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pratique_audit_last_run_timestamp_seconds",
		Help: "When the last audit ended (0: there was none).",
	})
	m.took = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pratique_audit_duration_seconds",
		Help: "How long the last audit took.",
	})
	registry.MustRegister(m.findings, m.listed, m.last, m.took)
	return m
}

// Audited sets what the last audit found: how many findings by topic and status, in
// that order, and how many of them are entries in blocklists.
func (m *Metrics) Audited(at time.Time, took time.Duration, findings map[[2]string]int, listed int) {
	m.audit.findings.Reset()
	for by, n := range findings {
		m.audit.findings.WithLabelValues(by[0], by[1]).Set(float64(n))
	}
	m.audit.listed.Set(float64(listed))
	m.audit.last.Set(float64(at.Unix()))
	m.audit.took.Set(took.Seconds())
}
