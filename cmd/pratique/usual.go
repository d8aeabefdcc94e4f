package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"pratique/configs"
	"pratique/message"
	"pratique/rates/baseline"
	"pratique/rates/bulk"
	"pratique/state"
	"pratique/telemetry/alerts"
)

// The files of what is usual, in the state folder.
const (
	baselineFile = "baseline.bin"
	bulkFile     = "bulk.json"
)

// usual knows what is usual, and tells when it is otherwise.
type usual struct {
	*daemon
	baselines *baseline.Set
	sent      *bulk.Counter
	// wouldFail says what an audit of a domain would find missing that is demanded of
	// bulk senders; nil: nobody audits.
	wouldFail func(ctx context.Context, domain string) []string

	raised  map[[2]string]bool // alerts of ours that are raised, by name and subject
	saved   int64              // the hour in which the baselines were saved last
	written map[string][]byte  // what was saved last, by file
}

// openUsual opens what was learned. A file that can't be used is set aside: what was
// learned is not worth keeping mail from leaving.
func (d *daemon) openUsual(cfg *configs.Config) {
	u := &usual{daemon: d, raised: map[[2]string]bool{}, written: map[string][]byte{}}
	u.wouldFail = d.missingOf
	u.baselines = baseline.OfMail(cfg.Baseline)
	u.sent = bulk.New(cfg.Bulk, d.env.now)
	for name, part := range u.parts() {
		d.takeOver(filepath.Join(cfg.State, name), part.Unmarshal)
	}
	d.usual = u
}

// lasting is what is kept over a restart.
type lasting interface {
	Marshal() ([]byte, error)
	Unmarshal(text []byte) error
}

// parts are what is kept, by the file in the state folder.
func (u *usual) parts() map[string]lasting {
	return map[string]lasting{baselineFile: u.baselines, bulkFile: u.sent}
}

func (d *daemon) takeOver(path string, unmarshal func([]byte) error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = unmarshal(text)
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, baseline.ErrDamaged), errors.Is(err, bulk.ErrDamaged):
		aside, asideErr := state.SetAside(path, d.env.now())
		d.log.Warn("what was learned of the usual rates is damaged, and begins anew", "aside", aside, "error", errors.Join(err, asideErr))
	default:
		d.log.Warn("what was learned of the usual rates can't be read, and begins anew", "error", err)
	}
}

// observers are told of messages, but for the mail of our own alerts.
func (u *usual) observers() []message.Observer {
	return []message.Observer{
		alerts.Unseen(baseline.NewObserver(u.baselines, u.env.now)),
		alerts.Unseen(u.sent),
	}
}

// use takes another configuration into force.
func (u *usual) use(cfg *configs.Config) {
	u.baselines.Use(cfg.Baseline)
	u.sent.Use(cfg.Bulk)
}

// watchUsual tells what is not as usual until the context ends, or what it returns is called.
func (d *daemon) watchUsual(ctx context.Context) (stop func()) {
	return d.beside(ctx, "what is usual", func(ctx context.Context) {
		for sleepUntilMinute(ctx, d.env.now()) {
			d.usual.minute(ctx)
		}
		d.usual.save(true)
	})
}

// sleepUntilMinute sleeps until the minute is over; false means that the context ended.
func sleepUntilMinute(ctx context.Context, now time.Time) bool {
	timer := time.NewTimer(time.Minute - time.Duration(now.UnixNano()%int64(time.Minute)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// minute judges the minute that is over. Mail goes on even if a mistake in here panics.
func (u *usual) minute(ctx context.Context) {
	defer func() {
		if v := recover(); v != nil {
			u.log.Error("panic", "in", "what is usual", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	cfg := u.inForce()
	now := map[[2]string]bool{}
	for _, a := range append(u.deviating(cfg), u.nearBulk(ctx)...) {
		now[[2]string{a.Name, a.Subject}] = true
		u.alerts.Raise(a)
	}
	for k := range u.raised {
		if !now[k] {
			u.alerts.Clear(k[0], k[1])
		}
	}
	u.raised = now
	u.alertUncounted()
	u.save(false)
}

// save writes the counts of bulk mail, and once an hour, and at the end, what was learned.
func (u *usual) save(all bool) {
	hour := u.env.now().Unix() / 3600
	for name, part := range u.parts() {
		if name == baselineFile && !all && hour == u.saved {
			continue
		}
		text, err := part.Marshal()
		if err == nil && !bytes.Equal(text, u.written[name]) {
			err = state.Replace(filepath.Join(u.started.State, name), text, state.FileMode)
		}
		if err != nil {
			u.log.Error("what is usual can't be saved; mail goes on", "error", err)
			continue
		}
		u.written[name] = text
	}
	u.saved = hour
}

// deviating are the series that are not as usual, as alerts. When nothing leaves at
// all, that is one alert and not one for each client.
func (u *usual) deviating(cfg *configs.Config) []alerts.Alert {
	deviations := u.baselines.Evaluate(u.env.now())
	if !cfg.Baseline.Alerts {
		return nil
	}
	down := slices.ContainsFunc(deviations, func(d baseline.Deviation) bool { return d.Kind == baseline.Total && d.What == baseline.Drop })
	var all []alerts.Alert
	for _, d := range deviations {
		if down && d.What == baseline.Drop && d.Kind != baseline.Total || slices.Contains(cfg.Baseline.Ignore, seriesName(d)) {
			continue
		}
		all = append(all, deviationAlert(d))
	}
	return all
}

// seriesName is a series as alerts and the key ignore name it.
func seriesName(d baseline.Deviation) string {
	if d.Kind == baseline.Total {
		return d.Kind
	}
	return d.Kind + " " + d.Key
}

// gravely is from how many times the usual count on a spike can't wait.
const gravely = 10

func deviationAlert(d baseline.Deviation) alerts.Alert {
	a := alerts.Alert{Subject: seriesName(d), Value: d.Observed, Threshold: d.Bound}
	in := windowText(d.Window)
	switch d.What {
	case baseline.Spike:
		a.Name = "rate_spike"
		if d.Kind == baseline.Queue {
			a.Name = "queue_growing"
		}
		if d.Observed >= gravely*max(d.High, 1) {
			a.Severity = alerts.Critical
		}
		a.Text = fmt.Sprintf("%s in the last %s, where %.0f (at most %.0f) are usual", amount(d), in, d.Median, d.High)
	case baseline.Drop:
		a.Name = "rate_drop"
		if d.Kind == baseline.Queue {
			a.Name = "queue_shrinking"
		}
		if d.Kind == baseline.Total {
			a.Severity = alerts.Critical
		}
		if in == "hour" {
			in = "an hour"
		}
		a.Text = fmt.Sprintf("%s in %s, where %.0f (at least %.0f) are usual", amount(d), in, d.Median, d.Low)
	case baseline.Mix:
		a.Name, a.Subject = "mix_changed", a.Subject+": "+d.Part
		a.Text = fmt.Sprintf("%.0f %% of the messages of the last %s are %s, where %.0f %% (at most %.0f %%) are usual",
			100*d.Observed, in, partText(d.Part), 100*d.Median, 100*d.High)
	}
	return a
}

func amount(d baseline.Deviation) string {
	switch {
	case d.Kind == baseline.Queue && d.Key == queueAgeSeries:
		return fmt.Sprintf("a message has been waiting for %.0f minutes", d.Observed)
	case d.Kind == baseline.Queue && d.Observed < 0.5:
		return "no message waits"
	case d.Kind == baseline.Queue:
		return fmt.Sprintf("%.0f messages wait", d.Observed)
	case d.Observed == 0:
		return "nothing was sent"
	}
	return fmt.Sprintf("%.0f recipients", d.Observed)
}

func partText(part string) string {
	switch part {
	case baseline.NewRecipients:
		return "to recipients that their sender had not written to"
	case baseline.Refusals:
		return "refused"
	}
	return part
}

// windowText writes a length of time as people say it.
func windowText(d time.Duration) string {
	switch {
	case d == time.Hour:
		return "hour"
	case d%time.Hour == 0:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

// becameBulk is how long it is told that a domain became a bulk sender. It stays one;
// that it sends as much again tells nobody anything new.
const becameBulk = 24 * time.Hour

// nearBulk are the domains that near the threshold of a receiver, as alerts.
func (u *usual) nearBulk(ctx context.Context) []alerts.Alert {
	var all []alerts.Alert
	for _, l := range u.sent.Levels() {
		if l.Step == 0 || !l.Reached.IsZero() && u.env.now().Sub(l.Reached) > becameBulk {
			continue
		}
		a := alerts.Alert{Name: "bulk_near", Subject: l.Domain + " at " + l.Receiver, Step: l.Step,
			Value: float64(l.Count), Threshold: float64(l.Threshold), Text: bulkText(l)}
		if l.Step >= 95 {
			a.Severity = alerts.Critical
		}
		if u.wouldFail != nil {
			if missing := u.wouldFail(ctx, l.Domain); len(missing) > 0 {
				a.Text += ". Missing now: " + strings.Join(missing, "; ")
			}
		}
		all = append(all, a)
	}
	return all
}

func bulkText(l bulk.Level) string {
	of := fmt.Sprintf("%d %% of the %d from which on a sender is a bulk sender", 100*l.Count/l.Threshold, l.Threshold)
	if l.Step >= 100 {
		of = fmt.Sprintf("and so is a bulk sender from now on (%d a day)", l.Threshold)
	}
	return fmt.Sprintf("%s and its subdomains sent %d messages to %s in 24 hours, %s. %s", l.Domain, l.Count, l.Receiver, of, bulk.Demands(l.Receiver))
}

// alertUncounted tells that the counts of limits can't be written down.
func (u *usual) alertUncounted() {
	if u.store == nil {
		return
	}
	if err := u.store.Health(); err != nil {
		u.alerts.Raise(alerts.Alert{Name: "counters_unsaved", Severity: alerts.Warning, Text: "limits hold, and a restart would forget what was sent: " + err.Error()})
		return
	}
	u.alerts.Clear("counters_unsaved", "")
}
