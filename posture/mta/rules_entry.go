package mta

import (
	"fmt"
	"slices"
	"strings"
)

// judgeEntries looks for SMTP services whose mail does not meet the milter. A
// service that takes back mail from an after-queue filter is judged by judgeContentFilter.
func judgeEntries(p *Postfix, ours Ours) []Finding {
	entries := p.entries()
	if len(entries) == 0 {
		return []Finding{{Status: Info, Where: "master.cf", Found: "no service takes mail by SMTP"}}
	}
	unmet := slices.DeleteFunc(entries, func(s *service) bool {
		return p.named(p.in(s, "smtpd_milters"), ours) >= 0 || p.isReinjection(s) || p.filteredToOurs(s, ours)
	})
	var found []Finding
	for _, s := range unmet {
		f := p.unmilteredEntry(s, p.alone(unmet), ours)
		if p.takesOnlyStrangers(s) && p.someEntryMeets(ours) {
			f.Status = Warn
			f.Means = "That is right for a port that only takes mail for this site. What programs on this host send by it is neither checked nor signed."
		}
		found = append(found, f)
	}
	return onceForMain(found)
}

func (p *Postfix) someEntryMeets(ours Ours) bool {
	return slices.ContainsFunc(p.entries(), func(s *service) bool {
		return !p.onLoopback(s) && (p.named(p.in(s, "smtpd_milters"), ours) >= 0 || p.filteredToOurs(s, ours))
	})
}

// alone reports whether smtpd_milters of main.cf is right for some service, whose mail meets the milter behind a filter.
func (p *Postfix) alone(unmet []*service) bool {
	return slices.ContainsFunc(p.entries(), func(other *service) bool {
		_, overridden := other.overrides["smtpd_milters"]
		return !overridden && !slices.Contains(unmet, other)
	})
}

func (p *Postfix) unmilteredEntry(s *service, alone bool, ours Ours) Finding {
	value := p.in(s, "smtpd_milters")
	f := Finding{Status: Fail, Where: p.whereIn(s, "smtpd_milters"), Services: []string{s.String()},
		Found: fmt.Sprintf("smtpd_milters of %s is %s", s, shown(value)),
		Means: fmt.Sprintf("Mail that comes in by %s is neither checked, nor scanned, nor signed, nor counted.", s)}
	_, overridden := s.overrides["smtpd_milters"]
	w, back := p.unmetWay(s, ours)
	switch {
	case back != nil:
		f.Where, f.Found = w.where, fmt.Sprintf("mail of %s goes through the filter %s to %s, which has no milter of ours", s, w.filter, back)
		f.Means = "It is neither checked, nor scanned, nor signed, nor counted."
		f.Fix = p.moveBehind(back, ours)
		return f
	case overridden && p.named(p.value("smtpd_milters"), ours) >= 0:
		f.Fix = []string{postconfDrop(s, "smtpd_milters")}
	case overridden || alone:
		f.Fix = []string{postconfIn(s, "smtpd_milters", appended(value, p.meant(ours)))}
	default:
		f.Found = "smtpd_milters is " + shown(value)
		f.Means = "Mail by SMTP is neither checked, nor scanned, nor signed, nor counted."
		f.Fix = []string{postconf("smtpd_milters", appended(p.raw("smtpd_milters"), p.meant(ours)))}
	}
	if value != "" {
		f.Means += fmt.Sprintf(" None of these is where the milter listens: %s.", strings.Join(ours.Listen, ", "))
	}
	return f
}

// unmetWay returns a filter of a service behind which an SMTP service takes mail back without the milter.
func (p *Postfix) unmetWay(s *service, ours Ours) (way, *service) {
	for _, w := range p.ways(s) {
		if back, meets := p.back(w.filter, ours); back != nil && back.command == "smtpd" && !meets {
			return w, back
		}
	}
	return way{}, nil
}

// onceForMain keeps one finding for each place: a missing line of main.cf is
// missing for every service.
func onceForMain(found []Finding) []Finding {
	seen := map[string]bool{}
	var kept []Finding
	for _, f := range found {
		if strings.HasPrefix(f.Where, "main.cf") && seen[f.Found] {
			continue
		}
		seen[f.Found] = true
		kept = append(kept, f)
	}
	return kept
}

func appended(list, word string) string {
	if strings.TrimSpace(list) == "" {
		return word
	}
	return list + ", " + word
}

// shown writes a value, cut short.
func shown(value string) string {
	const most = 120
	switch {
	case value == "":
		return "empty"
	case len(value) > most:
		return value[:most] + "…"
	}
	return value
}

// judgeNoMilters looks for receive_override_options = no_milters (postconf(5)).
func judgeNoMilters(p *Postfix, _ Ours) []Finding {
	var found []Finding
	const name = "receive_override_options"
	for _, s := range p.fronts() {
		value := p.in(s, name)
		if !contains(words(value), "no_milters") || p.isReinjection(s) {
			continue
		}
		f := Finding{Status: Fail, Where: p.whereIn(s, name), Services: []string{s.String()},
			Found: fmt.Sprintf("%s of %s has no_milters", name, s),
			Means: fmt.Sprintf("Mail that comes in by %s passes the milter by.", s)}
		rest := without(words(value), "no_milters")
		switch _, overridden := s.overrides[name]; {
		case overridden && rest == "":
			f.Fix = []string{postconfDrop(s, name)}
		case overridden:
			f.Fix = []string{postconfIn(s, name, rest)}
		default:
			f.Found = name + " has no_milters"
			f.Means = "All mail passes the milter by."
			f.Fix = []string{postconf(name, rest)}
		}
		found = append(found, f)
	}
	return onceForMain(found)
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

func without(list []string, word string) string {
	var kept []string
	for _, w := range list {
		if !strings.EqualFold(w, word) {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, ", ")
}

// judgeMilterMaps looks for clients that smtpd_milter_maps gives other milters,
// or none with DISABLE (Postfix 3.2).
func judgeMilterMaps(p *Postfix, ours Ours) []Finding {
	const name = "smtpd_milter_maps"
	var found []Finding
	for _, s := range p.entries() {
		value := p.in(s, name)
		if value == "" {
			continue
		}
		for _, t := range p.tables(value) {
			found = append(found, p.judgeMilterMap(p.whereIn(s, name), t, ours)...)
		}
	}
	return onceForMain(found)
}

func (p *Postfix) judgeMilterMap(where string, t table, ours Ours) []Finding {
	entries, err := t.entries()
	if err != nil {
		return []Finding{{Status: Unknown, Where: where, Found: fmt.Sprintf("%s: %v", t.name, err),
			Means: "Clients that it gives DISABLE or other milters pass the milter by."}}
	}
	var found []Finding
	for _, e := range entries {
		if p.named(e.value, ours) >= 0 {
			continue
		}
		found = append(found, Finding{Status: Warn, Where: e.where(where),
			Found: fmt.Sprintf("%s gets %s", e.key, shown(e.value)),
			Means: "Mail of these clients passes the milter by.",
			Fix:   []string{"take the line out, or add " + p.meant(ours) + " to it"}})
	}
	return found
}

// judgeProxyFilter: behind a before-queue proxy filter, milters of the same
// service see the envelope and no message (MILTER_README, "Limitations").
func judgeProxyFilter(p *Postfix, ours Ours) []Finding {
	const name = "smtpd_proxy_filter"
	var found []Finding
	for _, s := range p.entries() {
		if value := p.in(s, name); value != "" && !p.filteredToOurs(s, ours) {
			fix := []string{"give the milter to the service that takes the mail back from the proxy, and not to this one"}
			if back, _ := p.back(value, ours); back != nil {
				fix = append(p.moveBehind(back, ours), postconfIn(s, "smtpd_milters", ""))
			}
			found = append(found, Finding{Status: Fail, Where: p.whereIn(s, name), Services: []string{s.String()},
				Found: fmt.Sprintf("%s of %s is %s", name, s, value),
				Means: "Milters of a service with a before-queue proxy filter get no message to see: nothing is checked or signed there.",
				Fix:   fix})
		}
	}
	return found
}

// judgeNonSMTP looks at mail that does not come by SMTP.
func judgeNonSMTP(p *Postfix, ours Ours) []Finding {
	const name = "non_smtpd_milters"
	cleanups := p.cleanups()
	if len(cleanups) == 0 {
		cleanups = []*service{{name: "cleanup", kind: "unix"}}
	}
	if pickups := p.running("pickup"); len(pickups) > 0 && p.filteredToOurs(pickups[0], ours) {
		return nil
	}
	var found []Finding
	for _, s := range cleanups {
		value := p.in(s, name)
		if p.named(value, ours) >= 0 {
			continue
		}
		f := Finding{Status: Fail, Where: p.whereIn(s, name), Services: []string{s.String()}, Found: name + " is " + shown(value),
			Means: "Mail by sendmail(1), cron, mailing list managers and re-injected mail is neither checked nor signed."}
		_, overridden := s.overrides[name]
		if overridden {
			f.Found = fmt.Sprintf("%s of %s is %s", name, s, shown(value))
		}
		switch {
		case overridden && p.named(p.value(name), ours) >= 0:
			f.Fix = []string{postconfDrop(s, name)}
		case overridden:
			f.Fix = []string{postconfIn(s, name, appended(value, p.meant(ours)))}
		case value == "" && p.named(p.value("smtpd_milters"), ours) >= 0:
			f.Fix = []string{postconf(name, "$smtpd_milters")}
		default:
			f.Fix = []string{postconf(name, appended(p.raw(name), p.meant(ours)))}
		}
		found = append(found, f)
	}
	return onceForMain(found)
}

// judgeBounces: the mail that Postfix itself makes meets milters only if its class is named.
func judgeBounces(p *Postfix, _ Ours) []Finding {
	const name = "internal_mail_filter_classes"
	value := p.value(name)
	if contains(words(value), "bounce") {
		return nil
	}
	return []Finding{{Status: Warn, Where: p.where(name), Found: name + " is " + shown(value),
		Means: "Bounces that Postfix makes leave unsigned: with a strict DMARC policy they do not arrive.",
		Fix:   []string{postconf(name, appended(value, "bounce"))}}}
}

// judgeDefaultAction: what becomes of mail while the milter is away.
func judgeDefaultAction(p *Postfix, ours Ours) []Finding {
	const name = "milter_default_action"
	var found []Finding
	for _, s := range append(p.entries(), p.cleanups()...) {
		if f := actionFinding(p.in(s, name), p.whereIn(s, name), name); f != nil {
			f.Fix = []string{postconf(name, "tempfail")}
			if _, overridden := s.overrides[name]; overridden {
				f.Found, f.Services = fmt.Sprintf("%s (%s)", f.Found, s), []string{s.String()}
				f.Fix = []string{postconfDrop(s, name)}
			}
			found = append(found, *f)
		}
		found = append(found, p.ownActions(s, ours)...)
	}
	return onceForMain(found)
}

// ownActions are those of { address, default_action=… }.
func (p *Postfix) ownActions(s *service, ours Ours) []Finding {
	name := "smtpd_milters"
	if s.command == "cleanup" {
		name = "non_smtpd_milters"
	}
	var found []Finding
	for _, m := range milterList(p.in(s, name)) {
		action, ok := m.options["default_action"]
		if !ok || p.named(m.text, ours) < 0 {
			continue
		}
		if f := actionFinding(action, p.whereIn(s, name), "default_action of "+m.text); f != nil {
			f.Fix = []string{p.setter(s, name, joined(withoutOption(milterList(p.in(s, name)), m, "default_action")))}
			found = append(found, *f)
		}
	}
	return found
}

func actionFinding(action, where, what string) *Finding {
	f := &Finding{Status: Fail, Where: where, Found: what + " is " + shown(action)}
	switch action {
	case "accept":
		f.Means = "While the milter is down or too slow, mail leaves unchecked and unsigned, and nobody is told."
	case "reject":
		f.Status = Warn
		f.Means = "While the milter is down or too slow, mail is refused for good: its senders do not try again."
	case "quarantine":
		f.Status = Warn
		f.Means = "While the milter is down, mail goes to the hold queue unchecked, and leaves unsigned when it is released without another look (postsuper -r looks again, -H does not)."
	case "tempfail", "shutdown":
		return nil
	default:
		f.Means = "Postfix knows no such action."
	}
	return f
}
