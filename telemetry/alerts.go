package telemetry

import "github.com/prometheus/client_golang/prometheus"

// alertMetrics are the metrics of alerts.
type alertMetrics struct {
	active     *prometheus.GaugeVec
	deliveries *prometheus.CounterVec
}

func newAlertMetrics(registry prometheus.Registerer) *alertMetrics {
	m := &alertMetrics{}
	m.active = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "pratique_alerts_active",
		Help: "Alerts that are active now, by kind and severity.",
	}, []string{"name", "severity"})
	m.deliveries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pratique_alert_deliveries_total",
		Help: "Attempts to deliver alerts by channel and result: delivered, retried (it failed and is tried again) or failed (it was given up).",
	}, []string{"channel", "result"})
	registry.MustRegister(m.active, m.deliveries)
	return m
}

// AlertsActive sets how many alerts are active, by name and severity, in that order.
func (m *Metrics) AlertsActive(counts map[[2]string]int) {
	m.alerts.active.Reset()
	for by, n := range counts {
		m.alerts.active.WithLabelValues(by[0], by[1]).Set(float64(n))
	}
}

// AlertDelivery counts an attempt to deliver alerts.
func (m *Metrics) AlertDelivery(channel, result string) {
	m.alerts.deliveries.WithLabelValues(channel, result).Inc()
}

// ExpectAlertDeliveries counts the deliveries of a channel from zero: an alert on a
// rise must see the first failure.
func (m *Metrics) ExpectAlertDeliveries(channel string, results ...string) {
	for _, result := range results {
		m.alerts.deliveries.WithLabelValues(channel, result)
	}
}
