package baseline

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Options is the [baseline] table of the configuration.
type Options struct {
	Alerts      bool     `toml:"alerts"`       // whether deviations are told
	SpikeFactor int      `toml:"spike_factor"` // how many times the highest usual count is a spike
	SpikeLeast  int      `toml:"spike_least"`  // recipients, in ten minutes or an hour: less is no spike
	Drops       []string `toml:"drops"`        // the kinds of series of which a drop is worth telling
	Series      int      `toml:"series"`       // of each kind
	Timezone    string   `toml:"timezone"`     // "": the system's
	Ignore      []string `toml:"ignore"`       // series that are not told of, as alerts name them
}

// DefaultOptions learns and tells.
func DefaultOptions() Options {
	return Options{Alerts: true, SpikeFactor: 3, SpikeLeast: 50, Drops: []string{Total, Client, SenderDomain}, Series: 500}
}

// Bounds of the options.
const (
	leastFactor, mostFactor = 2, 100
	mostLeast               = 1_000_000
	leastSeries, mostSeries = 10, 10_000
)

// Problems reports everything that is wrong with the options.
func (o Options) Problems(report func(key, problem string)) {
	if o.SpikeFactor < leastFactor || o.SpikeFactor > mostFactor {
		report("spike_factor", fmt.Sprintf("%d is not between %d and %d; 3 is usual", o.SpikeFactor, leastFactor, mostFactor))
	}
	if o.SpikeLeast < 1 || o.SpikeLeast > mostLeast {
		report("spike_least", fmt.Sprintf("%d is not between 1 and %d; 50 is usual", o.SpikeLeast, mostLeast))
	}
	if o.Series < leastSeries || o.Series > mostSeries {
		report("series", fmt.Sprintf("%d is not between %d and %d; each takes up to 6 KB of memory", o.Series, leastSeries, mostSeries))
	}
	if _, err := o.Zone(); err != nil {
		report("timezone", fmt.Sprintf("%q is no time zone such as \"Europe/Berlin\" or \"UTC\"", o.Timezone))
	}
	for i, kind := range o.Drops {
		if !isKind(kind) || kind == Queue {
			report(fmt.Sprintf("drops[%d]", i), fmt.Sprintf("%q is none of total, client, login, sender_domain", kind))
		}
	}
	for i, name := range o.Ignore {
		if kind, _, _ := strings.Cut(name, " "); !isKind(kind) {
			report(fmt.Sprintf("ignore[%d]", i), fmt.Sprintf("%q is no series such as \"client 10.0.0.9\", \"login shop\", \"sender_domain example.org\" or \"total\"", name))
		}
	}
}

// Zone returns the time zone in which hours of the week are told.
func (o Options) Zone() (*time.Location, error) {
	if o.Timezone == "" {
		return time.Local, nil
	}
	return time.LoadLocation(o.Timezone)
}

// The kinds of the series of mail.
const (
	Total        = "total"
	Client       = "client"
	Login        = "login"
	SenderDomain = "sender_domain"
	// Messages has one series, of that name: all messages that were judged, to be drawn.
	Messages = "messages"
	// Queue is for the sizes of the MTA's queues, which are a level: one Observe a minute.
	Queue = "queue"
)

func isKind(name string) bool {
	switch name {
	case Total, Client, Login, SenderDomain, Queue:
		return true
	}
	return false
}

// maxQueues bounds the queues: an MTA has a handful.
const maxQueues = 20

// queueLeast is the sum of a level of 50 over ten minutes.
const queueLeast = 500

// kinds are those that the options ask for.
func (o Options) kinds() []Kind {
	least := float64(o.SpikeLeast)
	of := func(name string, most int) Kind {
		return Kind{Name: name, Max: most, Least: least, Drops: slices.Contains(o.Drops, name)}
	}
	return []Kind{
		of(Total, 1), of(Client, o.Series), of(Login, o.Series), of(SenderDomain, o.Series),
		{Name: Messages, Max: 1, Least: math.Inf(1)},
		{Name: Queue, Max: maxQueues, Least: queueLeast, Gauge: true, Drops: true},
	}
}

// OfMail returns an empty set of the series of mail, for options without Problems.
func OfMail(o Options) *Set {
	zone, _ := o.Zone()
	return New(o.kinds(), []string{NewRecipients, Bounces, Refusals}, Rules{float64(o.SpikeFactor)}, zone)
}

// Use takes other options into force. What was learned stays.
func (s *Set) Use(o Options) {
	zone, err := o.Zone()
	if err != nil {
		return // the options have Problems
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone, s.rules, s.refs = zone, Rules{float64(o.SpikeFactor)}, references{hour: -1}
	for _, k := range o.kinds() {
		t := s.table(k.Name)
		if t == nil {
			continue
		}
		t.Kind = k
		for len(t.series) > t.Max {
			t.forget()
		}
	}
}
