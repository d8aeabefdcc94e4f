package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
)

// watchMetrics are about the MTA's queue, and about what comes back.
type watchMetrics struct {
	queueUp      prometheus.Gauge
	queueSize    *prometheus.GaugeVec
	queueAge     *prometheus.GaugeVec
	queueWaiting prometheus.Gauge
	queueReasons *prometheus.GaugeVec
	queueTop     *prometheus.GaugeVec
	queueTook    prometheus.Gauge

	bounces    *prometheus.GaugeVec
	complaints *prometheus.GaugeVec
	shares     *prometheus.GaugeVec
	suppressed prometheus.Gauge
	failing    prometheus.Gauge
}

func newWatchMetrics(registry prometheus.Registerer) *watchMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	vector := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &watchMetrics{
		queueUp:      gauge("pratique_queue_up", "1 if the last look into the MTA's queue succeeded, 0 if it did not, or none was taken."),
		queueSize:    vector("pratique_queue_messages", "Messages in the MTA's queue, by the name of the queue.", "queue"),
		queueAge:     vector("pratique_queue_oldest_seconds", "Age of the oldest message, by the name of the queue.", "queue"),
		queueWaiting: gauge("pratique_queue_recipients", "Recipients that messages in the MTA's queue still wait for."),
		queueReasons: vector("pratique_queue_deferred_recipients", "Recipients whose delivery was deferred, by the class of the reason.", "class"),
		queueTop:     vector("pratique_queue_destination_recipients", "Recipients that messages wait for at the domains with the most of them.", "destination"),
		queueTook:    gauge("pratique_queue_look_seconds", "How long the last look into the MTA's queue took."),
		bounces:      vector("pratique_bounces_last_day", "Recipients whose mail bounced in the last day, by the class of the reason; unverified: not joined with a message that left.", "class"),
		complaints:   vector("pratique_complaints_last_day", "Complaints in the last day; certain if joined with a message that left.", "certain"),
		shares:       vector("pratique_feedback_share_last_day", "Bounces and complaints of the last day as a part of the recipients sent to.", "kind"),
		suppressed:   gauge("pratique_suppressed_recipients", "Recipients that are refused because they bounced for good."),
		failing:      gauge("pratique_feedback_failing", "1 if what came back could not be kept or read the last time."),
	}
	registry.MustRegister(m.queueUp, m.queueSize, m.queueAge, m.queueWaiting, m.queueReasons, m.queueTop, m.queueTook,
		m.bounces, m.complaints, m.shares, m.suppressed, m.failing)
	return m
}

// QueueStats are the figures of a look into the MTA's queue.
type QueueStats struct {
	Messages   map[string]int     // by the name of the queue
	Oldest     map[string]float64 // seconds, by the name of the queue
	Recipients int
	Deferred   map[string]int // recipients, by the class of the reason
	Top        map[string]int // recipients at the busiest destinations, a few
	Took       float64        // seconds
}

// Queue sets the figures of a look into the MTA's queue.
func (m *Metrics) Queue(s QueueStats) {
	m.watch.queueUp.Set(1)
	setAll(m.watch.queueSize, s.Messages)
	setAll(m.watch.queueAge, s.Oldest)
	setAll(m.watch.queueReasons, s.Deferred)
	setAll(m.watch.queueTop, s.Top)
	m.watch.queueWaiting.Set(float64(s.Recipients))
	m.watch.queueTook.Set(s.Took)
}

// QueueDown says that the queue can't be looked into. What was seen last is not shown any more.
func (m *Metrics) QueueDown() {
	m.Queue(QueueStats{})
	m.watch.queueUp.Set(0)
}

func setAll[N int | float64](v *prometheus.GaugeVec, values map[string]N) {
	v.Reset()
	for label, n := range values {
		v.WithLabelValues(label).Set(float64(n))
	}
}

// FeedbackStats are the figures of what came back in the last day.
type FeedbackStats struct {
	Bounces                     map[string]int // by class, and "unverified"
	Certain, Unverified         int            // complaints
	BounceShare, ComplaintShare float64
	Suppressed                  int
}

// Feedback sets the figures of what came back.
func (m *Metrics) Feedback(s FeedbackStats) {
	setAll(m.watch.bounces, s.Bounces)
	setAll(m.watch.complaints, map[string]int{"yes": s.Certain, "no": s.Unverified})
	setAll(m.watch.shares, map[string]float64{"bounces": s.BounceShare, "complaints": s.ComplaintShare})
	m.watch.suppressed.Set(float64(s.Suppressed))
}

// FeedbackFailing says whether what came back could not be kept or read.
func (m *Metrics) FeedbackFailing(failing bool) {
	value := 0.0
	if failing {
		value = 1
	}
	m.watch.failing.Set(value)
}
