package mta

import (
	"fmt"
	"slices"
	"strings"
)

// isReinjection reports whether a service takes back mail from a filter: its own
// content_filter is switched off, or it listens on loopback only, while there is
// a filter. A port to which clients send is none, filtered or not.
func (p *Postfix) isReinjection(s *service) bool {
	_, own := s.overrides["content_filter"]
	off := own && p.in(s, "content_filter") == ""
	switch {
	case p.in(s, "smtpd_proxy_filter") != "":
		return false
	case p.onLoopback(s) && !slices.Contains(clientPorts, port(s.name)):
		// With a filter of its own it stands between two of them.
		return off || p.hasFilter() && (own || p.in(s, "content_filter") == "")
	case p.onLoopback(s):
		return off
	case slices.Contains(clientPorts, port(s.name)):
		return false
	}
	return off && p.hasFilter()
}

// serverPorts are those to which other servers send, with postscreen's smtpd;
// clientPorts those, and the ones of submission.
var (
	serverPorts = []string{"smtp", "25", "smtpd"}
	clientPorts = append([]string{"submission", "587", "smtps", "submissions", "465"}, serverPorts...)
)

// port is the last part of "587", "[::1]:587", "192.0.2.1:submission".
func port(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

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
	return false
}

// fronts are the services by which mail may come in, by SMTP and otherwise.
func (p *Postfix) fronts() []*service { return append(p.entries(), p.running("pickup")...) }

// onLoopback reports a service that only this host reaches.
func (p *Postfix) onLoopback(s *service) bool {
	hosts := words(p.in(s, "inet_interfaces"))
	if i := strings.LastIndexByte(s.name, ':'); i >= 0 {
		hosts = []string{s.name[:i]}
	}
	if s.kind != "inet" && s.kind != "pass" || len(hosts) == 0 {
		return false
	}
	for _, host := range hosts {
		host = strings.Trim(host, "[]")
		if host != "loopback-only" && host != "localhost" && !strings.HasPrefix(host, "127.") && host != "::1" {
			return false
		}
	}
	return true
}

// back returns the service that takes mail back from a filter, nil without one,
// and whether the milter stands there. What a pipe(8) runs hands mail back by sendmail(1).
func (p *Postfix) back(filter string, ours Ours) (s *service, meets bool) {
	if p.isPipe(filter) {
		pickups, cleanups := p.running("pickup"), p.cleanups()
		if len(pickups) == 0 || len(cleanups) == 0 || p.in(pickups[0], "content_filter") != "" || p.skipsMilters(pickups[0]) {
			return nil, false
		}
		return pickups[0], p.named(p.in(cleanups[0], "non_smtpd_milters"), ours) >= 0
	}
	for _, entry := range p.entries() {
		if !p.isReinjection(entry) || p.in(entry, "content_filter") != "" {
			continue
		}
		if !p.skipsMilters(entry) && p.named(p.in(entry, "smtpd_milters"), ours) >= 0 {
			return entry, true
		}
		if s == nil {
			s = entry
		}
	}
	return s, false
}

func (p *Postfix) skipsMilters(s *service) bool {
	return contains(words(p.in(s, "receive_override_options")), "no_milters")
}

// isPipe reports a filter, "transport:nexthop", whose transport runs a program.
func (p *Postfix) isPipe(filter string) bool {
	transport, _, _ := strings.Cut(filter, ":")
	return slices.ContainsFunc(p.running("pipe"), func(s *service) bool { return s.name == transport })
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
	filter := p.in(s, "content_filter")
	if filter == "" {
		filter = p.in(s, "smtpd_proxy_filter")
	}
	_, meets := p.back(filter, ours)
	return meets && filter != ""
}

// judgeContentFilter looks at mail that a filter behind the queue takes and hands back.
func judgeContentFilter(p *Postfix, ours Ours) []Finding {
	var found []Finding
	for _, s := range p.fronts() {
		if filter := p.in(s, "content_filter"); filter != "" {
			found = append(found, p.judgeFilterOf(s, filter, ours)...)
		}
	}
	return onceForFound(found)
}

func (p *Postfix) judgeFilterOf(s *service, filter string, ours Ours) []Finding {
	list, holder := "smtpd_milters", s
	if cleanups := p.cleanups(); s.command != "smtpd" && len(cleanups) > 0 {
		list, holder = "non_smtpd_milters", cleanups[0]
	}
	back, backMeets := p.back(filter, ours)
	f := Finding{Status: Warn, Where: p.whereIn(s, "content_filter")}
	what := fmt.Sprintf("mail of %s goes through the filter %s", s, filter)
	switch meets := p.named(p.in(holder, list), ours) >= 0 && !p.skipsMilters(s); {
	case meets && backMeets:
		f.Found = what + ", and what it hands back to " + back.String() + " meets the milter again"
		f.Means = "Each message is counted, judged and signed twice."
		f.Fix = []string{p.leaveTo(holder, list, ours)}
	case meets:
		f.Found = what + " after it was signed"
		f.Means = "What the filter changes breaks the signature."
		f.Fix = []string{"make sure that the filter changes neither the body nor signed fields (no disclaimer, no tag in Subject), or sign behind it:"}
		if back == nil || back.command != "smtpd" {
			f.Fix = append(f.Fix, "give the milter to the service that takes the mail back, and not to this one")
			break
		}
		f.Fix = append(append(f.Fix, p.moveBehind(back, ours)...), p.leaveTo(holder, list, ours))
	case backMeets:
		f.Status, f.Found = Info, what+", and the milter stands behind that"
		f.Means = "The milter sees every client as the filter: its allowlist and its limits by client have no meaning."
	default:
		return nil
	}
	return []Finding{f}
}

// leaveTo is the command that takes the milter from a service, whose mail meets
// it behind a filter. Other milters stay.
func (p *Postfix) leaveTo(s *service, list string, ours Ours) string {
	value := p.in(s, list)
	i := p.named(value, ours)
	return postconfIn(s, list, joined(slices.Delete(milterList(value), i, i+1)))
}
