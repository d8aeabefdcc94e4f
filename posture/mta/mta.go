// Package mta reads the configuration of the MTA in front of the milter and
// names what in it breaks signatures or lets mail slip past: Postfix's main.cf
// and master.cf, sendmail's mc or cf file. It changes nothing and asks the MTA
// nothing but, where it is installed, postconf for its defaults.
//
// What does not live here: what the DNS says of the sending host, whether the
// relay is open when it is tried, and the words of the command.
package mta

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Status is how one thing stands.
type Status string

// The statuses, the worst first.
const (
	Fail    Status = "fail"    // mail leaves unseen or unsigned, signatures break, or anyone may relay
	Warn    Status = "warn"    // it may, for some mail
	Unknown Status = "unknown" // it could not be looked at
	Info    Status = "info"    // worth knowing, nothing to change
	OK      Status = "ok"
)

var statuses = []Status{Fail, Warn, Unknown, Info, OK}

// Finding is what was found about one thing.
type Finding struct {
	Rule   string   `json:"rule"`            // what was looked at, e.g. "non_smtpd_milters"
	Status Status   `json:"status"`          //
	Where  string   `json:"where"`           // "main.cf:12", "master.cf:17 submission/inet", "main.cf (not set)"
	Found  string   `json:"found"`           // what stands there
	Means  string   `json:"means,omitempty"` // what follows from it
	Fix    []string `json:"fix,omitempty"`   // commands or lines, in order

	// Services are those of master.cf that Found names, if it is about services.
	Services []string `json:"services,omitempty"`
}

// Ours is what the judgement needs to know of the milter's own configuration.
type Ours struct {
	Listen []string // "inet:host:port" or "unix:/path", where the milter listens
	// Admits reports whether every client in the prefix may send.
	Admits      func(netip.Prefix) bool
	PassUnknown bool          // a client that may not send is let pass untouched
	Generic     []string      // addresses of which the milter knows that they are rewritten at delivery
	Signed      []string      // names of the header fields that signatures cover
	LineLimit   int           // longest line of which the milter thinks that the MTA leaves it as it is, octets
	Mends       bool          // 8bit parts are converted before they are signed
	Progress    time.Duration // between the signs of life at the end of a message
	Idle        time.Duration // silence of the MTA after which the milter hangs up
	ScanMax     int64         // largest message that is scanned, octets; 0: nothing is scanned
}

// Report is the judgement of one configuration.
type Report struct {
	MTA      string    `json:"mta"`    // "Postfix 3.7.11", "sendmail"
	Source   string    `json:"source"` // folder or file
	Findings []Finding `json:"findings"`
}

// Count returns how many findings are in a state.
func (r *Report) Count(s Status) int {
	n := 0
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// sorted puts the worst first and keeps the order of the rules otherwise.
func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(statuses, a.Status), slices.Index(statuses, b.Status))
	})
	return findings
}

// grouped makes one finding of those that say the same of several services.
func grouped(findings []Finding) []Finding {
	var kept []Finding
	places := map[string]int{}
	for _, f := range findings {
		key := f.of("…")
		i, seen := places[key]
		if !seen || len(f.Services) == 0 {
			places[key], kept = len(kept), append(kept, f)
			continue
		}
		g := &kept[i]
		for _, name := range f.Services {
			g.Services = appendNew(g.Services, name)
		}
		if !slices.Contains(strings.Split(g.Where, ", "), f.Where) {
			g.Where += ", " + f.Where
		}
		for _, line := range f.Fix {
			g.Fix = appendNew(g.Fix, line)
		}
	}
	for i := range kept {
		f := &kept[i]
		if len(f.Services) > 1 {
			slices.SortStableFunc(f.Fix, func(a, b string) int { return cmp.Compare(alternative(a), alternative(b)) })
		}
		f.Found, f.Means = f.naming(f.Found, enumerated(f.Services)), f.naming(f.Means, enumerated(f.Services))
	}
	return kept
}

// alternative is 1 for a line that names another way than those before it.
func alternative(line string) int {
	if strings.HasPrefix(line, "or ") || strings.HasPrefix(line, "or, ") {
		return 1
	}
	return 0
}

// of writes what a finding says, with something else in place of its service.
func (f Finding) of(name string) string {
	return string(f.Status) + f.naming(f.Found, name) + f.naming(f.Means, name)
}

func (f Finding) naming(text, name string) string {
	if len(f.Services) == 0 {
		return text
	}
	return replaceWord(text, f.Services[0], name)
}

// replaceWord replaces a word where it stands alone: 25/inet stands in 10025/inet, too.
func replaceWord(text, word, with string) string {
	var b strings.Builder
	before := " "
	for {
		i := strings.Index(text, word)
		if i < 0 || word == "" {
			b.WriteString(text)
			return b.String()
		}
		if i > 0 {
			before = text[i-1 : i]
		}
		b.WriteString(text[:i])
		text = text[i+len(word):]
		if strings.Contains(" (", before) && (text == "" || strings.Contains(" ,.:;)", text[:1])) {
			b.WriteString(with)
		} else {
			b.WriteString(word)
		}
		before = word[len(word)-1:]
	}
}

// enumerated writes "a", "a and b", "a, b and c", and of a long list its beginning.
func enumerated(list []string) string {
	const most = 12
	if more := len(list) - most; more > 0 {
		list = append(slices.Clone(list[:most]), fmt.Sprintf("%d more", more))
	}
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " and " + list[last]
}

func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}
