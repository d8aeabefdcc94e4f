package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"pratique/configs"
	"pratique/lint"
	"pratique/lint/tally"
)

// lintReport tells how many messages of which clients each rule found something
// in, which is how many it would refuse.
func lintReport(e *env, args []string) (int, error) {
	flags := e.flags("lint report")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	since := flags.String("since", "7d", "how far to look back, up to 31d; the days are those of UTC")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := e.parse(flags, args, 0, 0); err != nil {
		return 0, err
	}
	back, err := configs.ParseDuration(*since)
	if err != nil || back < 0 {
		return 0, hint(fmt.Errorf("--since %q is no time", *since), "such as 12h, 7d or 2w")
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	report, err := tally.Read(cfg.State, e.now().Add(-back))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, hint(err, fmt.Sprintf("no daemon has counted in %s yet; is it the state folder of the running one?", cfg.State))
	}
	if err != nil {
		return 0, err
	}
	if *asJSON {
		return exitClean, json.NewEncoder(e.stdout).Encode(report)
	}
	return exitClean, printReport(e.stdout, report, actions(cfg.Lint), back)
}

// actions returns what the rules do under a configuration.
func actions(o lint.Options) map[string]lint.Action {
	actions := map[string]lint.Action{}
	for _, r := range lint.Rules() {
		actions[r.ID] = r.Default
		if set, ok := o.Rules[r.ID]; ok {
			actions[r.ID] = lint.Action(set)
		}
	}
	return actions
}

// maxReported is how many clients are named of a rule.
const maxReported = 3

func printReport(out io.Writer, r tally.Report, actions map[string]lint.Action, back time.Duration) error {
	names := map[string]string{}
	for _, rule := range lint.Rules() {
		names[rule.ID] = rule.Name
	}
	fmt.Fprintf(out, "%d messages since %s (UTC)\n\n", r.Messages, r.Since)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tNOW\tMESSAGES\tSHARE\t\tCLIENTS")
	for _, rule := range r.Rules {
		var clients []string
		for _, c := range rule.Clients[:min(len(rule.Clients), maxReported)] {
			clients = append(clients, fmt.Sprintf("%s %d of %d", c.Client, c.Messages, c.Of))
		}
		if more := len(rule.Clients) - len(clients); more > 0 {
			clients = append(clients, fmt.Sprintf("and %d more", more))
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f %%\t%s\t%s\n", rule.Rule, actions[rule.Rule], rule.Messages,
			100*float64(rule.Messages)/float64(max(r.Messages, 1)), names[rule.Rule], strings.Join(clients, ", "))
	}
	return w.Flush()
}
