package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"pratique/dashboard"
	"pratique/posture"
	"pratique/rates/baseline"
	"pratique/telemetry/alerts"
)

// web is all that is served over HTTP: the page, metrics and health. Health is
// for load balancers, which have no password.
func (d *daemon) web() (http.Handler, error) {
	page, err := dashboard.New(d.pageSources())
	if err != nil {
		return nil, err
	}
	metrics := d.metrics.Handler(d.store.Health)
	inside := http.NewServeMux()
	inside.Handle("GET /metrics", metrics)
	inside.Handle("/", page.Handler())
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", metrics)
	mux.Handle("/", dashboard.Guard(d.started.Dashboard, hostname(d.started), d.env.now, inside))
	return d.answering(mux), nil
}

// answering has a panic end one answer, and be said: the HTTP server would say it where
// only debugging looks.
func (d *daemon) answering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := false
		defer func() {
			if !whole {
				http.Error(w, "this could not be found out; the log says why", http.StatusInternalServerError)
			}
		}()
		defer d.recovered("answer to " + r.URL.Path)
		next.ServeHTTP(w, r)
		whole = true
	})
}

// pageSources hands the page what the rooms know.
func (d *daemon) pageSources() dashboard.Sources {
	return dashboard.Sources{
		State: d.started.State, Hostname: hostname(d.started), Version: "pratique " + shortRevision(), Now: d.env.now, Zone: time.Local, Log: d.log,
		Limits: d.nearLimits, Usual: d.usualBands, Posture: d.lastPosture,
		Queue: d.queueOverTime, Returned: d.cameBack,
		Alerts: func() ([]alerts.Status, []alerts.Event) { return d.alerts.Active(), d.alerts.History() },
	}
}

// From which share of a limit on it is shown, and how many are.
const (
	shownShare  = 0.5
	shownLimits = 100
)

// nearLimits returns the limits that are nearly used up.
func (d *daemon) nearLimits() []dashboard.Limit {
	var near []dashboard.Limit
	for _, l := range d.limits.Load().Near(shownShare, shownLimits) {
		near = append(near, dashboard.Limit{Kind: l.Kind, Key: l.Key, Name: l.Limit, Used: int64(l.Used), Max: int64(l.Max),
			Frees: time.Duration(l.Frees) * time.Second})
	}
	return near
}

// usualBands returns what is usual in each hour of all mail together, in messages.
func (d *daemon) usualBands(since, until time.Time) []dashboard.Band {
	var bands []dashboard.Band
	for _, b := range d.usual.baselines.Bands(baseline.Messages, baseline.Messages, since, until) {
		if b.Usual {
			bands = append(bands, dashboard.Band{At: b.At, Low: b.Low, Median: b.Median, High: b.High})
		}
	}
	return bands
}

// lastPosture returns the last audit, the worst first.
func (d *daemon) lastPosture() dashboard.Posture {
	r, ok, err := posture.Kept(d.started.State)
	if !ok || err != nil {
		return dashboard.Posture{}
	}
	p := dashboard.Posture{At: r.At, Status: string(r.Status)}
	for _, f := range r.Findings {
		do := f.Do
		if len(f.Publish) > 0 {
			do = strings.TrimSpace(do + " " + strings.Join(f.Publish, " "))
		}
		p.Items = append(p.Items, dashboard.PostureItem{Status: string(f.Status), Topic: f.Topic, Subject: f.Subject, Found: f.Found, Means: f.Means, Do: do})
	}
	slices.SortStableFunc(p.Items, func(a, b dashboard.PostureItem) int {
		switch {
		case posture.Status(a.Status).Worse(posture.Status(b.Status)):
			return -1
		case posture.Status(b.Status).Worse(posture.Status(a.Status)):
			return 1
		}
		return 0
	})
	return p
}

// missingOf says what the last audit of a domain found missing that receivers demand.
func (d *daemon) missingOf(_ context.Context, domain string) []string {
	r, ok, err := posture.Kept(d.started.State)
	if !ok || err != nil {
		return nil
	}
	var missing []string
	for _, f := range r.Findings {
		of := f.Subject == domain || strings.HasSuffix(f.Subject, "."+domain)
		if of && f.Status == posture.Fail {
			missing = append(missing, f.Topic+": "+f.Found)
		}
	}
	return missing
}

// shortRevision is a revision as people write it.
func shortRevision() string {
	r := revision()
	const short = 12
	if len(r) > short && !strings.Contains(r, " ") {
		return r[:short]
	}
	return r
}

// hashPassword prints the line of the configuration that has the page ask for a password.
func hashPassword(e *env, args []string) (int, error) {
	if err := e.parse(e.flags("config password"), args, 0, 0); err != nil {
		return 0, err
	}
	fmt.Fprint(e.stderr, "Password (it is shown): ")
	password, err := bufio.NewReader(e.stdin).ReadString('\n')
	if password = strings.TrimRight(password, "\r\n"); password == "" {
		return 0, errors.Join(errors.New("no password was given"), err)
	}
	hash, err := dashboard.HashPassword(password)
	if err != nil {
		return 0, fmt.Errorf("hash the password: %w", err)
	}
	fmt.Fprintf(e.stderr, "\n")
	fmt.Fprintf(e.stdout, "[dashboard]\npassword = %q\n", hash)
	return exitClean, nil
}
