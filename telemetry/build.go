package telemetry

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// Build adds the metric that tells which version this is.
func (m *Metrics) Build(version string) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "pratique_build_info",
		Help:        "1, with what this binary is in its labels.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	info.Set(1)
	m.registry.MustRegister(info)
}

// Clamd sets whether clamd answers. The metric is not there without one.
func (m *Metrics) Clamd(up bool) {
	value := 0.0
	if up {
		value = 1
	}
	m.clamd().Set(value)
}

func (m *Metrics) registerClamd() prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pratique_clamd_up",
		Help: "1 if clamd answered when it was asked last.",
	})
	m.registry.MustRegister(g)
	return g
}

// Graphite adds the metric of what is sent to Graphite, and returns what counts it.
func (m *Metrics) Graphite() (sent func(error)) {
	pushes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pratique_graphite_pushes_total",
		Help: "Sendings of all figures to Graphite by result: ok, or failed.",
	}, []string{"result"})
	ok, failed := pushes.WithLabelValues("ok"), pushes.WithLabelValues("failed")
	m.registry.MustRegister(pushes)
	return func(err error) {
		if err != nil {
			failed.Inc()
			return
		}
		ok.Inc()
	}
}

// Gatherer gives all figures as they are, for who sends them elsewhere.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// ExpectFinding counts the findings of a rule from zero: an alert on a rise must see the first one.
func (m *Metrics) ExpectFinding(rule, action string) { m.findings.WithLabelValues(rule, action) }

// ExpectFailure counts the failures of a check under a policy from zero, at every stage.
func (m *Metrics) ExpectFailure(check, policy string, stages ...string) {
	for _, stage := range stages {
		m.failures.WithLabelValues(check, stage, policy)
	}
}
