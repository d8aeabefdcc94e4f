package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestAlerts(t *testing.T) {
	m := newMetrics()
	m.ExpectAlertDeliveries("mail", "delivered", "failed")
	m.AlertDelivery("mail", "failed")
	m.AlertsActive(map[[2]string]int{{"rate_drop", "warning"}: 2, {"clamd_away", "critical"}: 1})
	m.AlertsActive(map[[2]string]int{{"rate_drop", "warning"}: 1})
	want := `
# HELP pratique_alert_deliveries_total Attempts to deliver alerts by channel and result: delivered, retried (it failed and is tried again) or failed (it was given up).
# TYPE pratique_alert_deliveries_total counter
pratique_alert_deliveries_total{channel="mail",result="delivered"} 0
pratique_alert_deliveries_total{channel="mail",result="failed"} 1
# HELP pratique_alerts_active Alerts that are active now, by kind and severity.
# TYPE pratique_alerts_active gauge
pratique_alerts_active{name="rate_drop",severity="warning"} 1
`
	err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "pratique_alert_deliveries_total", "pratique_alerts_active")
	if err != nil {
		t.Error(err)
	}
}
