package rates

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of what can be configured.
const (
	finestEvery       = time.Second // mail is counted by the second
	longestEvery      = 7 * 24 * time.Hour
	shortestIPv6      = 16
	longestIPv6       = 128
	defaultIPv6Prefix = 64 // what one host is given (RFC 7421): it may send from any address of it
)

// Options is the [rates] table of the configuration.
type Options struct {
	Store string `toml:"store"` // "sqlite": kept in the state folder; or the address of a Redis
	Redis Redis  `toml:"redis"`
	// IPv6Prefix is how many bits of their addresses IPv6 clients have in common
	// that are counted as one, 16 to 128.
	IPv6Prefix int `toml:"ipv6_prefix"`
	// Observe has every limit do no more than observe, whatever its Then.
	Observe   bool       `toml:"observe"`
	Limits    []Limit    `toml:"limits"`
	Overrides []Override `toml:"overrides"`
}

// Limit bounds what one key may send in a sliding window. A message counts once
// per key for messages and bytes, whatever its recipients; a recipient domain
// counts the recipients in it. A message that alone is over max can never pass:
// with tempfail it is refused for good all the same.
type Limit struct {
	Per   string        `toml:"per"`  // client, login, sender, sender_domain, recipient_domain or total
	Keys  []string      `toml:"keys"` // patterns: for these alone; empty: for all
	Count string        `toml:"count"`
	Max   int64         `toml:"max"`
	Every time.Duration `toml:"every"` // whole seconds, at most 7 days
	Then  string        `toml:"then"`  // tempfail, reject, hold or observe
}

// Override gives some keys another max under one limit: the one with the same per
// and count, and with the same every and then, which may be left out if there is only
// one such limit.
type Override struct {
	Per       string        `toml:"per"`
	Keys      []string      `toml:"keys"` // patterns
	Count     string        `toml:"count"`
	Every     time.Duration `toml:"every"`     // 0: that of the limit
	Then      string        `toml:"then"`      // "": that of the limit
	Max       int64         `toml:"max"`       // 0 with Unlimited
	Unlimited bool          `toml:"unlimited"` // the limit does not hold for these keys
}

// DefaultOptions counts and limits nothing.
func DefaultOptions() Options {
	return Options{Store: storeSQLite, Redis: DefaultRedis(), IPv6Prefix: defaultIPv6Prefix}
}

// Problems reports everything that is wrong with the options, each under its
// key relative to the table, such as "limits[2].every".
func (o Options) Problems(report func(key, problem string)) {
	o.sharingProblems(report)
	if o.IPv6Prefix < shortestIPv6 || o.IPv6Prefix > longestIPv6 {
		report("ipv6_prefix", fmt.Sprintf("%d is not from %d (all of a provider) to %d (each address apart); 64 is what one host is given",
			o.IPv6Prefix, shortestIPv6, longestIPv6))
	}
	first := map[string]int{}
	for i, l := range o.Limits {
		key := fmt.Sprintf("limits[%d]", i)
		l.problems(func(name, problem string) { report(key+"."+name, problem) })
		patternProblems(l.Per, l.Keys, o.IPv6Prefix, func(name, problem string) { report(key+"."+name, problem) })
		same := fmt.Sprintf("%q", []any{l.Per, l.Count, l.Every.String(), l.Then, slices.Sorted(slices.Values(l.Keys))})
		if j, ok := first[same]; ok {
			report(key, fmt.Sprintf("limits the same as limits[%d] (per, keys, count, every and then are equal), so the larger max never matters; remove one", j))
		}
		first[same] = i
	}
	o.overrideProblems(report)
}

func (l Limit) problems(report func(key, problem string)) {
	checkWord("per", l.Per, kindNames[:], report)
	checkWord("count", l.Count, countNames[:], report)
	checkWord("then", l.Then, actionNames[:], report)
	if l.Per == PerRecipientDomain.String() && l.Count == CountNewRecipients.String() {
		report("count", "a recipient domain writes to nobody; new recipients are counted per client, login, sender, sender_domain or total")
	}
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

func checkWord(key, word string, known []string, report func(key, problem string)) {
	if index(known, word) < 0 {
		report(key, fmt.Sprintf("%q is none of %s", word, strings.Join(known, ", ")))
	}
}

// patternProblems reports the keys that stand for nothing, or for the same.
func patternProblems(per string, keys []string, ipv6Prefix int, report func(key, problem string)) {
	k := index(kindNames[:], per)
	if k < 0 {
		return // reported, and what the keys are is not known
	}
	seen := newMatcher[int](Kind(k))
	for i, text := range keys {
		name := fmt.Sprintf("keys[%d]", i)
		p, err := parsePattern(Kind(k), text, ipv6Prefix)
		if err != nil {
			report(name, err.Error())
		} else if !seen.add(p, i) {
			report(name, fmt.Sprintf("%q stands there twice", text))
		}
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
