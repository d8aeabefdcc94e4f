package mta

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

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

// deepestClass bounds how deep classes of restrictions may name each other.
const deepestClass = 10

// judgeRelay walks the restrictions of each service as a stranger meets them. That
// mynetworks holds strangers is judgeNetworks' business.
func judgeRelay(p *Postfix, _ Ours) []Finding {
	var found []Finding
	for _, s := range p.entries() {
		found = append(found, p.judgeRelayOf(s)...)
	}
	return onceForFound(found)
}

func (p *Postfix) judgeRelayOf(s *service) []Finding {
	const relay = "smtpd_relay_restrictions"
	if p.refusesSomebody(p.in(s, relay)+" "+p.in(s, "smtpd_recipient_restrictions"), 0) {
		return p.openTo(s)
	}
	return []Finding{p.nothingRefuses(s,
		fmt.Sprintf("neither %s (%s) nor smtpd_recipient_restrictions (%s) of %s refuses a stranger who wants to relay",
			relay, shown(p.in(s, relay)), shown(p.in(s, "smtpd_recipient_restrictions")), s),
		"smtpd does not run so: its log says \"specify at least one working instance of: reject_unauth_destination …\", and no mail is taken.")}
}

func (p *Postfix) nothingRefuses(s *service, found, means string) Finding {
	const relay = "smtpd_relay_restrictions"
	return Finding{Status: Fail, Where: p.whereIn(s, relay), Services: []string{s.String()},
		Found: found, Means: means, Fix: []string{p.setter(s, relay, usualRelay)}}
}

const usualRelay = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"

// refusesSomebody reports whether a list has what smtpd insists on (postconf(5),
// smtpd_relay_restrictions). Seen with Postfix 3.7: it says so and ends.
func (p *Postfix) refusesSomebody(list string, depth int) bool {
	tokens := words(list)
	for i := 0; i < len(tokens) && depth < deepestClass; i++ {
		switch token := strings.ToLower(tokens[i]); {
		case token == "warn_if_reject":
			i++
		case refusesStrangers(token), token == "defer_if_permit":
			return true
		case contains(words(p.value("smtpd_restriction_classes")), tokens[i]) && p.refusesSomebody(p.value(tokens[i]), depth+1):
			return true
		}
	}
	return false
}

// openTo walks the lists of a service as a stranger.
func (p *Postfix) openTo(s *service) []Finding {
	if p.onLoopback(s) {
		return nil // strangers do not reach it
	}
	doubts := p.openDestinations(s)
	if len(doubts) > 0 {
		return doubts
	}
	for _, name := range restrictionLists {
		w := walk{p: p, s: s, list: name}
		end := w.through(p.in(s, name), 0)
		if end == stopped {
			return append(doubts, w.doubts...)
		}
	}
	const relay = "smtpd_relay_restrictions"
	return append(doubts, p.nothingRefuses(s,
		fmt.Sprintf("no restriction of %s refuses a stranger who wants to relay (%s is %s)", s, relay, shown(p.in(s, relay))),
		"Anyone may send through this server: it will be abused within hours and listed on blocklists."))
}

// destinations are the parameters that name the domains for which mail is taken from anyone.
var destinations = []string{"relay_domains", "mydestination", "virtual_alias_domains", "virtual_mailbox_domains"}

// openDestinations looks for tables that name every domain: with one of them
// reject_unauth_destination refuses nobody.
func (p *Postfix) openDestinations(s *service) []Finding {
	var found []Finding
	for _, name := range destinations {
		list := words(p.in(s, name))
		for _, word := range list {
			e := p.catchAll(word)
			if e == nil {
				continue
			}
			fix := []string{p.setter(s, name, without(list, word))}
			if e.line > 0 {
				fix = []string{"take the line out: " + e.key}
			}
			found = append(found, Finding{Status: Fail, Where: e.where(p.whereIn(s, name)), Found: fmt.Sprintf("%s has %s, which names every domain", name, word),
				Means: "reject_unauth_destination refuses nobody then. Anyone may send through this server: it will be abused within hours and listed on blocklists.",
				Fix:   fix})
		}
	}
	return found
}

// catchAll returns the entry of a table that any domain finds, nil without one.
func (p *Postfix) catchAll(word string) *tableEntry {
	for _, t := range p.tables(word) {
		entries, err := t.entries()
		if err != nil {
			continue
		}
		for _, e := range entries {
			if t.findsAnyone(e) {
				return &e
			}
		}
	}
	return nil
}

// strangers are what no table names unless it names everything.
var strangers = []string{"a-stranger.invalid", "mx9.somewhere-else.example", "somebody@a-stranger.invalid"}

// findsAnyone reports an entry that is found for whatever is looked up.
func (t table) findsAnyone(e tableEntry) bool {
	switch t.kind {
	case "static":
		return true
	case "cidr":
		n, err := parseNetwork(e.key)
		return err == nil && isWorld(n)
	case "regexp", "pcre":
		return !slices.ContainsFunc(strangers, func(name string) bool {
			matches, known := e.matches(name)
			return !matches || !known
		})
	}
	return false
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
	tokens := words(list)
	for i := 0; i < len(tokens) && depth < deepestClass; i++ {
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
		case token == "permit_tls_all_clientcerts":
			w.doubt(Warn, token, "Whoever has a certificate of any authority that Postfix trusts may relay: that is right only where the only one is your own.",
				"name the certificates in relay_clientcerts, and use permit_tls_clientcerts")
		case token == "permit_mx_backup":
			w.doubt(Warn, "permit_mx_backup", "Whoever names this host as MX of his domain may relay to it.", "take permit_mx_backup out of "+w.list)
		case refusesStrangers(token):
			return stopped
		case strings.HasPrefix(token, "check_"):
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
	case "reject", "defer", "reject_unauth_destination", "defer_unauth_destination", "check_relay_domains":
		return true
	}
	return false
}

func takesArgument(token string) bool {
	return strings.HasPrefix(token, "check_") && token != "check_relay_domains" ||
		strings.HasPrefix(token, "reject_rbl_client") || strings.HasPrefix(token, "reject_rhsbl_") ||
		strings.HasPrefix(token, "permit_dnswl_client") || strings.HasPrefix(token, "permit_rhswl_client") || token == "sleep"
}

// claimed is what a stranger chooses as he likes, by the restriction that looks it up.
var claimed = map[string]string{"check_sender_access": "sender", "check_helo_access": "HELO name",
	"check_reverse_client_hostname_access": "reverse name"}

// lookUp judges a table by what a stranger can claim, and others that permit everyone.
func (w *walk) lookUp(token, argument string) {
	if w.list != "smtpd_relay_restrictions" && w.list != "smtpd_recipient_restrictions" {
		return // what such a table permits there, the later lists are asked all the same
	}
	what := claimed[token]
	if what == "" {
		w.lookUpOther(token, argument)
		return
	}
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

// lookUpOther judges a table by client, recipient or login: it may permit some, but not all.
func (w *walk) lookUpOther(token, argument string) {
	switch token {
	case "check_client_access", "check_recipient_access":
	default:
		return
	}
	for _, t := range w.p.tables(argument) {
		entries, err := t.entries()
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !permits(e.value) || !t.findsAnyone(e) {
				continue
			}
			w.doubts = append(w.doubts, Finding{Status: Fail, Where: e.where(w.p.whereIn(w.s, w.list)),
				Found: fmt.Sprintf("%s in %s says %s to %s, before strangers are refused", token, w.list, e.value, e.key),
				Means: "Anyone may send through this server: it will be abused within hours and listed on blocklists.",
				Fix:   []string{"say DUNNO in place of " + e.value}})
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
			if word == "localhost" || err == nil && n.Addr().IsLoopback() && n.Bits() >= 8 {
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
