package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// canaryMetrics are about the messages that the daemon sends to itself.
type canaryMetrics struct {
	sent  *prometheus.CounterVec
	delay prometheus.Gauge
	last  prometheus.Gauge
}

// Canaries adds the metrics of canaries, with these results from zero.
func (m *Metrics) Canaries(results ...string) {
	c := &canaryMetrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pratique_canaries_total",
			Help: "Canaries that were sent through the MTA, by how they were when they arrived: ok, warn or fail.",
		}, []string{"result"}),
		delay: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pratique_canary_delay_seconds",
			Help: "How long the last canary that arrived was under way.",
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pratique_canary_last_good_timestamp_seconds",
			Help: "When the last canary arrived with which nothing was wrong, as Unix time (0: none has).",
		}),
	}
	for _, r := range results {
		c.sent.WithLabelValues(r)
	}
	m.registry.MustRegister(c.sent, c.delay, c.last)
	m.canaries = c
}

// NoCanaries takes the metrics of canaries away: when the last good one was says nothing
// where none is sent any more.
func (m *Metrics) NoCanaries() {
	m.registry.Unregister(m.canaries.sent)
	m.registry.Unregister(m.canaries.delay)
	m.registry.Unregister(m.canaries.last)
	m.canaries = nil
}

// Canary counts a canary by its result. A delay of 0 is one that did not arrive.
func (m *Metrics) Canary(result string, good bool, delay time.Duration, at time.Time) {
	m.canaries.sent.WithLabelValues(result).Inc()
	if delay > 0 {
		m.canaries.delay.Set(delay.Seconds())
	}
	if good {
		m.canaries.last.Set(float64(at.Unix()))
	}
}
