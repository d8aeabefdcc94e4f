package mta

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// judgeNetworks compares the clients that Postfix trusts with those that may
// send through the milter.
func judgeNetworks(p *Postfix, ours Ours) []Finding {
	const name = "mynetworks"
	var found []Finding
	for _, s := range p.entries() {
		value := p.in(s, name)
		networks, unread := p.networks(value)
		for _, why := range unread {
			found = append(found, Finding{Status: Unknown, Where: p.whereIn(s, name), Found: why,
				Means: "Its clients may be ones that the milter refuses, or lets pass unseen."})
		}
		for _, n := range networks {
			if f := p.judgeNetwork(n, p.whereIn(s, name), ours); f != nil {
				found = append(found, *f)
			}
		}
	}
	return onceForFound(found)
}

func (p *Postfix) judgeNetwork(n netip.Prefix, where string, ours Ours) *Finding {
	switch {
	case isWorld(n):
		return &Finding{Status: Fail, Where: where, Found: fmt.Sprintf("mynetworks has %s", n),
			Means: "So wide a network makes this an open relay: strangers may send through it.",
			Fix:   []string{postconf("mynetworks", "127.0.0.0/8 [::1]/128, and your own networks")}}
	case ours.Admits(n):
		return nil
	case ours.PassUnknown:
		return &Finding{Status: Fail, Where: where, Found: fmt.Sprintf("mynetworks has %s, which is not in [access] networks", n),
			Means: "Postfix relays for its clients, and the milter lets their mail pass unchecked and unsigned (unlisted = \"pass\").",
			Fix:   []string{fmt.Sprintf("in pratique.toml, [access]: add %q to networks", n), "or take it out of mynetworks"}}
	}
	return &Finding{Status: Warn, Where: where, Found: fmt.Sprintf("mynetworks has %s, which is not in [access] networks", n),
		Means: "Postfix trusts its clients, and the milter refuses their mail.",
		Fix:   []string{fmt.Sprintf("in pratique.toml, [access]: add %q to networks", n), "or take it out of mynetworks"}}
}

// isWorld reports a network that is no site's: the widest that are are an /8 of IPv4 and a /16 of IPv6.
func isWorld(n netip.Prefix) bool {
	if n.Addr().Is4() {
		return n.Bits() < 8
	}
	return n.Bits() < 16 && n != netip.MustParsePrefix("fc00::/7")
}

// networks reads mynetworks: addresses and networks, "!" before what is taken
// out, files and tables. What can't be read is told.
func (p *Postfix) networks(value string) (list []netip.Prefix, unread []string) {
	for _, word := range words(value) {
		switch {
		case strings.HasPrefix(word, "!"):
		case strings.HasPrefix(word, "/"):
			text, err := p.readTable(word)
			if err != nil {
				unread = append(unread, err.Error())
				continue
			}
			for _, l := range logicalLines([]byte(text)) {
				more, _ := p.networks(l.text)
				list = append(list, more...)
			}
		default:
			if n, err := parseNetwork(word); err == nil {
				list = append(list, n)
				continue
			}
			fromTable, err := p.networkTable(word)
			if err != nil {
				unread = append(unread, err.Error())
			}
			list = append(list, fromTable...)
		}
	}
	return list, unread
}

func (p *Postfix) networkTable(word string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	tables := p.tables(word)
	if len(tables) == 0 {
		return nil, fmt.Errorf("%q is no network", word)
	}
	for _, t := range tables {
		entries, err := t.entries()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		for _, e := range entries {
			if n, err := parseNetwork(e.key); err == nil {
				list = append(list, n)
			}
		}
	}
	return list, nil
}

// parseNetwork reads "10.0.0.0/8", "[::1]/128", "192.0.2.1".
func parseNetwork(word string) (netip.Prefix, error) {
	text := strings.NewReplacer("[", "", "]", "").Replace(word)
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if n.Addr().Is4In6() && n.Bits() >= 96 {
		n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n.Masked(), nil
}

// admission is what a list of restrictions says to a stranger who wants to relay.
type admission int

const (
	passes  admission = iota // it does not stop him
	stopped                  // it refuses
	let                      // it says yes, and later entries of the list are not asked
)

// restrictionLists are those that a recipient has to pass, in the order in which they are asked.
var restrictionLists = []string{"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
	"smtpd_relay_restrictions", "smtpd_recipient_restrictions"}

// judgeRelay walks the restrictions of each service as a stranger meets them.
func judgeRelay(p *Postfix, _ Ours) []Finding {
	var found []Finding
	for _, s := range p.entries() {
		found = append(found, p.judgeRelayOf(s)...)
	}
	return onceForFound(found)
}

func (p *Postfix) judgeRelayOf(s *service) []Finding {
	if onLoopback(s.name) {
		return nil // strangers do not reach it
	}
	var doubts []Finding
	for _, name := range restrictionLists {
		w := walk{p: p, s: s, list: name}
		end := w.through(p.in(s, name), 0)
		if end == stopped && len(w.doubts) == 0 {
			return nil
		}
		if end == stopped {
			doubts = append(doubts, w.doubts...)
			return doubts
		}
	}
	const relay = "smtpd_relay_restrictions"
	return append(doubts, Finding{Status: Fail, Where: p.whereIn(s, relay),
		Found: fmt.Sprintf("no restriction of %s refuses a stranger who wants to relay (%s is %s)", s, relay, shown(p.in(s, relay))),
		Means: "Anyone may send through this server: it will be abused within hours and listed on blocklists.",
		Fix:   []string{p.setter(s, relay, "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination")}})
}

// walk is one way through a list of restrictions.
type walk struct {
	p      *Postfix
	s      *service
	list   string
	doubts []Finding
}

// through returns how a list ends for a stranger (smtpd access restrictions, postconf(5)).
func (w *walk) through(list string, depth int) admission {
	const deepest = 10 // classes of restrictions may name each other
	tokens := words(list)
	for i := 0; i < len(tokens) && depth < deepest; i++ {
		token := strings.ToLower(tokens[i])
		argument := ""
		if takesArgument(token) && i+1 < len(tokens) {
			i++
			argument = tokens[i]
		}
		switch {
		case token == "warn_if_reject":
			i++ // what follows refuses nobody
		case token == "permit", token == "permit_naked_ip_address":
			return let
		case token == "permit_mynetworks" && w.trustsWorld():
			return let
		case token == "permit_mx_backup":
			w.doubt(Warn, "permit_mx_backup", "Whoever names this host as MX of his domain may relay to it.", "take permit_mx_backup out of "+w.list)
		case refusesStrangers(token):
			return stopped
		case token == "check_sender_access", token == "check_helo_access":
			w.lookUp(token, argument)
		default:
			if class := w.p.value(tokens[i]); class != "" && contains(words(w.p.value("smtpd_restriction_classes")), tokens[i]) {
				if end := w.through(class, depth+1); end != passes {
					return end
				}
			}
		}
	}
	return passes
}

func refusesStrangers(token string) bool {
	switch token {
	case "reject", "defer", "reject_unauth_destination", "defer_unauth_destination":
		return true
	}
	return false
}

func takesArgument(token string) bool {
	return strings.HasPrefix(token, "check_") && token != "check_relay_domains" ||
		strings.HasPrefix(token, "reject_rbl_client") || strings.HasPrefix(token, "reject_rhsbl_") ||
		strings.HasPrefix(token, "permit_dnswl_client") || strings.HasPrefix(token, "permit_rhswl_client") || token == "sleep"
}

func (w *walk) trustsWorld() bool {
	networks, _ := w.p.networks(w.p.in(w.s, "mynetworks"))
	for _, n := range networks {
		if isWorld(n) {
			return true
		}
	}
	return false
}

// lookUp judges a table by sender or HELO, which a stranger chooses as he likes.
func (w *walk) lookUp(token, argument string) {
	if w.list != "smtpd_relay_restrictions" && w.list != "smtpd_recipient_restrictions" {
		return // what such a table permits there, the later lists are asked all the same
	}
	what := map[string]string{"check_sender_access": "sender", "check_helo_access": "HELO name"}[token]
	for _, t := range w.p.tables(argument) {
		entries, err := t.entries()
		if err != nil {
			w.doubt(Unknown, fmt.Sprintf("%s %s (%v)", token, t.name, err),
				fmt.Sprintf("If it says OK to a %s, whoever claims that %s may relay.", what, what), "")
			continue
		}
		for _, e := range entries {
			if permits(e.value) {
				w.doubts = append(w.doubts, Finding{Status: Fail, Where: e.where(w.p.whereIn(w.s, w.list)),
					Found: fmt.Sprintf("%s in %s says %s to %s, before strangers are refused", token, w.list, e.value, e.key),
					Means: fmt.Sprintf("A %s can be claimed by anyone: whoever does may relay.", what),
					Fix:   []string{"put " + token + " behind reject_unauth_destination, or into smtpd_sender_restrictions"}})
			}
		}
	}
}

func permits(action string) bool {
	verb, _, _ := strings.Cut(strings.ToLower(action), " ")
	return verb == "ok" || verb == "permit" || verb != "" && strings.Trim(verb, "0123456789") == ""
}

func (w *walk) doubt(state Status, found, means, fix string) {
	f := Finding{Status: state, Where: w.p.whereIn(w.s, w.list), Found: w.list + " has " + found + " before strangers are refused", Means: means}
	if fix != "" {
		f.Fix = []string{fix}
	}
	w.doubts = append(w.doubts, f)
}

// judgeXclient: who may use XCLIENT may claim any address and login, and with
// them the trust of Postfix and of the milter.
func judgeXclient(p *Postfix, _ Ours) []Finding {
	const name = "smtpd_authorized_xclient_hosts"
	var found []Finding
	for _, s := range p.entries() {
		for _, word := range words(p.in(s, name)) {
			n, err := parseNetwork(word)
			if err == nil && n.Addr().IsLoopback() && n.Bits() >= 8 {
				continue
			}
			found = append(found, Finding{Status: Warn, Where: p.whereIn(s, name), Found: name + " has " + word,
				Means: "Its hosts may claim any client address and any login, and pass for whom they like.",
				Fix:   []string{"keep only the proxies in it that stand in front of this Postfix"}})
		}
	}
	return onceForFound(found)
}

// judgeSize tells which messages Postfix takes and clamd does not see.
func judgeSize(p *Postfix, ours Ours) []Finding {
	const name = "message_size_limit"
	limit, ok := seconds(p.value(name))
	if ours.ScanMax == 0 || !ok || limit != 0 && int64(limit) <= ours.ScanMax {
		return nil
	}
	return []Finding{{Status: Info, Where: p.where(name), Found: fmt.Sprintf("%s is %s, and messages up to %d octets are scanned", name, p.value(name), ours.ScanMax),
		Means: "What is larger meets [scanning] oversize.",
		Fix:   []string{postconf(name, fmt.Sprint(ours.ScanMax))}}}
}

// judgeInstances: other instances have configurations of their own.
func judgeInstances(p *Postfix, _ Ours) []Finding {
	const name = "multi_instance_directories"
	var found []Finding
	for _, dir := range words(p.value(name)) {
		f := Finding{Status: Info, Where: p.where(name), Found: "there is another instance in " + dir,
			Means: "Its mail is not judged here.", Fix: []string{"pratique audit mta --postfix " + dir}}
		if _, err := os.Stat(dir); p.live && err != nil {
			continue
		}
		found = append(found, f)
	}
	return found
}
