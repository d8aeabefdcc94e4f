package access

import (
	"fmt"
	"net/netip"
)

// Options is the [access] table of the configuration.
type Options struct {
	// Networks may send: addresses or prefixes; "!" before one takes it out
	// again. The longest prefix that covers a client decides.
	Networks []string `toml:"networks"`
	// Authenticated lets clients with a SASL login send from anywhere.
	Authenticated bool `toml:"authenticated"`
	// Unlisted is what every other client gets: reject, tempfail or pass.
	Unlisted string `toml:"unlisted"`
	// Senders binds clients to senders; empty: anyone admitted may use any sender.
	Senders []SenderRule `toml:"senders"`
}

// SenderRule says which senders (envelope and From) some clients may use.
type SenderRule struct {
	Networks []string `toml:"networks"` // of all rules, the longest prefix that covers a client decides
	Logins   []string `toml:"logins"`   // compared exactly
	// Allow holds "example.org", "*.example.org" (what is below, at any depth),
	// "info@example.org" or "*" (any sender). Case does not matter.
	Allow []string `toml:"allow"`
}

// The words of Unlisted.
const (
	unlistedReject   = "reject"
	unlistedTempfail = "tempfail"
	unlistedPass     = "pass"
)

// DefaultOptions admits loopback and the private networks.
func DefaultOptions() Options {
	return Options{
		Networks:      []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"},
		Authenticated: true,
		Unlisted:      unlistedReject,
	}
}

// Problems reports everything in o that can't be meant.
func (o Options) Problems(report func(key, problem string)) {
	o.networkProblems(report)
	switch o.Unlisted {
	case unlistedReject, unlistedTempfail, unlistedPass:
	default:
		report("unlisted", fmt.Sprintf("%q is none of reject, tempfail, pass", o.Unlisted))
	}
	for i, rule := range o.Senders {
		rule.problems(func(key, problem string) { report(fmt.Sprintf("senders[%d]%s", i, key), problem) })
	}
}

func (o Options) networkProblems(report func(key, problem string)) {
	admits := false
	seen := map[netip.Prefix]network{}
	for i, text := range o.Networks {
		key := fmt.Sprintf("networks[%d]", i)
		n, err := parseNetwork(text)
		if err != nil {
			report(key, err.Error())
			admits = true // perhaps it was meant to
			continue
		}
		if earlier, ok := seen[n.prefix]; ok && earlier.excluded != n.excluded {
			report(key, fmt.Sprintf("%q contradicts %q, which is the same network; keep one of them", n.text, earlier.text))
		}
		seen[n.prefix] = n
		admits = admits || !n.excluded
	}
	if !admits && !o.Authenticated {
		report("networks", "no network may send and authenticated = false, so nobody could; list the networks that may")
	}
}

// problems reports with keys that follow the key of the rule: "" or ".allow[0]".
func (r SenderRule) problems(report func(key, problem string)) {
	if len(r.Networks) == 0 && len(r.Logins) == 0 {
		report("", "binds nobody; give networks or logins")
	}
	for i, text := range r.Networks {
		n, err := parseNetwork(text)
		switch {
		case err != nil:
			report(fmt.Sprintf(".networks[%d]", i), err.Error())
		case n.excluded:
			report(fmt.Sprintf(".networks[%d]", i), fmt.Sprintf("%q: \"!\" has no place here; to leave a client free, give it a rule of its own with allow = [\"*\"]", text))
		}
	}
	for i, login := range r.Logins {
		if login == "" {
			report(fmt.Sprintf(".logins[%d]", i), "an empty login matches nobody")
		}
	}
	if len(r.Allow) == 0 {
		report(".allow", "is empty, so these clients could use no sender at all; list the senders, or \"*\" for any")
	}
	for i, text := range r.Allow {
		if _, err := parseAllow(text); err != nil {
			report(fmt.Sprintf(".allow[%d]", i), err.Error())
		}
	}
}
