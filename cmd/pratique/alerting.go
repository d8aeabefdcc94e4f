package main

import (
	"context"
	"fmt"

	"pratique/configs"
	"pratique/signing"
	"pratique/telemetry"
	"pratique/telemetry/alerts"
)

// openAlerts opens what tells people that something is wrong.
func (d *daemon) openAlerts(cfg *configs.Config) {
	for _, channel := range alerts.Channels() {
		for _, r := range alerts.Results() {
			d.metrics.ExpectAlertDeliveries(channel, string(r))
		}
	}
	seal := alerts.NewSeal(cfg.State, d.env.now)
	d.own = alerts.NewOwn(seal)
	d.alerts = alerts.Open(cfg.Alerts, alerts.Env{State: cfg.State, Hostname: hostname(cfg), Now: d.env.now,
		Log: d.log, Metrics: alertMetrics{d.metrics}, Seal: seal})
}

// alertMetrics counts alerts in the list of all metrics.
type alertMetrics struct{ *telemetry.Metrics }

func (m alertMetrics) AlertDelivery(channel string, r alerts.Result) {
	m.Metrics.AlertDelivery(channel, string(r))
}

// tellAlerts tells what is wrong until the context ends, or what it returns is called.
func (d *daemon) tellAlerts(ctx context.Context) (stop func()) {
	return d.beside(ctx, "alerts", d.alerts.Run)
}

// alertStale tells of a configuration on disk that is not the one in force.
func (d *daemon) alertStale(err error) {
	if err == nil && !d.unread {
		d.alerts.Clear("config_stale", "")
		return
	}
	text := "the configuration on disk can't be used, and the old one is in force; \"pratique check\" names the lines"
	if err != nil {
		text = fmt.Sprintf("%s: %v", text, err)
	}
	d.alerts.Raise(alerts.Alert{Name: "config_stale", Severity: alerts.Warning, Text: text})
}

// mostBroken bounds the domains that have an alert of their own.
const mostBroken = 20

// alertBroken tells of the domains whose mail can't be signed, and of those that can again.
func (d *daemon) alertBroken(s *signing.Signer) {
	broken := s.Broken()
	now := map[string]bool{}
	for _, b := range broken[:min(len(broken), mostBroken)] {
		now[b.Domain] = true
		d.alerts.Raise(alerts.Alert{Name: "signing_broken", Subject: b.Domain, Severity: alerts.Critical, Value: float64(len(broken)),
			Text: fmt.Sprintf("the mail of %s can't be signed, and meets signing.on_error: %v", b.Domain, b.Err)})
	}
	d.clearAllBut("signing_broken", now)
}

// clearAllBut clears the alerts of a kind but for these subjects.
func (d *daemon) clearAllBut(name string, subjects map[string]bool) {
	for _, a := range d.alerts.Active() {
		if a.Name == name && !subjects[a.Subject] {
			d.alerts.Clear(a.Name, a.Subject)
		}
	}
}

// clamdGrace is how often in a row clamd may fail to answer: while it reads new
// signatures it is silent for up to half a minute.
const clamdGrace = 2

// alertClamd is told how clamd at this address is, each time it was asked.
func (d *daemon) alertClamd(address string) func(error) {
	d.clearAllBut("clamd_away", map[string]bool{address: true}) // of the configuration before
	failed := 0
	return func(err error) {
		d.metrics.Clamd(err == nil)
		if err == nil {
			failed = 0
			d.alerts.Clear("clamd_away", address)
			return
		}
		if failed++; failed < clamdGrace {
			return
		}
		d.alerts.Raise(alerts.Alert{Name: "clamd_away", Subject: address, Severity: alerts.Critical,
			Text: fmt.Sprintf("clamd does not answer, and messages meet scanning.on_error: %v", err)})
	}
}
