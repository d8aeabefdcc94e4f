package spf

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
)

// Survey is what a record is as a whole, with all that it includes: as if no term
// ever matched.
type Survey struct {
	Domain string
	Texts  []lookup.Text // the SPF records
	// Resembling are texts that were meant to be one.
	Resembling []lookup.Text
	Octets     int // of the answer with all TXT records of the domain
	Lookups    int // terms that ask the DNS (RFC 7208 4.6.4)
	Voids      int // look-ups that find nothing
	Tree       []Branch
	Defects    []Defect
	// Unknown are look-ups that failed: what lies behind them is not counted.
	Unknown []error
}

// Branch is a record in the tree of includes.
type Branch struct {
	Depth   int
	Domain  string
	Text    string
	Lookups int // of its own terms
}

// Bounds of a survey: a record made for that could have us ask for ever.
const (
	maxDepth  = 20
	maxTerms  = 60
	nearLimit = 9
)

// Look surveys the record of a domain.
func Look(ctx context.Context, d *lookup.DNS, domain string) Survey {
	w := &walk{ctx: ctx, dns: d, s: Survey{Domain: strings.ToLower(strings.TrimSuffix(domain, "."))}, seen: map[string]bool{}}
	w.domain(w.s.Domain, nil)
	w.limits()
	return w.s
}

// Has reports whether there is a defect of a kind.
func (s Survey) Has(c Code) bool {
	return slices.ContainsFunc(s.Defects, func(d Defect) bool { return d.Code == c })
}

type walk struct {
	ctx  context.Context
	dns  *lookup.DNS
	s    Survey
	seen map[string]bool // domains whose record was looked through for other defects than numbers
}

func (w *walk) defect(c Code, domain, term, format string, args ...any) {
	d := Defect{c, domain, term, fmt.Sprintf(format, args...)}
	if !slices.Contains(w.s.Defects, d) {
		w.s.Defects = append(w.s.Defects, d)
	}
}

func (w *walk) unknown(err error) {
	if !slices.ContainsFunc(w.s.Unknown, func(other error) bool { return other.Error() == err.Error() }) {
		w.s.Unknown = append(w.s.Unknown, err)
	}
}

// domain looks through the record of a domain, to which these led. It reports
// whether there is a record.
func (w *walk) domain(domain string, path []string) bool {
	if len(path) > maxDepth || w.s.Lookups > maxTerms {
		return true
	}
	found, err := find(w.ctx, w.dns, domain)
	if err != nil {
		w.unknown(err)
		return true
	}
	if len(path) == 0 {
		w.s.Texts, w.s.Octets = found.records, found.answer.Octets
	}
	if found.none() {
		w.none(domain, path, found)
		return false
	}
	if len(found.records) > 1 {
		w.defect(Several, domain, "", "there are %d SPF records, and there may be one: receivers take it for an error (RFC 7208 4.5)", len(found.records))
		return true
	}
	w.record(domain, found.records[0], path)
	return true
}

// none says why there is no record, where something resembles one.
func (w *walk) none(domain string, path []string, f found) {
	for _, text := range f.others {
		if why := resembles(text.String()); why != "" {
			if len(path) == 0 {
				w.s.Resembling = append(w.s.Resembling, text)
			}
			w.defect(Resembles, domain, "", "%.60q is no SPF record: %s", text.String(), why)
		}
	}
	if len(path) == 0 {
		w.defect(NoRecord, domain, "", "there is no SPF record")
	}
}

// invisible is what stands unseen in a text that was copied from a page: the byte order
// mark and spaces without width.
const invisible = "\ufeff\u200b\u2060"

// resembles says why a text that was meant to be a record is none, or returns "".
func resembles(text string) string {
	trimmed := strings.ToLower(strings.TrimLeft(text, " \t\"'“\u00a0"+invisible))
	switch {
	case strings.HasPrefix(trimmed, version) && trimmed != strings.ToLower(text):
		return "something stands before v=spf1"
	case strings.HasPrefix(trimmed, version):
		return "v=spf1 must be followed by a space"
	case strings.HasPrefix(trimmed, "v=spf"), strings.HasPrefix(trimmed, "v = spf"), strings.HasPrefix(trimmed, "v=sfp"), strings.HasPrefix(trimmed, "spf1 "):
		return "it must begin with v=spf1 and a space"
	case strings.HasPrefix(trimmed, "spf2.0/"):
		return "this is Sender ID, which nobody looks at any more (RFC 6654); v=spf1 is wanted"
	}
	return ""
}

// record looks through one record.
func (w *walk) record(domain string, text lookup.Text, path []string) {
	at := len(w.s.Tree)
	w.s.Tree = append(w.s.Tree, Branch{Depth: len(path), Domain: domain, Text: text.String()})
	r, problems := parse(text.String())
	for _, p := range problems {
		w.defect(Syntax, domain, p.term, "%s", p.text)
	}
	for _, j := range joints(text) {
		w.defect(Joined, domain, j.term, "the strings of the record are joined without a space: %q and %q", j.left, j.right)
	}
	if len(problems) > 0 {
		return
	}
	if !w.seen[domain] {
		w.seen[domain] = true
		w.form(domain, r, len(path) == 0)
	}
	path = append(slices.Clone(path), domain)
	for _, t := range r.mechanisms {
		if t.name == "all" {
			return // nothing behind it is reached
		}
		w.term(domain, t, path, at)
	}
	if r.redirect != nil {
		w.term(domain, *r.redirect, path, at)
	}
}

// term counts a term that asks, and asks what it asks.
func (w *walk) term(domain string, t term, path []string, branch int) {
	if !t.asks() || w.s.Lookups > maxTerms {
		return
	}
	w.s.Lookups++
	w.s.Tree[branch].Lookups++
	target := strings.ToLower(strings.TrimSuffix(t.spec, "."))
	if target == "" {
		target = domain
	}
	if hasMacros(target) || t.name == "ptr" { // depends on who sends
		if t.name == "include" || t.name == "redirect" {
			w.defect(Macros, domain, t.text, "leads to another record for each sender: what that one asks is not counted here, but it is for your addresses")
		}
		return
	}
	switch t.name {
	case "include", "redirect":
		if i := slices.Index(path, target); i >= 0 {
			w.defect(Loop, domain, t.text, "it leads back to where it came from: %s", strings.Join(append(slices.Clone(path[i:]), target), " → "))
		} else if !w.domain(target, path) {
			w.defect(IncludesNone, domain, t.text, "%s has no SPF record, which is an error for the whole (RFC 7208 5.2, 6.1)", target)
		}
	case "a":
		w.addresses(domain, t, target)
	case "exists":
		answer, err := w.dns.Ask(w.ctx, target, dns.TypeA)
		w.counted(domain, t, target, "A record", len(answer.Records), err)
	case "mx":
		exchangers, err := w.dns.Exchangers(w.ctx, target)
		w.counted(domain, t, target, "MX record", len(exchangers), err)
		if len(exchangers) > maxNames {
			w.defect(TooManyMX, domain, t.text, "%s has %d MX records, and %d is the limit: an error for receivers (RFC 7208 4.6.4)", target, len(exchangers), maxNames)
		}
	}
}

// addresses counts a look-up as void if it is for senders of one kind of address at least.
func (w *walk) addresses(domain string, t term, target string) {
	addrs, err := w.dns.AllAddresses(w.ctx, target)
	if len(addrs) > 0 {
		err = nil
	}
	w.counted(domain, t, target, "address", len(addrs), err)
}

// counted counts a look-up that found nothing.
func (w *walk) counted(domain string, t term, target, what string, n int, err error) {
	switch {
	case err != nil:
		w.unknown(err)
	case n == 0:
		w.s.Voids++
		w.defect(Void, domain, t.text, "%s has no %s: the term does nothing but use up one of the %d look-ups that may find nothing", target, what, MaxVoids)
	}
}

// limits holds the numbers of the whole against the limits.
func (w *walk) limits() {
	s := &w.s
	most := fmt.Sprint(s.Lookups)
	if s.Lookups > maxTerms {
		most = fmt.Sprintf("more than %d", maxTerms)
	}
	switch {
	case s.Lookups > MaxLookups:
		w.defect(TooMany, s.Domain, "", "it takes %s look-ups, and %d is the limit: whoever is not matched before the limit gets an error (RFC 7208 4.6.4)", most, MaxLookups)
	case s.Lookups >= nearLimit:
		w.defect(NearLimit, s.Domain, "", "it takes %d look-ups of %d: one more by somebody whom you include, and it is an error", s.Lookups, MaxLookups)
	}
	if s.Voids > MaxVoids {
		w.defect(TooManyVoids, s.Domain, "", "%d of its look-ups find nothing, and %d is the limit: an error for receivers that hold it (RFC 7208 4.6.4)", s.Voids, MaxVoids)
	}
	if len(s.Texts) == 1 && len(s.Texts[0].String()) > 450 {
		w.defect(TooLong, s.Domain, "", "the record has %d characters; up to about 450 fit into every answer (RFC 7208 3.4)", len(s.Texts[0].String()))
	} else if s.Octets > 512 {
		w.defect(TooLong, s.Domain, "", "the answer with all TXT records has %d octets; what is over 512 needs EDNS or TCP, which some receivers still lack (RFC 7208 3.4)", s.Octets)
	}
}

// form looks for what is wrong with one record by itself.
func (w *walk) form(domain string, r record, top bool) {
	seen := map[string]bool{}
	all := slices.IndexFunc(r.mechanisms, func(t term) bool { return t.name == "all" })
	for i, t := range r.mechanisms {
		w.mechanism(domain, t)
		if key := strings.ToLower(t.text); seen[key] {
			w.defect(Repeated, domain, t.text, "stands twice")
		} else {
			seen[key] = true
		}
		if all >= 0 && i > all {
			w.defect(AfterAll, domain, t.text, "stands behind %q, and is never reached", r.mechanisms[all].text)
		}
	}
	if r.redirect != nil && all >= 0 {
		w.defect(UselessModify, domain, r.redirect.text, "is ignored, because the record has %q (RFC 7208 6.1)", r.mechanisms[all].text)
	}
	for _, t := range r.unknown {
		if name := mistakenFor(t.name); name != "" {
			w.defect(Mistaken, domain, t.text, "is a modifier that nobody knows, and is ignored; %s:%s is meant", name, t.spec)
		} else {
			w.defect(UnknownMod, domain, t.text, "nobody knows this modifier; it is ignored")
		}
	}
	if !top {
		return
	}
	switch {
	case all < 0 && r.redirect == nil:
		w.defect(NoAll, domain, "", "it ends without \"all\": who is not listed is neither permitted nor refused, as with ?all")
	case all >= 0 && r.mechanisms[all].qualifier == '?':
		w.defect(NeutralAll, domain, r.mechanisms[all].text, "says nothing about who is not listed")
	}
	if r.exp != nil && !hasMacros(r.exp.spec) {
		w.explanation(domain, *r.exp)
	}
}

// mechanism looks for what is unwise in one mechanism.
func (w *walk) mechanism(domain string, t term) {
	switch {
	case t.name == "all" && t.qualifier == '+':
		w.defect(Everyone, domain, t.text, "permits every address of the Internet to send as the domain")
	case t.name == "ptr":
		w.defect(Pointer, domain, t.text, "ptr is slow, and should not be used (RFC 7208 5.5); some receivers skip it. List the addresses instead")
	case usesName(t.spec):
		w.defect(NameMacro, domain, t.text, "the macro p is slow, and should not be used (RFC 7208 7.3)")
	case t.prefix.IsValid() && t.qualifier == '+':
		w.network(domain, t)
	}
}

// Prefixes that are wider than what one sender has.
const (
	wide4 = 16
	wide6 = 32
)

func (w *walk) network(domain string, t term) {
	addr, bits := t.prefix.Addr(), t.prefix.Bits()
	switch {
	case bits == 0:
		w.defect(Everyone, domain, t.text, "permits every IPv%s address of the Internet to send as the domain", t.name[2:])
	case addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast():
		w.defect(Private, domain, t.text, "is a private network, which no receiver ever sees")
	case addr.Is4() && bits < wide4, addr.Is6() && bits < wide6:
		w.defect(Wide, domain, t.text, "permits %s addresses to send as the domain", count(t.prefix))
	}
}

// count says how many addresses a network has.
func count(p netip.Prefix) string {
	if host := p.Addr().BitLen() - p.Bits(); host < 40 {
		return fmt.Sprint(uint64(1) << host)
	} else {
		return fmt.Sprintf("2^%d", host)
	}
}

// explanation looks whether the text of exp= is there (RFC 7208 6.2).
func (w *walk) explanation(domain string, t term) {
	texts, _, err := w.dns.Texts(w.ctx, t.spec)
	switch {
	case err != nil:
		w.unknown(err)
	case len(texts) != 1:
		w.defect(BadExp, domain, t.text, "%s has %d TXT records, and one is wanted: the explanation is left out", t.spec, len(texts))
	default:
		if problem := checkMacros(texts[0].String(), true); problem != "" {
			w.defect(BadExp, domain, t.text, "the explanation at %s is left out: %s", t.spec, problem)
		}
	}
}
