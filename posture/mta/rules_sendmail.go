package mta

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// sendmailRules is every rule for sendmail.
var sendmailRules = []struct {
	name  string
	fine  string
	judge func(s *Sendmail, ours Ours) []Finding
}{
	{"input_mail_filters", "mail meets the milter", (*Sendmail).judgeFilter},
	{"daemon_options", "every port meets the milter", (*Sendmail).judgeDaemons},
	{"filter_flags", "mail waits while the milter is down", (*Sendmail).judgeFlags},
	{"filter_order", "the milter is the last filter", (*Sendmail).judgeOrder},
	{"filter_timeouts", "sendmail waits longer than the milter takes", (*Sendmail).judgeTimeouts},
	{"header_rewriting", "header addresses are left as they were signed", (*Sendmail).judgeRewriting},
	{"line_length", "lines are wrapped where the milter expects it", (*Sendmail).judgeLines},
	{"8bit_conversion", "8bit mail is left as it was signed", (*Sendmail).judgeEightBit},
	{"relay", "no feature opens the relay", (*Sendmail).judgeRelay},
}

// Judge holds the configuration against every rule.
func (s *Sendmail) Judge(ours Ours) *Report {
	if s.msp != "" {
		return &Report{MTA: "sendmail", Source: s.Source, Findings: []Finding{s.submission()}}
	}
	var findings []Finding
	for _, r := range sendmailRules {
		found := r.judge(s, ours)
		if len(found) == 0 {
			found = []Finding{{Status: OK, Found: r.fine}}
		}
		for _, f := range found {
			f.Rule = r.name
			findings = append(findings, f)
		}
	}
	if s.brought.line > 0 {
		findings = append(findings, Finding{Rule: "mc", Status: Info, Where: s.where(s.brought.line), Found: "what " + s.brought.value + " brings in is not looked at",
			Means: "The cf file that is made of it has all of it.", Fix: []string{"pratique audit mta --sendmail /etc/mail/sendmail.cf"}})
	}
	return &Report{MTA: "sendmail", Source: s.Source, Findings: sorted(findings)}
}

// submission tells what a configuration of the submission program has to do with the milter.
func (s *Sendmail) submission() Finding {
	f := Finding{Rule: "msp", Status: Info, Where: s.where(0), Found: "this is the configuration of the submission program",
		Means: "It hands all mail to the sendmail of this host, where the milter stands: judge that one's file.",
		Fix:   []string{"pratique audit mta --sendmail /etc/mail/sendmail.mc"}}
	host := strings.ToLower(strings.Trim(s.msp, "[]"))
	if host != "localhost" && host != "::1" && host != "IPv6:::1" && !strings.HasPrefix(host, "127.") {
		f.Status = Warn
		f.Means = "It hands all mail to " + s.msp + ", and none of this host's sendmail: it is signed only if the milter stands there."
		f.Fix = []string{"give it the sendmail of this host: FEATURE(`msp', `[127.0.0.1]')dnl"}
	}
	return f
}

// ours returns the filter that is the milter, nil if none is.
func (s *Sendmail) ours(o Ours) *filter {
	for i := range s.filters {
		if o.isOurs(filterAddress(s.filters[i].equates["S"])) {
			return &s.filters[i]
		}
	}
	return nil
}

// filterAddress reads sendmail's "unix:/path", "local:/path", "inet:port@host", "inet6:port@host".
func filterAddress(text string) address {
	return milterRef{text: text}.of("/", false)
}

// filterNames splits a list of filters.
func filterNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ';' || r == ' ' })
}

// line is what an mc file has to say: of the filter that is there under its name and
// address, else of one that is called pratique.
func (s *Sendmail) line(ours Ours) string {
	name, socket := "pratique", socketFor(ours.Listen)
	if mine := s.ours(ours); mine != nil {
		name, socket = mine.name, mine.equates["S"]
	}
	return fmt.Sprintf("in sendmail.mc: INPUT_MAIL_FILTER(`%s', `S=%s, F=T, T=C:30s;S:30s;R:2m;E:5m')dnl", name, socket)
}

// socketFor is an address of the milter in sendmail's words: port@host.
func socketFor(listen []string) string {
	for _, l := range listen {
		if strings.HasPrefix(l, "unix:") {
			return l
		}
	}
	for _, l := range listen {
		kind, rest, _ := strings.Cut(l, ":")
		_, reached, _ := strings.Cut(connectable(inet(rest)), ":")
		if host, port, err := net.SplitHostPort(reached); err == nil && strings.HasPrefix(kind, "inet") {
			if strings.Contains(host, ":") {
				return "inet6:" + port + "@" + host
			}
			return "inet:" + port + "@" + host
		}
	}
	return "inet:8891@127.0.0.1"
}

const makeAnew = "then make sendmail.cf anew and restart sendmail"

func (s *Sendmail) judgeFilter(ours Ours) []Finding {
	f := Finding{Status: Fail, Means: "All mail leaves unchecked and unsigned.", Fix: []string{s.line(ours), makeAnew}}
	mine := s.ours(ours)
	switch {
	case mine == nil:
		f.Where, f.Found = s.where(0), "no filter has an address where the milter listens: "+strings.Join(ours.Listen, ", ")
	case !slices.Contains(filterNames(s.order.value), mine.name):
		f.Where, f.Found = s.where(mine.line), mine.name+" is defined, and InputMailFilters does not name it"
		f.Fix = []string{callInOrder(append(filterNames(s.order.value), mine.name)), makeAnew} // a second definition would be undone again
	default:
		return nil
	}
	return []Finding{f}
}

// judgeDaemons: a port may have filters of its own (DaemonPortOptions, InputMailFilters).
func (s *Sendmail) judgeDaemons(ours Ours) []Finding {
	mine := s.ours(ours)
	if mine == nil {
		return nil
	}
	var found []Finding
	for _, d := range s.daemons {
		own, set := d.equates["I"]
		if !set || slices.Contains(filterNames(own), mine.name) {
			continue
		}
		found = append(found, Finding{Status: Fail, Where: s.where(d.line),
			Found: fmt.Sprintf("the daemon %s has filters of its own, %s", d.equates["N"], shown(own)),
			Means: "Mail that comes in by it is neither checked nor signed.",
			Fix:   []string{"take InputMailFilters= out of its options, or add " + mine.name, makeAnew}})
	}
	return found
}

func (s *Sendmail) judgeFlags(ours Ours) []Finding {
	mine := s.ours(ours)
	if mine == nil {
		return nil
	}
	f := Finding{Where: s.where(mine.line), Fix: []string{s.line(ours), makeAnew}}
	switch flags := mine.equates["F"]; {
	case strings.ContainsAny(flags, "T4"):
		return nil
	case strings.Contains(flags, "R"):
		f.Status, f.Found = Warn, "F=R of "+mine.name
		f.Means = "While the milter is down, mail is refused for good: its senders do not try again."
	default:
		f.Status, f.Found = Fail, mine.name+" has no F=T"
		f.Means = "While the milter is down, mail leaves unchecked and unsigned, and nobody is told."
	}
	return []Finding{f}
}

func (s *Sendmail) judgeOrder(ours Ours) []Finding {
	mine := s.ours(ours)
	if mine == nil {
		return nil
	}
	names := filterNames(s.order.value)
	i := slices.Index(names, mine.name)
	if i < 0 || i == len(names)-1 {
		return nil
	}
	order := append(slices.Delete(slices.Clone(names), i, i+1), mine.name)
	return []Finding{{Status: Fail, Where: s.where(s.order.line), Found: strings.Join(names[i+1:], ", ") + " stands behind the milter",
		Means: "What a later filter changes of the header or body breaks the signature, and what it refuses was already counted as sent.",
		Fix:   []string{callInOrder(order), makeAnew}}}
}

// callInOrder says how filters that are defined are called.
func callInOrder(names []string) string {
	return fmt.Sprintf("in sendmail.mc, behind all filters: define(`confINPUT_MAIL_FILTERS', `%s')dnl", strings.Join(names, ", "))
}

// defaultTimeouts of T=: a connection, sending, reading a reply, the end of a message.
var defaultTimeouts = map[string]string{"C": "5m", "S": "10s", "R": "10s", "E": "5m"}

func (s *Sendmail) judgeTimeouts(ours Ours) []Finding {
	mine := s.ours(ours)
	if mine == nil {
		return nil
	}
	least := map[string]time.Duration{"C": leastConnect, "S": leastCommand, "R": leastCommand, "E": max(leastCommand, progressMiss*ours.Progress)}
	given := equates(strings.ReplaceAll(mine.equates["T"], ":", "="), ";")
	var found []Finding
	for _, key := range []string{"C", "S", "R", "E"} {
		value, ok := given[key]
		if !ok {
			value = defaultTimeouts[key]
		}
		if n, ok := seconds(value); ok && (n == 0 && key == "C" || time.Duration(n)*time.Second >= least[key]) {
			continue
		}
		found = append(found, Finding{Status: Fail, Where: s.where(mine.line), Found: fmt.Sprintf("T=%s:%s of %s", key, value, mine.name),
			Means: fmt.Sprintf("sendmail waits too short for the milter; at least %v are needed.", least[key]),
			Fix:   []string{s.line(ours), makeAnew}})
	}
	return found
}

// judgeRewriting: sendmail rewrites header addresses when it delivers, after the milter has signed them.
func (s *Sendmail) judgeRewriting(ours Ours) []Finding {
	if ours.Mends && len(ours.Generic) > 0 {
		return nil
	}
	rewriting := []struct {
		feature string
		state   Status
		found   string
		fix     string
	}{
		{"MASQUERADE_AS", Warn, "header addresses are masqueraded as", "send with the final domain from the start, and take MASQUERADE_AS out"},
		{"genericstable", Warn, "header addresses are looked up in the generics table", "rewrite them where they are made, and take FEATURE(`genericstable') out"},
		{"always_add_domain", Info, "addresses without a domain get one", ""},
		{"canonify", Warn, "host names in header addresses are replaced by their canonical ones", "FEATURE(`nocanonify')dnl"},
	}
	var found []Finding
	for _, r := range rewriting {
		at, on := s.features[r.feature]
		if !on {
			continue
		}
		f := Finding{Status: r.state, Where: s.where(at.line), Found: strings.TrimSpace(r.found + " " + at.value),
			Means: "sendmail does so at delivery, after the milter: where From or another signed field is changed, the signature breaks."}
		if r.fix != "" {
			f.Fix = []string{r.fix, makeAnew}
		}
		found = append(found, f)
	}
	return found
}

// smtpMailers are those that deliver to the world.
var smtpMailers = []string{"smtp", "esmtp", "smtp8", "dsmtp", "relay"}

// LineLimit is where sendmail breaks lines at delivery, in octets, 0 if it does not or that is not known.
func (s *Sendmail) LineLimit() int {
	least := 0
	for _, m := range s.mailers {
		if slices.Contains(smtpMailers, m.name) && m.limit != 0 && (least == 0 || m.limit < least) {
			least = m.limit
		}
	}
	return least
}

func (s *Sendmail) judgeLines(ours Ours) []Finding {
	for _, m := range s.mailers {
		if slices.Contains(smtpMailers, m.name) && m.limit != 0 && m.limit < ours.LineLimit {
			return []Finding{{Status: Warn, Where: s.where(m.line),
				Found: fmt.Sprintf("the mailer %s breaks lines at %d octets, and the milter takes it for %d", m.name, m.limit, ours.LineLimit),
				Means: "sendmail breaks longer lines at delivery, after they were signed, and the milter does not foretell it.",
				Fix:   []string{fmt.Sprintf("in pratique.toml, [survival]: line_limit = %d", m.limit)}}}
		}
	}
	return nil
}

// judgeEightBit: sendmail converts 8bit parts for a next hop without 8BITMIME at
// delivery, and may do more to them (op.me, EightBitMode and the mailer flags 7, 8 and L).
func (s *Sendmail) judgeEightBit(ours Ours) []Finding {
	if ours.Mends {
		return nil
	}
	fix := []string{"in pratique.toml, [survival]: mend = true"}
	var stripping []mailer
	converts := len(s.mailers) == 0
	for _, m := range s.mailers {
		if !slices.Contains(smtpMailers, m.name) || m.name == "relay" {
			continue
		}
		if strings.ContainsAny(m.flags, "7L") {
			stripping = append(stripping, m)
		}
		converts = converts || !strings.Contains(m.flags, "8")
	}
	switch {
	case len(stripping) > 0:
		return []Finding{{Status: Warn, Where: s.where(stripping[0].line), Found: fmt.Sprintf("the mailer %s has the flags %s: it strips mail to 7 bits", stripping[0].name, stripping[0].flags),
			Means: "8bit mail loses its eighth bit after it was signed: it is damaged, and the signature breaks.",
			Fix:   append([]string{"take 7 and L out of its flags in sendmail.mc", makeAnew}, "or "+fix[0])}}
	case strings.HasPrefix(s.eightBit.value, "m"):
		return []Finding{{Status: Warn, Where: s.where(s.eightBit.line), Found: "EightBitMode is " + s.eightBit.value,
			Means: "Mail with 8bit text that does not say so is given fields and an encoding at delivery, after it was signed: the signature breaks.",
			Fix:   append([]string{"in sendmail.mc: define(`confEIGHT_BIT_HANDLING', `pass8')dnl", makeAnew}, "or "+fix[0])}}
	case converts:
		return []Finding{{Status: Info, Where: s.where(s.eightBit.line), Found: "sendmail can't convert 8bit mail before it is signed",
			Means: "An 8bit message to a next hop without 8BITMIME is converted after it was signed: the signature breaks.", Fix: fix}}
	}
	return nil
}

func (s *Sendmail) judgeRelay(Ours) []Finding {
	features := []struct {
		name  string
		state Status
		means string
	}{
		{"promiscuous_relay", Fail, "Anyone may send through this server: it will be abused within hours and listed on blocklists."},
		{"relay_local_from", Fail, "Whoever claims a sender of a local domain may relay."},
		{"relay_based_on_MX", Warn, "Whoever names this host as MX of his domain may relay to it."},
		{"loose_relay_check", Warn, "Addresses such as user%site@here are relayed."},
	}
	var found []Finding
	for _, r := range features {
		if at, on := s.features[r.name]; on {
			found = append(found, Finding{Status: r.state, Where: s.where(at.line), Found: "the feature " + r.name + " is on", Means: r.means,
				Fix: []string{"take FEATURE(`" + r.name + "') out of sendmail.mc", makeAnew}})
		}
	}
	return found
}

// SendmailLines are the lines for sendmail.mc that put the milter in front of all mail.
func SendmailLines(ours Ours) string {
	line := (&Sendmail{}).line(ours)
	return strings.TrimPrefix(line, "in sendmail.mc: ")
}
