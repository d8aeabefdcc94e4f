package mta

import (
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"
)

// Setting is a parameter of main.cf that is to change.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Before string `json:"before"`  // as it is written in main.cf
	WasSet bool   `json:"was_set"` // else there was no line of it
}

// TakenOut returns a later value of a list without what this setting added to it.
// It reports whether that is a list, and has any of it.
func (s Setting) TakenOut(later string) (rest string, has bool) {
	switch s.Name {
	case "smtpd_milters", "non_smtpd_milters", "internal_mail_filter_classes":
	default:
		return later, false
	}
	before, value := words(s.Before), words(s.Value)
	kept := slices.DeleteFunc(words(later), func(word string) bool {
		added := slices.Contains(value, word) && !slices.Contains(before, word)
		has = has || added
		return added
	})
	return strings.Join(kept, ", "), has
}

// Command is the call of postconf that makes a change of this configuration.
func (p *Postfix) Command(s Setting) string { return p.here(postconf(s.Name, s.Value)) }

// Unreachable returns why Postfix does not reach the socket of the milter, "" if nothing is known against it.
func (p *Postfix) Unreachable(ours Ours) string {
	for _, f := range judgeSocket(p, ours) {
		if f.Status == Fail {
			return f.Where + ": " + f.Found
		}
	}
	return ""
}

// Propose returns the settings that put the milter in front of all mail, the
// last of the milters that are there. What is already so is left out.
func (p *Postfix) Propose(ours Ours) []Setting {
	var list []Setting
	propose := func(name, value string) {
		if before, set := p.set[name]; !set || before.value != value {
			list = append(list, Setting{Name: name, Value: value, Before: before.value, WasSet: set})
		}
	}
	if p.named(p.value("smtpd_milters"), ours) < 0 {
		propose("smtpd_milters", appended(p.raw("smtpd_milters"), p.meant(ours)))
	}
	switch non := p.raw("non_smtpd_milters"); {
	case strings.TrimSpace(non) == "":
		propose("non_smtpd_milters", "$smtpd_milters")
	case p.named(p.value("non_smtpd_milters"), ours) < 0 && !strings.Contains(non, "smtpd_milters"):
		propose("non_smtpd_milters", appended(non, p.meant(ours)))
	}
	if classes := p.raw("internal_mail_filter_classes"); !contains(words(classes), "bounce") {
		propose("internal_mail_filter_classes", appended(classes, "bounce"))
	}
	if action := p.value("milter_default_action"); action != "tempfail" && action != "shutdown" {
		propose("milter_default_action", "tempfail")
	}
	if version := words(p.value("milter_protocol")); len(version) == 0 || compareVersions(version[0], "6") < 0 {
		propose("milter_protocol", "6")
	}
	for _, t := range []struct {
		name  string
		least time.Duration
		usual string
	}{
		{"milter_connect_timeout", leastConnect, "30s"},
		{"milter_command_timeout", leastCommand, "30s"},
		{"milter_content_timeout", max(leastCommand, progressMiss*ours.Progress), "300s"},
	} {
		if n, ok := seconds(p.value(t.name)); !ok || time.Duration(n)*time.Second < t.least {
			propose(t.name, t.usual)
		}
	}
	if p.Converts() && !p.isOn("force_mime_input_conversion") {
		propose("force_mime_input_conversion", "yes")
	}
	slices.SortStableFunc(list, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// With returns the configuration as it would be with these settings.
func (p *Postfix) With(settings []Setting) *Postfix {
	changed := *p
	changed.tabled = nil
	changed.set = make(map[string]parameter, len(p.set)+len(settings))
	for name, v := range p.set {
		changed.set[name] = v
	}
	for _, s := range settings {
		changed.set[s.Name] = parameter{value: s.Value, line: p.set[s.Name].line}
	}
	return &changed
}

// Without returns the settings that take the milter at an address out of main.cf, such
// as "inet:8891@localhost" or "local:/run/opendkim/opendkim.sock".
func (p *Postfix) Without(address string) []Setting {
	other := Ours{Listen: []string{address}}
	var list []Setting
	for _, name := range []string{"smtpd_milters", "non_smtpd_milters"} {
		kept := milterList(p.raw(name))
		i := p.named(p.raw(name), other)
		if i < 0 {
			continue
		}
		kept = slices.Delete(kept, i, i+1)
		before, set := p.set[name]
		list = append(list, Setting{Name: name, Value: joined(kept), Before: before.value, WasSet: set})
	}
	return list
}

// Value returns a parameter of main.cf as it is in force.
func (p *Postfix) Value(name string) string { return p.value(name) }

// Written returns a parameter as it is written in main.cf.
func (p *Postfix) Written(name string) (value string, set bool) {
	v, ok := p.set[name]
	return v.value, ok
}

// Socket returns where a milter's Unix socket is reached from within Postfix's
// chroot as well as without one.
func (p *Postfix) Socket() string {
	return path.Join(p.value("queue_directory"), "pratique", "milter.sock")
}

// Networks returns the clients that Postfix trusts, as far as they can be read.
func (p *Postfix) Networks() []netip.Prefix {
	list, _ := p.networks(p.value("mynetworks"))
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list)
}

// Milters returns the addresses of the milters that see mail by SMTP now.
func (p *Postfix) Milters() []string {
	var list []string
	for _, m := range milterList(p.value("smtpd_milters")) {
		list = append(list, m.text)
	}
	return list
}
