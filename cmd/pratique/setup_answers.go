package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"pratique/configs"
	"pratique/configs/setup"
	"pratique/posture/mta"
	"pratique/signing/keystore"
)

// answers asks for what a configuration is made of; what the flags say is not asked.
func (in *installer) answers() (setup.Answers, error) {
	a, proposed, err := in.ofMTA()
	if err != nil {
		return a, err
	}
	if err = in.takeOver(a.State); err != nil {
		return a, err
	}
	if in.old != nil {
		a.Signing, proposed = in.old.signing, in.old.networks(proposed)
	}
	if a.Networks = in.o.networks; a.Networks == nil {
		a.Networks, err = in.ask.list("Networks whose clients may send", proposed)
	}
	if err != nil {
		return a, err
	}
	if in.o.domains == nil {
		in.o.domains, err = in.ask.list(in.domainQuestion())
	}
	for _, domain := range in.o.domains {
		err = errors.Join(err, keystore.CheckDomain(domain))
	}
	if err != nil {
		return a, err
	}
	a.Clamd, err = in.clamd()
	return a, err
}

// ofMTA are the answers that the MTA gives, and the networks that it trusts.
func (in *installer) ofMTA() (a setup.Answers, networks []string, err error) {
	a = setup.Answers{State: or(in.o.state, configs.Default().State), Listen: or(in.o.listen, configs.Default().Listen[0])}
	networks = configs.Default().Access.Networks
	if in.postfix != nil {
		a.Hostname = in.helo()
		a.Mend = !in.postfix.Converts()
		networks = withLoopback(in.postfix.Networks())
		if in.o.listen == "" {
			a.Listen = "unix:" + in.postfix.Socket()
		}
		if postfixGroup() != "" && strings.HasPrefix(a.Listen, "unix:") {
			a.Group = "postfix"
		}
	}
	if in.o.sendmail != "" {
		s, err := mta.LoadSendmail(in.o.sendmail)
		if err != nil {
			return a, nil, withPermissionHint(err)
		}
		a.Mend, a.Line = true, s.LineLimit()
	}
	a.Hostname = or(in.o.hostname, a.Hostname)
	if !strings.Contains(a.Hostname, ".") {
		a.Hostname = "" // no full name: the system's is looked up when it is needed
	}
	return a, networks, nil
}

func (in *installer) clamd() (string, error) {
	switch in.o.clamd {
	case "off":
		return "", nil
	case "":
		clamd, err := in.ask.text("clamd, which scans mail (off: none)", or(findClamd(), "off"))
		if clamd == "off" {
			clamd = ""
		}
		return clamd, err
	}
	return in.o.clamd, nil
}

// findClamd looks where clamd usually listens.
func findClamd() string {
	for _, path := range []string{"/run/clamav/clamd.ctl", "/var/run/clamd.scan/clamd.sock", "/run/clamd.scan/clamd.sock", "/tmp/clamd.socket"} {
		if _, err := os.Stat(path); err == nil {
			return "unix:" + path
		}
	}
	const probe = 200 * time.Millisecond
	if c, err := net.DialTimeout("tcp", "127.0.0.1:3310", probe); err == nil {
		c.Close()
		return "tcp:127.0.0.1:3310"
	}
	return ""
}

// domainQuestion asks for domains that get new keys: none, where others are taken over.
func (in *installer) domainQuestion() (question string, proposed []string) {
	if in.old != nil {
		return "Further domains whose mail is to be signed", nil
	}
	return "Domains whose mail is to be signed", in.proposedDomains()
}

// proposedDomains is the domain that Postfix writes behind a local name, or, if
// that is the name of the host, the domain of the host.
func (in *installer) proposedDomains() []string {
	if in.postfix == nil {
		return nil
	}
	domain := in.postfix.Value("myorigin")
	if strings.HasPrefix(domain, "/") { // Debian's /etc/mailname
		text, _ := os.ReadFile(domain)
		domain, _, _ = strings.Cut(strings.TrimSpace(string(text)), "\n")
	}
	if domain == "" || strings.EqualFold(domain, in.postfix.Value("myhostname")) {
		domain = in.postfix.Value("mydomain")
	}
	if !strings.Contains(domain, ".") {
		return nil
	}
	return []string{domain}
}

// helo is the name that Postfix says to other servers.
func (in *installer) helo() string {
	if routes := in.postfix.Routes(); len(routes) > 0 {
		return routes[0].Helo
	}
	return in.postfix.Value("myhostname")
}

// withLoopback adds the address by which mail of sendmail(1) comes to a milter: Postfix
// tells 127.0.0.1, also where it knows IPv6 alone.
func withLoopback(networks []netip.Prefix) []string {
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if !slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(local) }) {
		networks = append([]netip.Prefix{netip.PrefixFrom(local, local.BitLen())}, networks...)
	}
	var list []string
	for _, n := range networks {
		list = append(list, n.String())
	}
	return list
}
