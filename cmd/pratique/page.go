package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"pratique/dashboard"
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
	return mux, nil
}

// pageSources hands the page what the rooms know.
func (d *daemon) pageSources() dashboard.Sources {
	return dashboard.Sources{
		State: d.started.State, Hostname: hostname(d.started), Version: "pratique " + shortRevision(), Now: d.env.now, Zone: time.Local, Log: d.log,
		Limits: d.nearLimits,
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
