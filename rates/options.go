package rates

import (
	"fmt"
	"strings"
	"time"
)

// Bounds of a limit's window.
const (
	finestEvery  = time.Second // mail is counted by the second
	longestEvery = 7 * 24 * time.Hour
)

// Options is the [rates] table of the configuration.
type Options struct {
	Store  string  `toml:"store"` // "sqlite": kept in the state folder
	Limits []Limit `toml:"limits"`
}

// Limit bounds what one key may send in a sliding window. A message counts once
// per key for messages and bytes, whatever its recipients; a recipient domain
// counts the recipients in it. A message that alone is over max can never pass:
// with tempfail it is refused for good all the same.
type Limit struct {
	Per   string        `toml:"per"`   // client, login, sender, sender_domain, recipient_domain or total
	Count string        `toml:"count"` // messages, recipients or bytes
	Max   int64         `toml:"max"`
	Every time.Duration `toml:"every"` // whole seconds, at most 7 days
	Then  string        `toml:"then"`  // tempfail, reject, hold or observe
}

// DefaultOptions counts and limits nothing.
func DefaultOptions() Options { return Options{Store: "sqlite"} }

// Problems reports everything that is wrong with the options, each under its
// key relative to the table, such as "limits[2].every".
func (o Options) Problems(report func(key, problem string)) {
	if o.Store != "sqlite" {
		report("store", fmt.Sprintf("%q is no store of counts; the only one is \"sqlite\", a file in the state folder", o.Store))
	}
	first := map[Limit]int{}
	for i, l := range o.Limits {
		key := fmt.Sprintf("limits[%d]", i)
		l.problems(func(name, problem string) { report(key+"."+name, problem) })
		same := Limit{Per: l.Per, Count: l.Count, Every: l.Every, Then: l.Then}
		if j, ok := first[same]; ok {
			report(key, fmt.Sprintf("limits the same as limits[%d] (per, count, every and then are equal), so the larger max never matters; remove one", j))
		}
		first[same] = i
	}
}

func (l Limit) problems(report func(key, problem string)) {
	oneOf := func(key, value string, known []string) {
		if index(known, value) < 0 {
			report(key, fmt.Sprintf("%q is none of %s", value, strings.Join(known, ", ")))
		}
	}
	oneOf("per", l.Per, kindNames[:])
	oneOf("count", l.Count, countNames[:])
	oneOf("then", l.Then, actionNames[:])
	if l.Max <= 0 {
		report("max", fmt.Sprintf("%d lets nothing through; it must be at least 1 (to refuse a client altogether, leave it out of access.networks)", l.Max))
	}
	switch {
	case l.Every <= 0:
		report("every", fmt.Sprintf("%v is no length of time; write one such as \"1h\" or \"24h\"", l.Every))
	case l.Every < finestEvery:
		report("every", fmt.Sprintf("%v is too short: mail is counted by the second, so \"1s\" is the shortest", l.Every))
	case l.Every > longestEvery:
		report("every", fmt.Sprintf("%v is too long: counts are kept for 7 days, so \"168h\" is the longest", l.Every))
	case l.Every%finestEvery != 0:
		report("every", fmt.Sprintf("%v is not in whole seconds, and mail is counted by the second; write %q", l.Every, l.Every.Round(time.Second)))
	}
}

func index(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}
