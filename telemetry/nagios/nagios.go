// Package nagios is what a check for Nagios, Icinga, Naemon or Checkmk has to keep
// to: thresholds, performance data, and the states that it exits with, as the
// Monitoring Plugins Development Guidelines describe them.
//
// What is measured, and what its thresholds are, does not live here.
package nagios

import (
	"fmt"
	"io"
	"strings"
)

// A State is how something is. Its number is the exit status of the check.
type State int

// The states, as the guidelines number them.
const (
	OK State = iota
	Warning
	Critical
	Unknown // nothing could be measured, or the command line is wrong
)

func (s State) String() string {
	switch s {
	case OK:
		return "OK"
	case Warning:
		return "WARNING"
	case Critical:
		return "CRITICAL"
	default:
		return "UNKNOWN"
	}
}

// Worse returns the one of two states that a check of both is in. What could not
// be measured is worse than a warning, and hides nothing that is critical.
func (s State) Worse(other State) State {
	if s.rank() >= other.rank() {
		return s
	}
	return other
}

func (s State) rank() int { return [...]int{0, 1, 3, 2}[min(max(s, OK), Unknown)] }

// Thresholds are the ranges of good values; nil: any value is good.
type Thresholds struct{ Warning, Critical *Range }

// State returns how a value is.
func (t Thresholds) State(value float64) State {
	switch {
	case t.Critical != nil && t.Critical.Alerts(value):
		return Critical
	case t.Warning != nil && t.Warning.Alerts(value):
		return Warning
	default:
		return OK
	}
}

// Result is the outcome of a check.
type Result struct {
	Service string // what was checked, in capitals by custom: "RATE"
	State   State
	Text    string   // one line for people
	Data    []Datum  // for graphs
	Details []string // more lines for people, shown on demand
}

// Write prints the result: one line with the state, the text and the performance
// data behind a bar, then the details.
func (r Result) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s - %s", r.Service, r.State, line(r.Text))
	for i, d := range r.Data {
		if i == 0 {
			b.WriteString(" |")
		}
		b.WriteByte(' ')
		b.WriteString(d.String())
	}
	b.WriteByte('\n')
	for _, detail := range r.Details {
		b.WriteString(line(detail))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// line keeps text from ending its line or beginning the performance data: what is
// told about comes from the mail of others.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '|':
			return '¦'
		case r < ' ' || r == 0x7f:
			return ' '
		}
		return r
	}, text)
}
