package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"pratique/configs"
	"pratique/telemetry/alerts"
)

// listAlerts prints what is wrong, as the daemon wrote it into its state folder:
// exit status 1 if anything is. "test" tries all ways in which alerts are told.
func listAlerts(e *env, args []string) (int, error) {
	if len(args) > 0 && args[0] == "test" {
		return testAlerts(e, args[1:])
	}
	flags := e.flags("alerts")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	state := flags.String("state", "", "state `folder` to look into, whatever the configuration says")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := e.parse(flags, args, 0, 0); err != nil {
		return 0, err
	}
	if *state == "" {
		cfg, err := loadConfig(*path)
		if err != nil {
			return 0, hint(err, "--state FOLDER shows alerts without a configuration")
		}
		*state = cfg.State
	}
	report, err := alerts.Read(*state)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, hint(err, fmt.Sprintf("no daemon has run with %s yet; is it the state folder of the running one?", *state))
	}
	if err != nil {
		return 0, err
	}
	status := exitClean
	if len(report.Active) > 0 {
		status = exitFindings
	}
	if *asJSON {
		out := json.NewEncoder(e.stdout)
		out.SetIndent("", "  ")
		return status, out.Encode(report)
	}
	return status, writeAlerts(e.stdout, report, e.now())
}

// shownEvents bounds the recent events that are shown.
const shownEvents = 20

func writeAlerts(w io.Writer, r alerts.Report, now time.Time) error {
	if len(r.Active) == 0 {
		fmt.Fprintln(w, "nothing is wrong")
	}
	for _, s := range r.Active {
		state := "since " + s.Since.Local().Format(time.DateTime)
		if !s.Over.IsZero() {
			state += ", seems to be over for " + max(0, now.Sub(s.Over)).Round(time.Second).String()
		}
		fmt.Fprintf(w, "%-8s  %s  (%s)\n          %s\n", s.Severity, named(s.Alert), state, s.Text)
	}
	for _, channel := range alerts.Channels() {
		if n := len(r.Undelivered[channel]); n > 0 {
			fmt.Fprintf(w, "%d notifications wait to be delivered by %s\n", n, channel)
		}
	}
	if len(r.History) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nrecently:")
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	recent := r.History[max(0, len(r.History)-shownEvents):]
	for _, event := range slices.Backward(recent) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", event.At.Local().Format(time.DateTime), event.State, event.Severity, named(event.Alert))
	}
	return table.Flush()
}

func named(a alerts.Alert) string { return strings.TrimSpace(a.Name + " " + a.Subject) }

// tryPatience is more than all channels together may take.
const tryPatience = 15 * time.Minute

// testAlerts sends a test alert by each channel and says what happened.
func testAlerts(e *env, args []string) (int, error) {
	flags := e.flags("alerts test")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := e.parse(flags, args, 0, 0); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), tryPatience)
	defer cancel()
	trials := alerts.Try(ctx, cfg.Alerts, alerts.Env{Hostname: hostname(cfg), Now: e.now,
		Log: slog.New(slog.NewTextHandler(e.stderr, nil)), Seal: alerts.NewSeal(cfg.State, e.now)})
	if len(trials) == 0 {
		return 0, hint(errors.New("alerts are told to nobody"), "set log, webhook, command or mail under [alerts]")
	}
	status := exitClean
	for _, t := range trials {
		if t.Err != nil {
			status = exitFindings
		}
	}
	if *asJSON {
		return status, writeTrialsJSON(e.stdout, trials)
	}
	return status, writeTrials(e.stdout, cfg, trials)
}

func writeTrials(w io.Writer, cfg *configs.Config, trials []alerts.Trial) error {
	for _, t := range trials {
		where := strings.TrimSpace(t.Channel + " " + t.To)
		if t.Err != nil {
			fmt.Fprintf(w, "FAILED  %s: %v\n", where, t.Err)
			continue
		}
		fmt.Fprintf(w, "ok      %s, %d ms\n", where, t.Took.Milliseconds())
	}
	if only := len(trials) == 1 && trials[0].Channel == "log" && cfg.Alerts.Log; only {
		fmt.Fprintln(w, "note    alerts are written to the log alone; webhook, command and mail are not set up")
	}
	return nil
}

func writeTrialsJSON(w io.Writer, trials []alerts.Trial) error {
	type row struct {
		alerts.Trial
		OK    bool    `json:"ok"`
		Error string  `json:"error,omitempty"`
		Took  float64 `json:"seconds"`
	}
	rows := []row{}
	for _, t := range trials {
		r := row{Trial: t, OK: t.Err == nil, Took: t.Took.Seconds()}
		if t.Err != nil {
			r.Error = t.Err.Error()
		}
		rows = append(rows, r)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(rows)
}
