package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"time"

	"pratique/rates"
	"pratique/telemetry/nagios"
)

// A rateCheck is what check-rate was asked for.
type rateCheck struct {
	config, state string
	kind, key     string
	count         string
	over          time.Duration
	top           int
	limits        bool
	nagios.Thresholds
}

// checkRate is a plugin for Nagios and what takes its plugins: how much was sent. Its
// exit status is that of a plugin, also when it could do nothing.
func checkRate(e *env, args []string) (int, error) {
	c, err := e.parseRateCheck(args)
	if isHelp(err) {
		return 0, err
	}
	result := nagios.Result{Service: "RATE", State: nagios.Unknown}
	if err == nil {
		result, err = c.run()
	}
	if err != nil {
		result.Text = err.Error()
		if h := (*hintedError)(nil); errors.As(err, &h) {
			result.Details = append(result.Details, h.hint)
		}
	}
	return int(result.State), result.Write(e.stdout)
}

func (e *env) parseRateCheck(args []string) (*rateCheck, error) {
	c := &rateCheck{}
	f := e.flags("check-rate")
	f.StringVar(&c.config, "config", "", "configuration `file` (default "+defaultConfig+")")
	f.StringVar(&c.state, "state", "", "state `folder`, in place of that of the configuration, which then is not read")
	f.StringVar(&c.kind, "per", "total", "what is counted apart: client, login, sender, sender_domain, recipient_domain or total; the worst key counts")
	f.StringVar(&c.key, "key", "", "this `key` alone: an address, a network, a login, a domain")
	f.StringVar(&c.count, "count", "messages", "messages, recipients, new_recipients, bytes, refused or tempfailed")
	f.DurationVar(&c.over, "over", time.Hour, "1h or 24h")
	f.BoolVar(&c.limits, "limits", false, "instead: how many per cent of its fullest limit a key has used")
	f.IntVar(&c.top, "top", 10, "of how many keys there is performance data, the largest first")
	f.Func("w", "warn outside of this `range`: 500, 10:, ~:500, 10:500, @0:9", threshold(&c.Warning))
	f.Func("c", "critical outside of this `range`", threshold(&c.Critical))
	if err := e.parse(f, args, 0, 0); err != nil {
		return nil, err
	}
	if c.over != time.Hour && c.over != 24*time.Hour {
		return nil, fmt.Errorf("-over %v: counts are summed up over 1h and 24h", c.over)
	}
	if _, ok := figure(rates.Sums{}, c.count); !ok {
		return nil, fmt.Errorf("-count %q is none of messages, recipients, new_recipients, bytes, refused, tempfailed", c.count)
	}
	if c.limits && c.state != "" {
		return nil, errors.New("-limits and -state exclude each other: the limits stand in the configuration")
	}
	return c, nil
}

func threshold(to **nagios.Range) func(string) error {
	return func(text string) error {
		r, err := nagios.ParseRange(text)
		*to = r
		return err
	}
}

// keyRate is the figure of one key.
type keyRate struct {
	name  string
	value float64
	limit string // the limit that it is a share of
}

func (c *rateCheck) run() (nagios.Result, error) {
	result := nagios.Result{Service: "RATE", State: nagios.Unknown}
	q := rates.Query{Kind: c.kind, Key: c.key}
	if c.state == "" {
		cfg, err := loadConfig(c.config)
		if err != nil {
			return result, hint(err, "-state FOLDER reads the counts without a configuration")
		}
		c.state = cfg.State
		if c.limits {
			q.Limits = cfg.Rates
		}
	}
	report, err := rates.Read(c.state, q)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return result, hint(err, fmt.Sprintf("no daemon has counted in %s yet; is it the state folder of the running one?", c.state))
	case errors.Is(err, fs.ErrPermission):
		return result, hint(err, "the user of the check has to be in the group of the state folder")
	case err != nil:
		return result, err
	}
	return c.judge(c.figures(report), report), nil
}

// figures returns the figures of all keys, the largest first. A key that was asked for
// and has sent nothing is there, too: that is what a check on a drop waits for.
func (c *rateCheck) figures(report rates.Report) []keyRate {
	var all []keyRate
	for _, row := range report.Rows {
		k := keyRate{name: row.Kind + " " + row.Key}
		if row.Kind == row.Key {
			k.name = row.Key
		}
		if c.limits {
			if row.Fullest != nil {
				k.value, k.limit = math.Round(1000*row.Fullest.Share)/10, row.Fullest.Limit
			}
		} else {
			sums := row.Hour
			if c.over > time.Hour {
				sums = row.Day
			}
			n, _ := figure(sums, c.count)
			k.value = float64(n)
		}
		all = append(all, k)
	}
	if len(all) == 0 {
		name := c.kind
		if c.key != "" {
			name += " " + c.key
		}
		all = []keyRate{{name: name}}
	}
	slices.SortStableFunc(all, func(a, b keyRate) int { return cmp.Compare(b.value, a.value) })
	return all
}

func figure(s rates.Sums, count string) (int64, bool) {
	switch count {
	case "messages":
		return s.Messages, true
	case "recipients":
		return s.Recipients, true
	case "new_recipients":
		return s.NewRecipients, true
	case "bytes":
		return s.Bytes, true
	case "refused":
		return s.Refused, true
	case "tempfailed":
		return s.Tempfailed, true
	}
	return 0, false
}

// judge tells of the worst key, and has the others in the details.
func (c *rateCheck) judge(all []keyRate, report rates.Report) nagios.Result {
	result := nagios.Result{Service: "RATE"}
	worst, wrong := all[0], 0
	for _, k := range all {
		state := c.State(k.value)
		if state == nagios.OK {
			continue
		}
		wrong++
		if state.Worse(result.State) != result.State {
			result.State, worst = state, k
		}
		if len(result.Details) < c.top {
			result.Details = append(result.Details, fmt.Sprintf("%v: %s", state, c.text(k)))
		}
	}
	result.Text = c.text(worst)
	if wrong > 1 {
		result.Text += fmt.Sprintf("; %d of %d are outside", wrong, len(all))
	}
	if !report.Saved.IsZero() {
		result.Details = append(result.Details, "the latest mail was counted at "+report.Saved.Format(time.RFC3339))
	}
	for _, k := range all[:min(len(all), max(c.top, 0))] {
		result.Data = append(result.Data, c.datum(k))
	}
	return result
}

func (c *rateCheck) text(k keyRate) string {
	if !c.limits {
		return fmt.Sprintf("%s: %.0f %s in %s", k.name, k.value, c.count, map[bool]string{true: "24h", false: "1h"}[c.over > time.Hour])
	}
	if k.limit == "" {
		return k.name + ": no limit is used"
	}
	return fmt.Sprintf("%s has used %.1f%% of its limit, %s", k.name, k.value, k.limit)
}

func (c *rateCheck) datum(k keyRate) nagios.Datum {
	zero := 0.0
	d := nagios.Datum{Label: k.name + " " + c.count, Value: k.value, Thresholds: c.Thresholds, Min: &zero}
	switch {
	case c.limits:
		d.Label, d.Unit = k.name+" limit", nagios.Percent
	case c.count == "bytes":
		d.Unit = nagios.Bytes
	}
	return d
}
