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
	}
	for _, own := range p.names(literal, home) {
		forms = append(forms,
			Attempt{Form: "sender of its own domain", Mail: "<postmaster@" + own + ">", Rcpt: "<" + to + ">"},
			Attempt{Form: "percent hack", Mail: sender, Rcpt: "<" + user + "%" + dest + "@" + own + ">"},
			Attempt{Form: "quoted local part", Mail: sender, Rcpt: `<"` + to + `"@` + own + ">"},
			Attempt{Form: "source route", Mail: sender, Rcpt: "<@" + own + ":" + to + ">"},
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

// names returns what the server may take for itself: its names, and its address.
func (p *probe) names(literal, home string) []string {
	names := []string{}
	for _, own := range append(slices.Clone(p.Own), p.session.name, home) {
		own = strings.ToLower(strings.TrimSuffix(own, "."))
		if own != "" && strings.Contains(own, ".") && !slices.Contains(names, own) {
			names = append(names, own)
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
