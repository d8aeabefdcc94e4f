// Package telemetry tells machines how the daemon is: every metric stands in
// one list here, for Prometheus to scrape, beside a health check. It judges and
// alerts nothing.
package telemetry

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pratique/message"
)

// Metrics is the list of all metrics. As a message.Observer it counts messages by how they ended.
type Metrics struct {
	registry *prometheus.Registry
	now      func() time.Time

	messages   *prometheus.CounterVec
	octets     prometheus.Counter
	recipients prometheus.Counter
	unsigned   *prometheus.CounterVec
	findings   *prometheus.CounterVec
	failures   *prometheus.CounterVec
	duration   prometheus.Histogram
	spared     prometheus.Counter
	reloads    *prometheus.CounterVec
	reloaded   prometheus.Gauge
	broken     prometheus.Gauge
	brokenName *prometheus.GaugeVec
	keys       *keyMetrics
	canaries   *canaryMetrics // nil until Canaries
	alerts     *alertMetrics
	audit      *auditMetrics
	watch      *watchMetrics
	clamd      func() prometheus.Gauge // registers it when it is first asked for
}

// New returns the metrics, all at zero. The clock measures how long messages take.
func New(now func() time.Time) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), now: now}
	m.messages = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pratique_messages_total",
		Help: "Messages by how they ended, and the check that decided (none: no check did).",
	}, []string{"verdict", "check"})
	m.octets = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pratique_sent_bytes_total",
		Help: "Octets of the messages that left, as they came.",
	})
	m.recipients = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pratique_sent_recipients_total",
		Help: "Recipients of the messages that left.",
	})
	m.unsigned = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pratique_sent_unsigned_total",
		Help: "Messages that left without a signature of ours, by the reason that their record gives.",
	}, []string{"reason"})
	m.findings = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pratique_findings_total",
		Help: "Findings by rule and by what was done about them.",
	}, []string{"rule", "action"})
	m.failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pratique_check_failures_total",
		Help: "Checks that broke, by what on_error made of the message. The policy accept let it go unchecked.",
	}, []string{"check", "stage", "policy"})
	m.duration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "pratique_message_duration_seconds",
		Help:    "Time from MAIL to the outcome of a message.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	})
	m.spared = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pratique_scans_spared_total",
		Help: "Messages that clamd was not asked about, because it had called the same content clean.",
	})
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pratique_config_reloads_total",
		Help: "Reloads of the configuration by result: ok, or failed (the old one stayed in force).",
	}, []string{"result"})
	m.reloaded = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pratique_config_last_reload_successful",
		Help: "1 if the configuration in force is the one on disk as of the last reload.",
	})
	m.reloaded.Set(1)
	m.broken = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pratique_signing_domains_broken",
		Help: "Domains whose mail can't be signed, because one of their keys is of no use.",
	})
	m.brokenName = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "pratique_signing_domain_broken",
		Help: fmt.Sprintf("1 for each domain whose mail can't be signed; of very many the first %d by name.", maxBrokenNames),
	}, []string{"domain"})
	m.keys = newKeyMetrics(m.registry, now)
	m.alerts = newAlertMetrics(m.registry)
	m.clamd = sync.OnceValue(m.registerClamd)
	m.audit = newAuditMetrics(m.registry)
	m.watch = newWatchMetrics(m.registry)
	m.registry.MustRegister(m.messages, m.octets, m.recipients, m.unsigned, m.findings, m.failures,
		m.duration, m.spared, m.reloads, m.reloaded, m.broken, m.brokenName, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Observe counts a message that has ended.
func (m *Metrics) Observe(msg *message.Message, o message.Outcome) {
	check := o.Check
	if check == "" {
		check = "none"
	}
	m.messages.WithLabelValues(o.Verdict.String(), check).Inc()
	m.duration.Observe(m.now().Sub(msg.Began).Seconds())
	for _, f := range msg.Findings {
		m.findings.WithLabelValues(f.Rule, f.Action).Inc()
	}
	if slices.ContainsFunc(msg.Notes, func(n message.Note) bool { return n.Check == "scanning" && n.Key == "cached" }) {
		m.spared.Inc()
	}
	for _, f := range msg.Failures {
		m.failures.WithLabelValues(f.Check, f.Stage.String(), f.Policy.String()).Inc()
	}
	if !o.Verdict.Leaves() {
		return
	}
	m.octets.Add(float64(msg.Size()))
	m.recipients.Add(float64(len(msg.Recipients)))
	if reason, unsigned := unsigned(msg); unsigned {
		m.unsigned.WithLabelValues(reason).Inc()
	}
}

// unsigned returns the code of the note that says why a message is unsigned.
func unsigned(msg *message.Message) (reason string, unsigned bool) {
	reason = "unknown"
	for _, n := range msg.Notes {
		switch {
		case n.Check != "signing":
		case n.Key == "signed":
			return "", false
		case n.Key == "unsigned" && n.Code != "":
			reason = n.Code
		}
	}
	return reason, true
}

// ExpectUnsigned counts a reason for unsigned mail from zero: an alert on a rise
// must see the first message.
func (m *Metrics) ExpectUnsigned(reason string) { m.unsigned.WithLabelValues(reason) }

// maxBrokenNames bounds the domains that have a time series of their own.
const maxBrokenNames = 20

// Broken sets the domains that can't be signed for, sorted by name.
func (m *Metrics) Broken(domains []string) {
	m.broken.Set(float64(len(domains)))
	m.brokenName.Reset()
	for _, domain := range domains[:min(len(domains), maxBrokenNames)] {
		m.brokenName.WithLabelValues(domain).Set(1)
	}
}

// Reloaded counts a reload, of the whole configuration or of its keys. current says
// whether what is in force now is what was last asked for.
func (m *Metrics) Reloaded(ok, current bool) {
	result, gauge := "failed", 0.0
	if ok {
		result = "ok"
	}
	if current {
		gauge = 1
	}
	m.reloads.WithLabelValues(result).Inc()
	m.reloaded.Set(gauge)
}

// Handler serves /metrics and /healthz. Healthy is asked for each check; its
// error, which a load balancer's log may show, makes it a 503.
func (m *Metrics) Handler(healthy func() error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		text := "ok\n"
		if err := healthy(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			text = err.Error() + "\n"
		}
		_, _ = w.Write([]byte(text)) // the client went away: nothing to do about it
	})
	return mux
}
