package lint

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"pratique/message"
)

// Domains finds out what the DNS says of the domains that a message is sent from.
type Domains interface {
	// Ask begins to find out about a From domain and an envelope sender, and returns at once.
	Ask(from, sender string) DomainReport
}

// DomainReport returns what was found out. It may wait, but not longer than mail can bear.
type DomainReport func(context.Context) DomainFacts

// DomainFacts is what speaks against the domains of a message. What could not be
// found out does not.
type DomainFacts struct {
	FromMissing bool         // the From domain has neither a zone, a mail exchanger nor an address
	NoDMARC     bool         // no DMARC record covers it
	Uncovered   []netip.Addr // addresses that mail leaves from, which the SPF record of the envelope sender's domain does not permit
	SPFProblem  string       // why receivers can't evaluate that record
}

// askDNS begins to ask at the end of the header, so that the answers come while
// the body does. It returns nil if no rule wants them.
func (h *header) askDNS() DomainReport {
	if h.lint.env.Domains == nil || !h.lint.asksDNS || h.m.Header.Overflow() {
		return nil
	}
	return h.lint.env.Domains.Ask(h.fromDomain(), h.m.Sender)
}

// fromDomain returns the domain of the one From address, or "".
func (h *header) fromDomain() string {
	if len(h.from) != 1 || h.from[0].err != nil || len(h.from[0].boxes) != 1 {
		return ""
	}
	return strings.ToLower(h.from[0].boxes[0].domain)
}

// fromUnknown is rule H06.
func fromUnknown(b *body) {
	if b.domains.FromMissing {
		b.findings.add(b.rule, Reject, "From[1]", shown(b.from)+" has no SOA, MX, A or AAAA record")
	}
}

// spfUncovered is rule A06.
func spfUncovered(b *body) {
	uncovered := b.domains.Uncovered
	if len(uncovered) == 0 {
		return
	}
	var addrs []string
	for _, addr := range uncovered[:min(len(uncovered), maxPlaces)] {
		addrs = append(addrs, addr.String())
	}
	detail := fmt.Sprintf("%s does not permit %s", shown(message.Domain(b.m.Sender)), strings.Join(addrs, ", "))
	if more := len(uncovered) - len(addrs); more > 0 {
		detail += fmt.Sprintf(" and %d more", more)
	}
	b.findings.add(b.rule, Reject, "envelope", detail)
}

// spfBroken is rule A07.
func spfBroken(b *body) {
	if problem := b.domains.SPFProblem; problem != "" {
		b.findings.add(b.rule, Reject, "envelope", shown(message.Domain(b.m.Sender))+": "+problem)
	}
}

// noDMARC is rule A08.
func noDMARC(b *body) {
	if b.domains.NoDMARC {
		b.findings.add(b.rule, Reject, "From[1]", "no DMARC record for "+shown(b.from)+" or a domain above it")
	}
}
