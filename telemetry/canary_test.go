package telemetry

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestCanaries(t *testing.T) {
	m := newMetrics()
	m.Canaries("ok", "warn", "fail")
	m.Canary("ok", true, 1500*time.Millisecond, time.Unix(100, 0))
	m.Canary("fail", false, 0, time.Unix(200, 0))
	want := `
# HELP pratique_canaries_total Canaries that were sent through the MTA, by how they were when they arrived: ok, warn or fail.
# TYPE pratique_canaries_total counter
pratique_canaries_total{result="fail"} 1
pratique_canaries_total{result="ok"} 1
pratique_canaries_total{result="warn"} 0
# HELP pratique_canary_delay_seconds How long the last canary that arrived was under way.
# TYPE pratique_canary_delay_seconds gauge
pratique_canary_delay_seconds 1.5
# HELP pratique_canary_last_good_timestamp_seconds When the last canary arrived with which nothing was wrong, as Unix time (0: none has).
# TYPE pratique_canary_last_good_timestamp_seconds gauge
pratique_canary_last_good_timestamp_seconds 100
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "pratique_canaries_total",
		"pratique_canary_delay_seconds", "pratique_canary_last_good_timestamp_seconds"); err != nil {
		t.Error(err)
	}
}
