package lint

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"pratique/message"
)

// Override is other actions for some messages: those that each of its lists
// covers. A list that is empty covers all.
type Override struct {
	Senders  []string          `toml:"senders"`  // envelope senders or addresses of From, as in Options.Bulk
	Networks []string          `toml:"networks"` // addresses and networks of clients
	Logins   []string          `toml:"logins"`   // SASL logins, exactly
	Rules    map[string]string `toml:"rules"`    // as Options.Rules; of rules that it does not name those hold
}

// problems reports with keys relative to the override.
func (o Override) problems(rules map[string]Rule, report func(key, problem string)) {
	if len(o.Senders)+len(o.Networks)+len(o.Logins) == 0 {
		report("", "names no senders, networks or logins; what holds for all mail stands under [lint.rules]")
	}
	if len(o.Rules) == 0 {
		report("", `changes nothing; name rules, such as rules = { M13 = "off" }`)
	}
	senderProblems(o.Senders, func(i int, problem string) { report(fmt.Sprintf(".senders[%d]", i), problem) })
	for i, text := range o.Networks {
		if _, err := parseNetwork(text); err != nil {
			report(fmt.Sprintf(".networks[%d]", i), fmt.Sprintf("%q is neither an address such as 192.0.2.1 nor a network such as 10.0.0.0/8", text))
		}
	}
	for i, login := range o.Logins {
		if login == "" {
			report(fmt.Sprintf(".logins[%d]", i), "is empty; clients that did not log in are told by their networks")
		}
	}
	ruleProblems(rules, o.Rules, func(id, problem string) { report(".rules."+id, problem) })
	for _, id := range slices.Sorted(maps.Keys(o.Rules)) {
		if rules[id].gate {
			report(".rules."+id, id+" is decided before the overrides are; what a client may use as its sender is set by [[access.senders]]")
		}
	}
}

func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr.Unmap().WithZone(""), addr.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix.Masked(), err
}

// overriding is an override and the Lint that has its actions.
type overriding struct {
	senders  []string
	networks []netip.Prefix
	logins   []string
	lint     *Lint
}

// newOverriding takes an override that has no problems. Of rules that it does not
// name the other actions hold.
func (l *Lint) newOverriding(o Override, others []Action) overriding {
	with := overriding{senders: o.Senders, logins: o.Logins}
	for _, text := range o.Networks {
		if prefix, err := parseNetwork(text); err == nil {
			with.networks = append(with.networks, prefix)
		}
	}
	changed := *l
	changed.act(o.Rules, others)
	with.lint = &changed
	return with
}

// forMessage returns the Lint that judges a message: that of the first override
// that covers it, or l.
func (l *Lint) forMessage(h *header) *Lint {
	for i := range l.overrides {
		o := &l.overrides[i]
		if o.coversClient(h.m.Client) && (len(o.senders) == 0 || h.sentBy(o.senders)) {
			return o.lint
		}
	}
	return l
}

func (o *overriding) coversClient(c message.Client) bool {
	if len(o.logins) > 0 && (c.Login == "" || !slices.Contains(o.logins, c.Login)) {
		return false
	}
	if len(o.networks) == 0 {
		return true
	}
	for _, addr := range clientAddrs(c) {
		for _, network := range o.networks {
			if network.Contains(addr) {
				return true
			}
		}
	}
	return false
}

// clientAddrs returns the addresses by which a client is judged: its own, or both
// loopback addresses of a host that sends its own mail, as access does.
func clientAddrs(c message.Client) []netip.Addr {
	addr := c.Addr.Unmap().WithZone("")
	switch {
	case c.Local && (!addr.IsValid() || addr.IsLoopback()):
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	case addr.IsValid():
		return []netip.Addr{addr}
	}
	return nil
}

// sentBy reports whether the envelope sender or an address of From is one of the patterns.
func (h *header) sentBy(patterns []string) bool {
	if matchesSender(patterns, h.m.Sender) {
		return true
	}
	for _, field := range h.from {
		for _, box := range field.boxes {
			if matchesSender(patterns, box.String()) {
				return true
			}
		}
	}
	return false
}

// matchesSender holds an address against patterns: "news@example.org" is that
// address, "example.org" that domain, "*.example.org" what is below it.
func matchesSender(patterns []string, address string) bool {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	for _, pattern := range patterns {
		below, wild := strings.CutPrefix(pattern, "*")
		switch {
		case strings.Contains(pattern, "@"):
			if strings.EqualFold(pattern, address) {
				return true
			}
		case wild:
			if n := len(domain) - len(below); n > 0 && strings.EqualFold(domain[n:], below) {
				return true
			}
		case strings.EqualFold(pattern, domain):
			return true
		}
	}
	return false
}
