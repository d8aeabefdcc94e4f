package mta

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// way is one filter behind the queue to which mail of a service is sent.
type way struct {
	filter string // "transport:nexthop"
	where  string // what says so
	some   bool   // only mail that a table names
}

// ways lists the filters that mail of a service may be sent to: its content_filter,
// and the FILTER of tables, which comes in its place (access(5), header_checks(5)).
func (p *Postfix) ways(s *service) []way {
	var list []way
	if filter := p.in(s, "content_filter"); filter != "" {
		list = append(list, way{filter: filter, where: p.whereIn(s, "content_filter")})
	}
	if s.command != "smtpd" && s.command != "pickup" || p.isReinjection(s) {
		return list
	}
	for _, t := range p.filteringTables(s) {
		entries, err := t.entries()
		if err != nil {
			continue // unreadFilters tells
		}
		for _, e := range entries {
			verb, filter, _ := strings.Cut(e.value, " ")
			if filter = strings.TrimSpace(filter); !strings.EqualFold(verb, "FILTER") || p.isRoute(filter) {
				continue
			}
			if t.findsAnyone(e) {
				return []way{{filter: filter, where: e.where(t.name)}}
			}
			list = append(list, way{filter, e.where(t.name), true})
		}
	}
	return list
}

// isRoute reports a FILTER that only chooses how mail is delivered: a transport without a
// next hop, or with one that is another host, from which nothing comes back here.
func (p *Postfix) isRoute(filter string) bool {
	_, nexthop, _ := strings.Cut(filter, ":")
	back, _ := p.back(filter, Ours{})
	return filter == "" || !p.isPipe(filter) && !isLoopback(nexthop) && (nexthop == "" || back == nil)
}

// filteringTables are the tables of a service that may say FILTER: those of its
// restrictions, and those by which its cleanup service looks at header and body.
func (p *Postfix) filteringTables(s *service) []table {
	var list []table
	for _, name := range append(slices.Clone(restrictionLists), "smtpd_data_restrictions", "smtpd_end_of_data_restrictions") {
		if s.command == "smtpd" {
			list = append(list, p.accessTables(p.in(s, name), 0)...)
		}
	}
	if contains(words(p.in(s, "receive_override_options")), "no_header_body_checks") {
		return list
	}
	return append(list, p.cleanupTables(s, "header_checks", "mime_header_checks", "nested_header_checks", "body_checks")...)
}

// cleanupTables are the tables that these parameters name for the cleanup service behind a service.
func (p *Postfix) cleanupTables(s *service, names ...string) []table {
	var list []table
	for _, c := range p.running("cleanup") {
		if c.name != p.in(s, "cleanup_service_name") {
			continue
		}
		for _, name := range names {
			list = append(list, p.tables(p.in(c, name))...)
		}
	}
	return list
}

// accessTables are the tables that a list of restrictions asks, also by its classes.
func (p *Postfix) accessTables(restrictions string, depth int) []table {
	var list []table
	classes := words(p.value("smtpd_restriction_classes"))
	tokens := words(restrictions)
	for i := 0; i < len(tokens) && depth < deepestClass; i++ {
		switch token := strings.ToLower(tokens[i]); {
		case strings.HasPrefix(token, "check_") && takesArgument(token) && i+1 < len(tokens):
			if i++; token != "check_policy_service" { // which is no table
				list = append(list, p.tables(tokens[i])...)
			}
		case contains(classes, tokens[i]):
			list = append(list, p.accessTables(p.value(tokens[i]), depth+1)...)
		}
	}
	return list
}

// hasFilter reports whether any mail goes through a filter.
func (p *Postfix) hasFilter() bool {
	for _, name := range []string{"content_filter", "smtpd_proxy_filter"} {
		if p.value(name) != "" {
			return true
		}
		for _, s := range p.fronts() {
			if p.in(s, name) != "" {
				return true
			}
		}
	}
	return slices.ContainsFunc(p.fronts(), func(s *service) bool {
		return slices.ContainsFunc(p.filteringTables(s), p.filtersHere)
	})
}

// filtersHere reports a table that sends mail to a filter on this host.
func (p *Postfix) filtersHere(t table) bool {
	entries, _ := t.entries()
	return slices.ContainsFunc(entries, func(e tableEntry) bool {
		verb, filter, _ := strings.Cut(e.value, " ")
		_, nexthop, _ := strings.Cut(strings.TrimSpace(filter), ":")
		return strings.EqualFold(verb, "FILTER") && isLoopback(nexthop)
	})
}

// back returns the service that takes mail back from a filter, nil without one,
// and whether the milter stands there. What a pipe(8) runs hands mail back by
// sendmail(1). Of several ports it is the one behind the filter's, as in
// FILTER_README and amavis, or else one where the milter stands.
func (p *Postfix) back(filter string, ours Ours) (s *service, meets bool) {
	if p.isPipe(filter) {
		pickups, cleanups := p.running("pickup"), p.cleanups()
		if len(pickups) == 0 || len(cleanups) == 0 || p.in(pickups[0], "content_filter") != "" || p.skipsMilters(pickups[0]) {
			return nil, false
		}
		return pickups[0], p.named(p.in(cleanups[0], "non_smtpd_milters"), ours) >= 0
	}
	next := nextPort(filter)
	for _, entry := range p.entries() {
		if !p.isReinjection(entry) {
			continue
		}
		stands := !p.skipsMilters(entry) && p.named(p.in(entry, "smtpd_milters"), ours) >= 0
		if port(entry.name) == next { // also one that hands on to the next filter
			return entry, stands
		}
		if last := p.in(entry, "content_filter") == ""; last && (s == nil || stands && !meets) {
			s, meets = entry, stands
		}
	}
	return s, meets
}

// nextPort is the port behind that of "transport:[host]:port", "" without one.
func nextPort(filter string) string {
	n, err := strconv.Atoi(port(filter))
	if err != nil {
		return ""
	}
	return strconv.Itoa(n + 1)
}

func (p *Postfix) skipsMilters(s *service) bool {
	return contains(words(p.in(s, "receive_override_options")), "no_milters")
}

// meets reports whether mail comes to the milter at the service that takes it.
func (p *Postfix) meets(s *service, ours Ours) bool {
	list, holder := p.milterHolder(s)
	return p.named(p.in(holder, list), ours) >= 0 && !p.skipsMilters(s)
}

// milterHolder names the list of milters that mail of a service meets, and the
// service that has it: smtpd brings its own, for other mail it is cleanup's.
func (p *Postfix) milterHolder(s *service) (list string, holder *service) {
	if cleanups := p.cleanups(); s.command != "smtpd" && len(cleanups) > 0 {
		return "non_smtpd_milters", cleanups[0]
	}
	return "smtpd_milters", s
}

// moveBehind are the commands that give the milter to a service that takes mail back.
func (p *Postfix) moveBehind(back *service, ours Ours) []string {
	const options = "receive_override_options"
	fix := []string{postconfIn(back, "smtpd_milters", appended(p.ownMilters(back), p.meant(ours)))}
	if p.skipsMilters(back) {
		fix = append(fix, postconfIn(back, options, without(words(p.in(back, options)), "no_milters")))
	}
	return fix
}

// ownMilters are those that a service names itself.
func (p *Postfix) ownMilters(s *service) string {
	if _, own := s.overrides["smtpd_milters"]; own {
		return p.in(s, "smtpd_milters")
	}
	return ""
}

// filteredToOurs reports whether all mail of a service comes to the milter in the end, through a filter.
func (p *Postfix) filteredToOurs(s *service, ours Ours) bool {
	list := p.ways(s)
	if filter := p.in(s, "smtpd_proxy_filter"); filter != "" && len(list) == 0 {
		list = []way{{filter: filter}}
	}
	all := false
	for _, w := range list {
		if _, meets := p.back(w.filter, ours); !meets {
			return false
		}
		all = all || !w.some
	}
	return all
}

// judgeContentFilter looks at mail that a filter behind the queue takes and hands back.
func judgeContentFilter(p *Postfix, ours Ours) []Finding {
	var found []Finding
	for _, s := range p.fronts() {
		for _, w := range p.ways(s) {
			found = append(found, p.judgeWay(s, w, ours)...)
		}
	}
	return append(onceForFound(found), p.unreadFilters(ours)...)
}

// unreadFilters tells of tables that can't be read, and may send to a filter what the milter has seen.
func (p *Postfix) unreadFilters(ours Ours) []Finding {
	var names, reasons []string
	for _, s := range p.fronts() {
		if !p.meets(s, ours) {
			continue
		}
		for _, t := range p.filteringTables(s) {
			if _, err := t.entries(); err != nil {
				names, reasons = appendNew(names, t.name), appendNew(reasons, err.Error())
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Finding{{Status: Unknown, Where: "main.cf", Found: fmt.Sprintf("whether FILTER stands in %s is not known: %s", enumerated(names), strings.Join(reasons, "; ")),
		Means: "Mail that they send to a filter on this host goes through that after it was signed."}}
}

func (p *Postfix) judgeWay(s *service, w way, ours Ours) []Finding {
	back, backMeets := p.back(w.filter, ours)
	f := Finding{Status: Warn, Where: w.where, Services: []string{s.String()}}
	what := fmt.Sprintf("mail of %s goes through the filter %s", s, w.filter)
	if w.some {
		what = "some " + what
	}
	switch meets := p.meets(s, ours); {
	case meets && backMeets:
		f.Found = what + ", and what it hands back to " + back.String() + " meets the milter again"
		f.Means = "Each message is counted, judged and signed twice."
		f.Fix = p.onceOnly(s, back, w, ours)
	case meets:
		f.Found = what + " after it was signed"
		f.Means = "What the filter changes breaks the signature."
		f.Fix = p.signBehind(s, back, w, ours)
	case backMeets:
		f.Status, f.Found = Info, what+", and the milter stands behind that"
		f.Means = "The milter sees every client as the filter: its allowlist and its limits by client have no meaning."
	default:
		return nil
	}
	return []Finding{f}
}

// onceOnly are the commands that have mail meet the milter once: behind the filter, or
// in front of it where the filter gets only some of the mail.
func (p *Postfix) onceOnly(s, back *service, w way, ours Ours) []string {
	bySMTP := back.command == "smtpd"
	list, holder := p.milterHolder(s)
	switch {
	case w.some && bySMTP:
		return []string{p.leaveTo(back, "smtpd_milters", ours)}
	case w.some:
		return []string{"have the filter hand mail back by SMTP, to a service with -o smtpd_milters="}
	case bySMTP:
		return []string{p.leaveTo(holder, list, ours),
			"or, if the filter changes nothing that is signed, in front of it, where clients and logins are known: " + p.here(p.leaveTo(back, "smtpd_milters", ours))}
	}
	return []string{p.leaveTo(holder, list, ours)}
}

// signBehind says how mail is signed behind a filter.
func (p *Postfix) signBehind(s, back *service, w way, ours Ours) []string {
	const harmless = "make sure that the filter changes neither the body nor signed fields (no disclaimer, no tag in Subject)"
	switch {
	case w.some:
		return []string{harmless}
	case back == nil || back.command != "smtpd":
		return []string{harmless + ", or sign behind it:", "give the milter to the service that takes the mail back, and not to this one"}
	}
	list, holder := p.milterHolder(s)
	fix := append([]string{harmless + ", or sign behind it:"}, p.moveBehind(back, ours)...)
	return append(fix, p.leaveTo(holder, list, ours))
}

// leaveTo is the command that takes the milter from a service, whose mail meets
// it elsewhere. Other milters stay.
func (p *Postfix) leaveTo(s *service, list string, ours Ours) string {
	value := p.in(s, list)
	i := p.named(value, ours)
	return postconfIn(s, list, joined(slices.Delete(milterList(value), i, i+1)))
}
