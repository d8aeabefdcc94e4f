package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pratique/lint/caniemail"
)

// Options is the [lint] table of the configuration.
type Options struct {
	MaxSize int64             `toml:"max_size,size"` // encoded size of a message, in octets (M20)
	Bulk    []string          `toml:"bulk"`          // senders whose mail is held to the bulk rules
	DNSWait time.Duration     `toml:"dns_wait"`      // the longest wait for rules that ask the DNS; 0: nothing is asked
	Clients []string          `toml:"clients"`       // mail clients that html is held against (T07)
	Rules   map[string]string `toml:"rules"`         // rule id: reject, warn, fix, observe or off

	Overrides []Override `toml:"overrides"` // other actions for some messages; the first one that covers a message decides
}

// DefaultOptions has every rule at its default action.
func DefaultOptions() Options { return Options{MaxSize: 25 << 20, DNSWait: 500 * time.Millisecond} }

// maxDNSWait keeps a message from waiting longer than an MTA is patient.
const maxDNSWait = 30 * time.Second

// Problems reports what is wrong with the options, each problem with its key
// relative to the [lint] table.
func (o Options) Problems(report func(key, problem string)) {
	if o.MaxSize <= 0 {
		report("max_size", `must be more than 0, such as "25MB"; to have no limit at all, set M20 = "off" under [lint.rules]`)
	}
	if o.DNSWait < 0 || o.DNSWait > maxDNSWait {
		report("dns_wait", fmt.Sprintf("%v is not from \"0s\" to \"30s\"", o.DNSWait))
	}
	senderProblems(o.Bulk, func(i int, problem string) { report(fmt.Sprintf("bulk[%d]", i), problem) })
	o.clientProblems(report)
	rules := map[string]Rule{}
	for _, r := range table() {
		rules[r.ID] = r
	}
	ruleProblems(rules, o.Rules, func(id, problem string) { report("rules."+id, problem) })
	for i, override := range o.Overrides {
		override.problems(rules, func(key, problem string) { report(fmt.Sprintf("overrides[%d]%s", i, key), problem) })
	}
}

func senderProblems(senders []string, report func(i int, problem string)) {
	for i, sender := range senders {
		if !plausibleSender(sender) {
			report(i, fmt.Sprintf("%q is neither an address such as news@example.org nor a domain such as example.org or *.example.org", sender))
		}
	}
}

func ruleProblems(rules map[string]Rule, actions map[string]string, report func(id, problem string)) {
	for _, id := range slices.Sorted(maps.Keys(actions)) {
		if problem := problemOfRule(rules, id, actions[id]); problem != "" {
			report(id, problem)
		}
	}
}

func (o Options) clientProblems(report func(key, problem string)) {
	if len(o.Clients) == 0 {
		return
	}
	data, err := caniemail.Load()
	if err != nil { // New says so
		return
	}
	for i, name := range o.Clients {
		if data.Knows(name) {
			continue
		}
		client, _, _ := strings.Cut(name, ".")
		known := data.Platforms(client)
		if known == nil {
			known = data.Clients
		}
		report(fmt.Sprintf("clients[%d]", i), fmt.Sprintf("there is no data on %q; there is on %s, and on single platforms of a client, such as outlook.windows", name, strings.Join(known, ", ")))
	}
}

func problemOfRule(rules map[string]Rule, id, action string) string {
	rule, known := rules[id]
	if !known {
		if _, near := rules[strings.ToUpper(strings.TrimSpace(id))]; near {
			return fmt.Sprintf("there is no rule %q; rule ids are written like %s", id, strings.ToUpper(strings.TrimSpace(id)))
		}
		return fmt.Sprintf("there is no rule %q", id)
	}
	switch Action(action) {
	case Reject, Warn, Observe, Off:
		return ""
	case Fix:
		if rule.Fixes {
			return ""
		}
		return fmt.Sprintf("%s (%s) can't be fixed; it may be reject, warn, observe or off", id, rule.Name)
	}
	others := "reject, warn, observe or off"
	if rule.Fixes {
		others = "reject, warn, fix, observe or off"
	}
	return fmt.Sprintf("%q is no action; it may be %s", action, others)
}

// plausibleSender reports whether s reads as an address or as a domain pattern.
func plausibleSender(s string) bool {
	local, domain, isAddress := strings.Cut(s, "@")
	if !isAddress {
		domain = strings.TrimPrefix(s, "*.")
	} else if local == "" || strings.ContainsAny(local, " \t<>,") {
		return false
	}
	return strings.Contains(domain, ".") && domainProblem(domain) == ""
}
