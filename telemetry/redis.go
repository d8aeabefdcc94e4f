package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RedisMetrics are about the store of counts that machines share.
type RedisMetrics struct {
	asked     prometheus.Histogram
	failed    prometheus.Counter
	fallbacks prometheus.Counter
}

// Redis adds the metrics of a shared store of counts. Whether it answers, and how much
// it is still to be told, are asked for at each scrape.
func (m *Metrics) Redis(up func() bool, backlog func() int) *RedisMetrics {
	r := &RedisMetrics{}
	r.asked = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "pratique_redis_request_duration_seconds",
		Help:    "Time that a message waited for the shared store of counts.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
	})
	r.failed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pratique_redis_request_failures_total",
		Help: "Requests that the shared store of counts did not answer, or not in time.",
	})
	r.fallbacks = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pratique_redis_fallbacks_total",
		Help: "Messages that were held to what this machine has counted itself, because the shared store was away.",
	})
	answers := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pratique_redis_up",
		Help: "1 if the shared store of counts answers and knows all that this machine has counted.",
	}, func() float64 {
		if up() {
			return 1
		}
		return 0
	})
	untold := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pratique_redis_backlog",
		Help: "Counts that the shared store is still to be told.",
	}, func() float64 { return float64(backlog()) })
	m.registry.MustRegister(r.asked, r.failed, r.fallbacks, answers, untold)
	return r
}

// Asked notes how long a message waited, and whether it had an answer.
func (r *RedisMetrics) Asked(took time.Duration, err error) {
	r.asked.Observe(took.Seconds())
	if err != nil {
		r.failed.Inc()
	}
}

// FellBack counts a message that was held to the counts of this machine alone.
func (r *RedisMetrics) FellBack() { r.fallbacks.Inc() }
