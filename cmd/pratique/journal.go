package main

import (
	"context"
	"time"

	"pratique/configs"
	"pratique/journal"
	"pratique/telemetry"
	"pratique/telemetry/alerts"
)

// journalPatience is how long the last records may take to be written at a stop.
const journalPatience = 10 * time.Second

// openJournal begins the record of every message. Nothing about it keeps mail from leaving.
func (d *daemon) openJournal(cfg *configs.Config) *journal.Journal {
	j := journal.New(cfg.Journal, cfg.State, d.env.now, d.log, journalAlarm{d.alerts})
	d.metrics.Journal(func() map[string]telemetry.JournalStats {
		all := map[string]telemetry.JournalStats{}
		for name, s := range j.Stats() {
			all[name] = telemetry.JournalStats{Written: s.Written, Lost: s.Lost, Waiting: s.Waiting, Bytes: s.Bytes}
		}
		return all
	})
	return j
}

// closeJournal writes what is left.
func (d *daemon) closeJournal() error {
	ctx, cancel := context.WithTimeout(context.Background(), journalPatience)
	defer cancel()
	return d.journal.Close(ctx)
}

// journalAlarm tells people that records are lost.
type journalAlarm struct{ alerts *alerts.Manager }

func (a journalAlarm) Raise(name, subject, text string, critical bool) {
	alert := alerts.Alert{Name: name, Subject: subject, Text: text}
	if critical {
		alert.Severity = alerts.Critical
	}
	a.alerts.Raise(alert)
}

func (a journalAlarm) Clear(name, subject string) { a.alerts.Clear(name, subject) }
