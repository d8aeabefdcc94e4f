package relay

import (
	"net"
	"slices"
	"strings"
)

// forms returns the forms to try at a server at this address. The classic ones are
// from the time of source routes (RFC 821, RFC 5321 appendix C), UUCP and DECnet;
// each has fooled some server.
func (p *probe) forms(peer string) []Attempt {
	user, dest, _ := strings.Cut(p.Recipient, "@")
	to, sender := user+"@"+dest, "<"+p.Sender+">"
	literal := "[" + literalOf(peer) + "]"
	_, home, _ := strings.Cut(p.Sender, "@")

	forms := []Attempt{
		{Form: "plain", Mail: sender, Rcpt: "<" + to + ">"},
		{Form: "null sender", Mail: "<>", Rcpt: "<" + to + ">"},
		{Form: "sender is the recipient", Mail: "<" + to + ">", Rcpt: "<" + to + ">"},
		{Form: "sender without a domain", Mail: "<postmaster>", Rcpt: "<" + to + ">"},
		{Form: "sender at localhost", Mail: "<postmaster@localhost>", Rcpt: "<" + to + ">"},
		{Form: "sender at the server's address", Mail: "<postmaster@" + literal + ">", Rcpt: "<" + to + ">"},
		{Form: "no angle brackets", Mail: p.Sender, Rcpt: to},
		{Form: "trailing dot", Mail: sender, Rcpt: "<" + to + ".>"},
		{Form: "quoted", Mail: sender, Rcpt: `<"` + to + `">`},
		{Form: "percent hack without a domain", Mail: sender, Rcpt: "<" + user + "%" + dest + ">"},
		{Form: "quoted percent hack", Mail: sender, Rcpt: `<"` + user + "%" + dest + `">`},
		{Form: "UUCP (bang path)", Mail: sender, Rcpt: "<" + dest + "!" + user + ">"},
		{Form: "doubled @, empty behind it", Mail: sender, Rcpt: "<" + to + "@>"},
		{Form: "DECnet", Mail: sender, Rcpt: "<" + dest + "::" + user + ">"},
		{Form: "space behind the colon", Mail: " " + sender, Rcpt: " <" + to + ">"},
		{Form: "doubled brackets", Mail: sender, Rcpt: "<<" + to + ">>"},
		{Form: "quoted user", Mail: sender, Rcpt: `<"` + user + `"@` + dest + ">"},
	}
	for _, own := range p.names(literal, home) {
		forms = append(forms,
			Attempt{Form: "sender of its own domain", Mail: "<postmaster@" + own + ">", Rcpt: "<" + to + ">"},
			Attempt{Form: "percent hack", Mail: sender, Rcpt: "<" + user + "%" + dest + "@" + own + ">"},
			Attempt{Form: "quoted local part", Mail: sender, Rcpt: `<"` + to + `"@` + own + ">"},
			Attempt{Form: "source route", Mail: sender, Rcpt: "<@" + own + ":" + to + ">"},
			Attempt{Form: "source route of two", Mail: sender, Rcpt: "<@" + own + ",@" + own + ":" + to + ">"},
			Attempt{Form: "percent hack, twice", Mail: sender, Rcpt: "<" + user + "%" + dest + "%" + own + "@" + own + ">"},
			Attempt{Form: "percent hack, quoted", Mail: sender, Rcpt: `<"` + user + "%" + dest + `"@` + own + ">"},
			Attempt{Form: "bang path", Mail: sender, Rcpt: "<" + dest + "!" + user + "@" + own + ">"},
			Attempt{Form: "doubled @", Mail: sender, Rcpt: "<" + to + "@" + own + ">"},
			Attempt{Form: "mixed: bang path and percent hack", Mail: sender, Rcpt: "<" + own + "!" + user + "%" + dest + ">"},
			Attempt{Form: "mixed: bang path and @", Mail: sender, Rcpt: "<" + own + "!" + to + ">"},
			Attempt{Form: "mixed: source route and percent hack", Mail: sender, Rcpt: "<@" + own + ":" + user + "%" + dest + "@" + own + ">"},
			Attempt{Form: "null sender, percent hack", Mail: "<>", Rcpt: "<" + user + "%" + dest + "@" + own + ">"},
		)
	}
	// A sender at the server's address was tried above.
	return slices.DeleteFunc(forms, func(a Attempt) bool {
		return a.Form == "sender of its own domain" && strings.Contains(a.Mail, "[")
	})
}

// mostNames bounds the server's names that each form is tried with.
const mostNames = 3

// names returns what the server may take for itself: its names, and its address. What it
// calls itself is not among them, unless that is within a domain that was named: it could
// say anybody's name.
func (p *probe) names(literal, home string) []string {
	names := []string{}
	add := func(name string) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if name != "" && strings.Contains(name, ".") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, own := range append(slices.Clone(p.Own), home) {
		add(own)
	}
	for _, own := range slices.Clone(names) {
		if strings.HasSuffix(strings.ToLower(p.name), "."+own) {
			add(p.name)
		}
	}
	return append(names[:min(mostNames, len(names))], literal)
}

// literalOf is an address as an address literal has it (RFC 5321 4.1.3).
func literalOf(peer string) string {
	host, _, err := net.SplitHostPort(peer)
	if err != nil {
		host = peer
	}
	if strings.Contains(host, ":") {
		return "IPv6:" + host
	}
	return host
}
