package tally

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Report is what was counted since some day.
type Report struct {
	Since    string      `json:"since"` // the first day, UTC
	Messages int         `json:"messages"`
	Rules    []RuleCount `json:"rules"` // those that found something, the most frequent first
}

// RuleCount is what one rule found.
type RuleCount struct {
	Rule     string        `json:"rule"`
	Messages int           `json:"messages"`
	Clients  []ClientCount `json:"clients"` // whose messages they were, the most frequent first
}

// ClientCount is what a rule found in the messages of one client.
type ClientCount struct {
	Client   string `json:"client"`
	Messages int    `json:"messages"` // in which the rule found something
	Of       int    `json:"of"`       // messages of the client
}

// Read reports what a daemon counted in a state folder, from the day on in which
// since lies. It is behind by a minute at most. The error wraps fs.ErrNotExist if
// nothing was counted there yet.
func Read(state string, since time.Time) (Report, error) {
	r := Report{Since: since.UTC().Format(dayLayout), Rules: []RuleCount{}}
	c, err := read(filepath.Join(state, fileName))
	if err != nil {
		return r, err
	}
	of := map[string]int{}
	found := map[string]map[string]int{} // rule, client
	for date, day := range c.Days {
		if date < r.Since {
			continue
		}
		for name, client := range day {
			r.Messages += client.Messages
			of[name] += client.Messages
			for rule, n := range client.Rules {
				if found[rule] == nil {
					found[rule] = map[string]int{}
				}
				found[rule][name] += n
			}
		}
	}
	for rule, clients := range found {
		r.Rules = append(r.Rules, countRule(rule, clients, of))
	}
	slices.SortFunc(r.Rules, func(a, b RuleCount) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), strings.Compare(a.Rule, b.Rule))
	})
	return r, nil
}

func countRule(rule string, clients, of map[string]int) RuleCount {
	r := RuleCount{Rule: rule}
	for name, n := range clients {
		r.Messages += n
		r.Clients = append(r.Clients, ClientCount{name, n, of[name]})
	}
	slices.SortFunc(r.Clients, func(a, b ClientCount) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), strings.Compare(a.Client, b.Client))
	})
	return r
}
