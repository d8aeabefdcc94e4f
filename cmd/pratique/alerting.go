package main

import (
	"context"
	"log/slog"
	"sync"

	"pratique/configs"
	"pratique/telemetry"
	"pratique/telemetry/alerts"
)

// openAlerts opens what tells people that something is wrong.
func openAlerts(e *env, cfg *configs.Config, metrics *telemetry.Metrics, log *slog.Logger) *alerts.Manager {
	for _, channel := range alerts.Channels() {
		for _, r := range alerts.Results() {
			metrics.ExpectAlertDeliveries(channel, string(r))
		}
	}
	return alerts.Open(cfg.Alerts, alerts.Env{
		State: cfg.State, Hostname: hostname(cfg), Now: e.now, Log: log, Metrics: alertMetrics{metrics},
	})
}

// alertMetrics counts alerts in the list of all metrics.
type alertMetrics struct{ *telemetry.Metrics }

func (m alertMetrics) AlertDelivery(channel string, r alerts.Result) {
	m.Metrics.AlertDelivery(channel, string(r))
}

// tellAlerts tells what is wrong until the context ends, or what it returns is called.
func (d *daemon) tellAlerts(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var loop sync.WaitGroup
	loop.Go(func() { d.alerts.Run(ctx) })
	return func() {
		cancel()
		loop.Wait()
	}
}
