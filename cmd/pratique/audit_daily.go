package main

import (
	"context"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"pratique/configs"
	"pratique/posture"
	"pratique/telemetry/alerts"
)

// The alerts that an audit raises (telemetry/alerts has them all).
const (
	auditAlert = "audit_failing"
	listAlert  = "blocklisted"
)

// auditAtStart is how long after a start an audit comes that is due: not at once, for
// who restarts the daemon again and again is not to ask blocklists each time.
const auditAtStart = 5 * time.Minute

// auditLook is how often it is looked whether the configuration says otherwise by now.
const auditLook = time.Minute

// auditLogged bounds the findings of one audit that are logged.
const auditLogged = 30

// auditDaily audits from time to time until the context ends, or what it returns is called.
func (d *daemon) auditDaily(ctx context.Context) (stop func()) {
	return d.beside(ctx, "audits", func(ctx context.Context) {
		last := d.lastAudit()
		ready := d.env.now().Add(auditAtStart + rand.N(auditAtStart))
		ticker := time.NewTicker(auditLook)
		defer ticker.Stop()
		for next := last; ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			every, now := d.inForce().Audit.Every, d.env.now()
			if every == 0 || now.Before(ready) || now.Before(next.Add(every)) {
				continue
			}
			d.auditOnce(ctx)
			next = now.Add(rand.N(every/5+1) - every/10) // a tenth sooner or later
		}
	})
}

// lastAudit returns when the last audit was, and shows it in the metrics again.
func (d *daemon) lastAudit() time.Time {
	r, ok, err := posture.Kept(d.started.State)
	if err != nil {
		d.log.Warn("the last audit is not known", "error", err)
	}
	if ok {
		d.showAudit(r, 0)
		d.alertAudit(r) // what was told before a restart lasts until it is found to be over
	}
	return r.At
}

// auditOnce audits, and tells metrics and alerts. Mail goes on whatever happens in here.
func (d *daemon) auditOnce(ctx context.Context) {
	defer func() {
		if v := recover(); v != nil {
			d.log.Error("panic", "in", "audit", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	cfg, began := d.inForce(), d.env.now()
	bounded, cancel := context.WithTimeout(ctx, cfg.Audit.Timeout)
	defer cancel()
	report, err := runAudit(bounded, d.env, cfg)
	if ctx.Err() != nil {
		return // the daemon stops: half an audit says nothing
	}
	if err != nil {
		d.log.Error("the audit failed", "error", err)
		return
	}
	took := d.env.now().Sub(began)
	d.log.Info("audited", "result", report.Headline(), "took", took)
	for i, f := range report.Brief().Findings {
		if i == auditLogged {
			d.log.Warn("audit: there is more; pratique audit --brief tells all", "findings", len(report.Brief().Findings))
			break
		}
		d.log.Warn("audit", "status", string(f.Status), "topic", f.Topic, "subject", f.Subject, "found", f.Found)
	}
	d.showAudit(report, took)
	d.alertAudit(report)
	if err := posture.Keep(d.started.State, report); err != nil {
		d.log.Error("the audit is not kept", "error", err)
	}
}

// runAudit audits under a configuration.
func runAudit(ctx context.Context, e *env, cfg *configs.Config) (posture.Report, error) {
	subject, err := auditSubject(ctx, e, cfg, auditFlags{})
	if err != nil {
		return posture.Report{}, err
	}
	return posture.Run(ctx, auditEnv(e, cfg, false), subject), nil
}

func (d *daemon) showAudit(r posture.Report, took time.Duration) {
	counts, listed := map[[2]string]int{}, 0
	for _, topic := range posture.Topics() { // from zero, so that a rise is seen
		counts[[2]string{topic, string(posture.Fail)}] = 0
	}
	for _, f := range r.Findings {
		counts[[2]string{f.Topic, string(f.Status)}]++
		if f.List != "" {
			listed++
		}
	}
	d.metrics.Audited(r.At, took, counts, listed)
}

// alertAudit raises what fails and clears what is well again. What is not known clears
// nothing: it may be as it was.
func (d *daemon) alertAudit(r posture.Report) {
	raised := map[[2]string]bool{}
	for _, f := range r.Findings {
		a := auditAlertOf(f)
		if a.Name == "" || raised[[2]string{a.Name, a.Subject}] {
			continue
		}
		raised[[2]string{a.Name, a.Subject}] = true
		d.alerts.Raise(a)
	}
	for _, active := range d.alerts.Active() {
		topic, subject, ours := auditSubjectOf(active.Alert)
		if ours && !raised[[2]string{active.Name, active.Subject}] && !r.Undecided(topic, subject) {
			d.alerts.Clear(active.Name, active.Subject)
		}
	}
}

// auditAlertOf returns the alert for a finding, one without a name if it is none.
func auditAlertOf(f posture.Finding) alerts.Alert {
	switch {
	case f.List != "":
		severity := alerts.Warning
		if f.Status == posture.Fail {
			severity = alerts.Critical
		}
		return alerts.Alert{Name: listAlert, Subject: f.Subject + " " + f.List, Severity: severity, Text: f.Subject + " " + f.Found + ". " + f.Do}
	case f.Status == posture.Fail:
		return alerts.Alert{Name: auditAlert, Subject: f.Topic + " " + f.Subject, Severity: alerts.Warning, Text: f.Found + ". pratique audit tells what to do"}
	}
	return alerts.Alert{}
}

// auditSubjectOf returns what an alert of an audit is about: its topic and subject, or
// the list that has the entry.
func auditSubjectOf(a alerts.Alert) (topic, subject string, ours bool) {
	first, rest, _ := strings.Cut(a.Subject, " ")
	switch a.Name {
	case auditAlert:
		return first, rest, true
	case listAlert:
		return "blocklists", rest, true
	}
	return "", "", false
}
