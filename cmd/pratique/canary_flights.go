package main

import (
	"context"
	"strings"
	"time"

	"pratique/telemetry/alerts"
	"pratique/watch/canary"
)

// When canaries are sent, beside as often as the configuration says.
const (
	// firstCanary is how long after the start of the daemon, or after another
	// configuration, the first one is sent: the milter has to listen by then.
	firstCanary = 3 * time.Second
	// flightPause is how often it is looked whether one is due.
	flightPause = time.Second
)

// flyCanaries sends canaries as often as the configuration in force says, until the
// context ends, or what it returns is called.
func (d *daemon) flyCanaries(ctx context.Context) (stop func()) {
	return d.beside(ctx, "canaries", func(ctx context.Context) {
		f := flights{daemon: d}
		for ctx.Err() == nil {
			f.round(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(flightPause):
			}
		}
	})
}

// flights is what is known from one canary to the next.
type flights struct {
	*daemon
	options canary.Options // of the last round
	next    time.Time
	counted bool // there are metrics of canaries
}

// round sends one if it is due.
func (f *flights) round(ctx context.Context) {
	defer f.recovered("canary")
	o := f.inForce().Canary
	if o != f.options {
		if f.options.Every > 0 && o.Every == 0 {
			f.ground()
		}
		f.options, f.next = o, f.env.now().Add(firstCanary)
	}
	now := f.env.now()
	if o.Every == 0 || now.Before(f.next) && f.next.Sub(now) <= o.Every { // else the clock was put back
		return
	}
	if !f.counted {
		f.metrics.Canaries(string(canary.OK), string(canary.Warn), string(canary.Fail))
		f.counted = true
	}
	f.next = now.Add(o.Every) // also if something in here panics
	f.flyOne(ctx, o)
}

// ground takes back what was told of canaries that are not sent any more.
func (f *flights) ground() {
	f.alerts.Clear(canaryAlert, "")
	if f.counted {
		f.metrics.NoCanaries()
		f.counted = false
	}
}

const canaryAlert = "canary"

// flyOne sends one, counts it, and tells people if it is not well.
func (d *daemon) flyOne(ctx context.Context, o canary.Options) {
	world, err := canaryEnv(d.inForce(), d.env.now)
	var result *canary.Result
	if err == nil {
		result, err = canary.Fly(ctx, o, world)
	}
	if ctx.Err() != nil {
		return // the daemon stops: what is under way says nothing
	}
	if err != nil {
		d.log.Error("no canary could be sent", "error", err)
		d.metrics.Canary(string(canary.Fail), false, 0, d.env.now())
		d.alerts.Raise(alerts.Alert{Name: canaryAlert, Severity: alerts.Warning, Text: "no canary could be sent: " + err.Error()})
		return
	}
	d.landed(result)
}

// landed tells what became of a canary.
func (d *daemon) landed(result *canary.Result) {
	status := result.Status()
	d.metrics.Canary(string(status), status == canary.OK, result.Delay, d.env.now())
	if status == canary.OK {
		d.log.Info("canary arrived", "delay", result.Delay)
		d.alerts.Clear(canaryAlert, "")
		return
	}
	var wrong []string
	for _, f := range result.Findings {
		if f.Status != canary.OK {
			wrong = append(wrong, f.Text)
		}
	}
	text := strings.Join(wrong, "; ")
	alert := alerts.Alert{Name: canaryAlert, Severity: alerts.Warning, Text: "a message sent through the MTA did not arrive as it should: " + text, Value: result.Delay.Seconds()}
	if status == canary.Fail {
		alert.Severity = alerts.Critical
	}
	d.log.Warn("canary is not well", "reply", result.Reply, "wrong", text)
	d.alerts.Raise(alert)
}
