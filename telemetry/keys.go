package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// keyMetrics are about the keys that rotate by themselves.
type keyMetrics struct {
	states       *prometheus.GaugeVec
	unverifiable prometheus.Gauge
	oldest       atomic.Int64 // when the oldest active key began to sign, Unix seconds; 0: none
}

func newKeyMetrics(r *prometheus.Registry, now func() time.Time) *keyMetrics {
	k := &keyMetrics{}
	k.states = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "pratique_keys",
		Help: "Keys that rotate by themselves, by state.",
	}, []string{"state"})
	k.unverifiable = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pratique_keys_unverifiable",
		Help: "Active keys whose record is not at every authoritative server: receivers can't verify what they sign.",
	})
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pratique_keys_oldest_active_age_seconds",
		Help: "For how long the oldest of the active keys has signed (0: there is none).",
	}, func() float64 { return k.age(now()) })
	r.MustRegister(k.states, k.unverifiable, age)
	return k
}

func (k *keyMetrics) age(now time.Time) float64 {
	oldest := k.oldest.Load()
	if oldest == 0 {
		return 0
	}
	return max(0, now.Sub(time.Unix(oldest, 0)).Seconds())
}

// Keys sets how many keys are in each state, how many active ones lack their record
// at a server, and when the oldest active one began to sign; zero: there is none.
func (m *Metrics) Keys(states map[string]int, unverifiable int, oldest time.Time) {
	for state, n := range states {
		m.keys.states.WithLabelValues(state).Set(float64(n))
	}
	m.keys.unverifiable.Set(float64(unverifiable))
	if oldest.IsZero() {
		m.keys.oldest.Store(0)
		return
	}
	m.keys.oldest.Store(oldest.Unix())
}
