package mta

import (
	"slices"
	"strings"
)

// isDisabled reports a service that master_service_disable switches off: a list of
// "type" and "name/type", of which the first that matches counts, "!" before those that stay.
func (p *Postfix) isDisabled(s service) bool {
	for _, pattern := range words(p.value("master_service_disable")) {
		pattern, stays := strings.CutPrefix(pattern, "!")
		if pattern == s.kind || pattern == s.String() {
			return !stays
		}
	}
	return false
}

// entries are the services by which mail comes in by SMTP.
func (p *Postfix) entries() []*service { return p.running("smtpd") }

// running returns the services that run a command.
func (p *Postfix) running(command string) []*service {
	var list []*service
	for i := range p.services {
		if s := &p.services[i]; s.command == command {
			list = append(list, s)
		}
	}
	return list
}

// jailed reports whether a service runs in a chroot. Since compatibility level 1
// it does only if master.cf says so (master(5)).
func (p *Postfix) jailed(s *service) bool {
	if s.chroot == "-" {
		return compareVersions(p.value("compatibility_level"), "1") < 0
	}
	return s.chroot == "y"
}

// fronts are the services by which mail may come in, by SMTP and otherwise.
func (p *Postfix) fronts() []*service { return append(p.entries(), p.locals()...) }

// locals are the services that take mail from programs on this host, and by QMQP.
func (p *Postfix) locals() []*service { return append(p.running("pickup"), p.running("qmqpd")...) }

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

// cleanups are the cleanup services that mail reaches other than by SMTP: smtpd
// brings its own milters to the one that its cleanup_service_name names.
func (p *Postfix) cleanups() []*service {
	const name = "cleanup_service_name"
	used := []string{p.value(name)} // bounces and forwarded mail
	for _, s := range p.locals() {
		used = append(used, p.in(s, name))
	}
	return slices.DeleteFunc(p.running("cleanup"), func(s *service) bool { return !contains(used, s.name) })
}

// isPipe reports a filter, "transport:nexthop", whose transport runs a program.
func (p *Postfix) isPipe(filter string) bool {
	transport, _, _ := strings.Cut(filter, ":")
	return slices.ContainsFunc(p.running("pipe"), func(s *service) bool { return s.name == transport })
}

// Ports as they are written in master.cf: those to which other servers send, with
// postscreen's smtpd, and those to which people's programs do.
var (
	serverPorts     = []string{"smtp", "25", "smtpd"}
	submissionPorts = []string{"submission", "587", "submissions", "smtps", "465", "2525"}
)

// port is the last part of "587", "[::1]:587", "192.0.2.1:submission".
func port(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// isSubmission reports a port to which people's programs send: by what such a port
// is called, also with a number in front as in 10587, or by what it alone has.
func (p *Postfix) isSubmission(s *service) bool {
	name := port(s.name)
	if p.asksForLogin(s) || slices.Contains(submissionPorts, name) {
		return true
	}
	if _, own := s.overrides["syslog_name"]; own && slices.Contains(submissionPorts, lastPart(p.in(s, "syslog_name"))) {
		return true
	}
	return isNumber(name) && slices.ContainsFunc(submissionPorts, func(usual string) bool {
		return isNumber(usual) && strings.HasSuffix(name, usual)
	})
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// asksForLogin reports a service that has settings of its own for people who log in:
// logins, TLS from the first octet, or restrictions that permit them and not this site.
func (p *Postfix) asksForLogin(s *service) bool {
	sets := func(name string) bool { _, own := s.overrides[name]; return own && p.in(s, name) == "yes" }
	if sets("smtpd_sasl_auth_enable") || sets("smtpd_tls_wrappermode") {
		return true
	}
	return p.in(s, "smtpd_sasl_auth_enable") == "yes" && slices.ContainsFunc(restrictionLists, func(name string) bool {
		_, own := s.overrides[name]
		list := words(p.in(s, name))
		return own && contains(list, "permit_sasl_authenticated") && !contains(list, "permit_mynetworks")
	})
}

// isReinjection reports whether a service takes back mail from a filter: its own
// content_filter is switched off, or it listens on loopback only, while there is
// a filter. A port to which clients send is none, filtered or not.
func (p *Postfix) isReinjection(s *service) bool {
	_, own := s.overrides["content_filter"]
	off := own && p.in(s, "content_filter") == ""
	isClients := p.isSubmission(s) || slices.Contains(serverPorts, port(s.name))
	switch {
	case p.in(s, "smtpd_proxy_filter") != "", p.asksForLogin(s):
		return false
	case p.onLoopback(s) && !isClients:
		// With a filter of its own it stands between two of them.
		return off || p.hasFilter() && (own || p.in(s, "content_filter") == "")
	case p.onLoopback(s):
		return off
	case isClients:
		return false
	}
	return off && p.hasFilter()
}

// takesOnlyStrangers reports a service by which nobody but this host may send to the world: an MX's.
func (p *Postfix) takesOnlyStrangers(s *service) bool {
	networks, unread := p.networks(p.in(s, "mynetworks"))
	for _, n := range networks {
		if !n.Addr().IsLoopback() {
			return false
		}
	}
	return slices.Contains(serverPorts, port(s.name)) && len(unread) == 0 && p.networksKnown(s) && p.in(s, "smtpd_sasl_auth_enable") != "yes" && !p.isSubmission(s)
}
