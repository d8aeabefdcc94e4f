package posture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"pratique/posture/dmarc"
)

// dmarc looks at the record that covers each domain of From, by both rules, and at
// what of our mail is aligned (RFC 9989, RFC 7489).
func (a *audit) dmarc(ctx context.Context) []Finding {
	byFrom := map[string]Pair{}
	var froms []string
	for _, p := range a.Pairs {
		froms, byFrom[p.From] = append(froms, p.From), p
	}
	return perDomain(once(froms), func(domain string) []Finding { return a.dmarcOf(ctx, byFrom[domain]) })
}

// covered is what covers a domain of From.
type covered struct {
	*audit
	pair     Pair
	walk     dmarc.Found // RFC 9989
	suffix   dmarc.Found // RFC 7489
	exists   bool        // the domain itself is in the DNS
	findings []Finding
}

func (c *covered) add(code string, s Status, found, means, do string, publish ...string) {
	c.findings = append(c.findings, Finding{Topic: "dmarc", Subject: c.pair.From, Code: code, Status: s, Found: found, Means: means, Do: do, Publish: publish})
}

func (a *audit) dmarcOf(ctx context.Context, p Pair) []Finding {
	c := &covered{audit: a, pair: p, walk: dmarc.Walk(ctx, a.dns, p.From), suffix: dmarc.BySuffix(ctx, a.dns, p.From), exists: a.exists(ctx, p.From)}
	c.strays(ctx)
	if c.walk.Unknown != nil && c.walk.Record == nil {
		c.add("dmarc_unknown", Unknown, "whether a record covers the domain is not known: "+c.walk.Unknown.Error(), "", "")
		return c.findings
	}
	if c.walk.Unknown != nil {
		c.add("dmarc_unknown", Unknown, c.walk.Unknown.Error(), "", "")
	}
	if c.walk.Above != nil {
		c.add("dmarc_suffix_unknown", Info, "whether the registry above has a record is not known: "+c.walk.Above.Error(), "it matters only for what is said of the organizational domain, and hardly a registry has one", "")
	}
	if c.walk.Record == nil {
		if !c.passedOver() { // otherwise it was said why
			c.missing(ctx)
		}
	} else {
		c.record(ctx)
	}
	c.differs(ctx)
	c.alignment(ctx)
	return c.findings
}

// line is the line that publishes a record for a domain: where a CNAME leads, if it leads
// to a record.
func (c *covered) line(ctx context.Context, domain, record string) string {
	return txtLine(c.placeOf(ctx, "_dmarc."+domain), record)
}

// exists reports whether a name has addresses or exchangers; what is not known counts as there.
func (a *audit) exists(ctx context.Context, domain string) bool {
	addrs, err := a.dns.AllAddresses(ctx, domain)
	exchangers, mxErr := a.dns.Exchangers(ctx, domain)
	return len(addrs) > 0 || len(exchangers) > 0 || err != nil || mxErr != nil
}

// strays names records that are passed over: several at one name, and texts that
// were meant to be one.
func (c *covered) strays(ctx context.Context) {
	for _, s := range c.walk.Steps {
		for _, text := range s.Others {
			c.add("dmarc_resembles", Fail, fmt.Sprintf("%.60q at _dmarc.%s is no DMARC record: %s", text, s.Domain, dmarc.Resembles(text)),
				"receivers pass it over", "write it as a record, in its place", c.line(ctx, s.Domain, dmarc.Repair(text)))
		}
		if len(s.Texts) > 1 {
			c.add("dmarc_several", Fail, fmt.Sprintf("there are %d DMARC records at _dmarc.%s", len(s.Texts), s.Domain),
				"receivers take none of them (RFC 9989 4.10)", "leave one of them; the record here asks for what the weakest of them does, and sends reports to where all of them do", c.line(ctx, s.Domain, dmarc.Merge(s.Texts)))
			c.findings[len(c.findings)-1].Details = s.Texts
		}
	}
}

// passedOver reports that there are records, which receivers pass over.
func (c *covered) passedOver() bool {
	return slices.ContainsFunc(c.findings, func(f Finding) bool { return f.Status == Fail })
}

// suggestion is the record to begin with. Reports go to the domain itself, unless it
// says that it takes no mail; that it has no MX yet is said elsewhere.
func (a *audit) suggestion(ctx context.Context, domain string) string {
	if exchangers, err := a.dns.Exchangers(ctx, domain); err == nil && slices.ContainsFunc(exchangers, isNull) {
		return "v=DMARC1; p=none"
	}
	return "v=DMARC1; p=none; rua=mailto:dmarc-reports@" + domain
}

func (c *covered) missing(ctx context.Context) {
	org := c.suffix.Org
	c.add("no_dmarc", Fail, "no DMARC record covers the domain: "+c.path(),
		"Gmail (5.7.40), Yahoo and Microsoft (5.7.515) want one for bulk mail, and anyone may use the domain in From",
		"publish a record that only asks for reports, look at these, then raise p= to quarantine and reject",
		c.line(ctx, org, c.suggestion(ctx, org)))
	doubled := "_dmarc." + org + "." + org
	if answer, err := c.dns.Ask(ctx, doubled, dns.TypeTXT); err == nil && len(answer.Records) > 0 {
		c.findings[len(c.findings)-1].Details = []string{"there is a record at " + doubled + ": the domain stands in its name twice, for the form adds it by itself. Enter _dmarc"}
	}
	if answer, err := c.dns.Ask(ctx, "_dmarc."+org, dns.TypeTXT); err == nil && len(answer.Aliases) > 0 {
		c.findings[len(c.findings)-1].Details = []string{fmt.Sprintf("_dmarc.%s is a CNAME that leads to %s, where there is no record: have it published there, or publish the one here in place of the CNAME", org, answer.Name)}
	}
}

// path tells where the record was looked for.
func (c *covered) path() string {
	var names []string
	for _, s := range c.walk.Steps {
		names = append(names, "_dmarc."+s.Domain)
	}
	return "looked for at " + strings.Join(names, ", ")
}

// record judges the record that applies.
func (c *covered) record(ctx context.Context) {
	r := c.walk.Record
	policy := r.For(c.walk.Own(), c.exists)
	text := fmt.Sprintf("%s, at _dmarc.%s", r.Text, c.walk.At)
	if !c.walk.Own() {
		text += fmt.Sprintf("; the policy for the domain is %s", policy)
	}
	c.add("dmarc_record", OK, text, "", "")
	if len(r.Problems) > 0 {
		c.findings[len(c.findings)-1].Status = Info
	}
	for i, p := range r.Problems {
		s, means, do := Warn, "", ""
		var publish []string
		switch {
		case p.Fatal:
			s, means = Fail, "receivers take the record for p=none, or for none at all"
		case p.Harmless:
			s = Info
		}
		if i == len(r.Problems)-1 { // what mends all of them
			do, publish = "mend the record", []string{c.line(ctx, c.home(), c.mended(ctx, *r))}
		}
		c.add("dmarc_syntax", s, p.Text, means, do, publish...)
	}
	c.advise(ctx, *r, policy)
	c.reports(ctx, *r)
}

// advise says what to do about the policy.
func (c *covered) advise(ctx context.Context, r dmarc.Record, policy dmarc.Policy) {
	switch {
	case policy == dmarc.None && r.P != "":
		c.add("dmarc_monitoring", Info, "the policy is none: receivers are asked to do nothing about forged mail",
			"receivers are content with it, and so are forgers",
			"once the reports show that all your mail is aligned, publish p=quarantine, and then p=reject", c.raised(ctx, r, dmarc.Quarantine))
	case policy == dmarc.Quarantine && !r.Testing:
		c.add("dmarc_quarantine", Info, "the policy is quarantine: forged mail ends in spam folders", "",
			"once the reports show that all your mail is aligned, publish p=reject", c.raised(ctx, r, dmarc.Reject))
	case r.Testing:
		c.add("dmarc_testing", Warn, fmt.Sprintf("t=y: the policy is %s, and receivers are asked to apply %s", policy, policy.Weakened()),
			"", "take t=y out once the reports show that all your mail is aligned", c.changed(ctx, r, func(r *dmarc.Record) { r.Testing = false }))
	}
	if c.walk.Own() && r.SP != "" && r.SP.Weaker(r.P) {
		c.add("dmarc_subdomains", Warn, fmt.Sprintf("sp=%s is weaker than p=%s", r.SP, r.P), "whoever forges takes a subdomain", "leave sp= out, or raise it",
			c.changed(ctx, r, func(r *dmarc.Record) { r.SP = "" }))
	}
	if r.NP != "" && r.NP.Weaker(r.For(false, true)) {
		c.add("dmarc_subdomains", Warn, fmt.Sprintf("np=%s is weaker than the policy of subdomains that exist", r.NP), "whoever forges takes a subdomain that does not exist", "np=reject harms no mail",
			c.changed(ctx, r, func(r *dmarc.Record) { r.NP = dmarc.Reject }))
	}
	if r.PSD == "y" && c.walk.Own() {
		c.add("dmarc_psd", Warn, "psd=y says that the domain is a public suffix, below which others have their domains", "nothing but mail of the domain itself is aligned with it", "take psd=y out, unless you run a registry",
			c.changed(ctx, r, func(r *dmarc.Record) { r.PSD = "u" }))
	}
	if len(c.pair.Signed) == 0 && dmarc.None.Weaker(policy) {
		c.add("dmarc_without_dkim", Warn, fmt.Sprintf("the policy is %s, and mail of the domain is not signed", policy), "what is forwarded passes neither SPF nor DKIM, and is lost", "make keys: pratique keys new "+c.pair.From)
	}
}

// changed is the line that publishes the record with a change. The record of a public
// suffix is not ours to change: then it is one of our own beside it.
func (c *covered) changed(ctx context.Context, r dmarc.Record, change func(*dmarc.Record)) string {
	change(&r)
	return c.line(ctx, c.home(), r.String())
}

// raised is the line that publishes a policy for the domain, in the tag that has it now.
func (c *covered) raised(ctx context.Context, r dmarc.Record, to dmarc.Policy) string {
	return c.changed(ctx, r, func(r *dmarc.Record) {
		switch {
		case c.home() != c.walk.At:
			*r = dmarc.Parse(c.suggestion(ctx, c.home()))
			r.P = to
		case c.walk.Own() || r.SP == "" && (c.exists || r.NP == ""):
			if r.P = to; r.SP.Weaker(to) { // whoever forges would take a subdomain
				r.SP = ""
			}
		case !c.exists && r.NP != "":
			r.NP = to
		default:
			r.SP = to
		}
	})
}

// reports looks at the addresses of reports (RFC 9990 4).
func (c *covered) reports(ctx context.Context, r dmarc.Record) {
	if len(r.RUA) == 0 {
		c.add("dmarc_no_reports", Info, "no valid rua=: nobody reports to you", "you do not learn which of your mail fails, nor who forges it",
			"add an address for aggregate reports", c.line(ctx, c.home(), c.mended(ctx, r)))
	}
	for _, report := range r.RUA {
		c.reportTo(ctx, "rua", report)
	}
	for _, report := range r.RUF {
		c.reportTo(ctx, "ruf", report)
	}
}

// home is the domain of ours at which a record belongs: that of a public suffix is
// not ours.
func (c *covered) home() string {
	if c.walk.Own() || c.walk.At == c.walk.Org {
		return c.walk.At
	}
	return c.walk.Org
}

// mended returns the record as it was meant, with an address for reports; or one of our
// own beside that of a public suffix.
func (c *covered) mended(ctx context.Context, r dmarc.Record) string {
	if c.home() != c.walk.At {
		return c.suggestion(ctx, c.home())
	}
	mended := dmarc.Parse(dmarc.Repair(r.Text))
	if len(mended.RUA) == 0 {
		mended.RUA = dmarc.Parse(c.suggestion(ctx, c.home())).RUA
	}
	return mended.String()
}

func (c *covered) reportTo(ctx context.Context, tag string, report dmarc.Report) {
	_, domain, _ := strings.Cut(report.Address, "@")
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if trouble, s := c.takesMail(ctx, domain); trouble != "" {
		c.add("dmarc_report_address", s, fmt.Sprintf("%s=%s: %s", tag, report.URI, trouble), "reports are lost", "name an address that takes mail")
	}
	target := dmarc.Walk(ctx, c.dns, domain)
	if target.Org == c.walk.Org || dmarc.Organizational(domain) == c.suffix.Org {
		return
	}
	name := dmarc.AuthorizationName(c.walk.At, domain)
	texts, _, err := c.dns.Texts(ctx, name)
	if err != nil {
		c.add("dmarc_authorization_unknown", Unknown, fmt.Sprintf("%s=%s: whether %s takes reports for others is not known: %v", tag, report.URI, domain, err), "", "")
		return
	}
	for _, text := range texts {
		if dmarc.IsRecord(text.String()) {
			c.add("dmarc_authorized", OK, fmt.Sprintf("%s=%s: %s says that it takes reports of this domain", tag, report.URI, domain), "", "")
			return
		}
	}
	c.add("dmarc_not_authorized", Warn, fmt.Sprintf("%s=%s: %s does not say that it takes reports of this domain", tag, report.URI, domain),
		"receivers send no reports there (RFC 9990 4)", "have this record published at "+domain+", or name an address of your own", txtLine(name, "v=DMARC1"))
}

// takesMail says why a domain can't take mail, or returns "".
func (a *audit) takesMail(ctx context.Context, domain string) (string, Status) {
	exchangers, err := a.dns.Exchangers(ctx, domain)
	switch {
	case err != nil:
		return "whether it takes mail is not known: " + err.Error(), Unknown
	case len(exchangers) == 1 && exchangers[0].Mx == ".":
		return domain + " takes no mail (null MX)", Warn
	case len(exchangers) > 0:
		return "", OK
	}
	addrs, err := a.dns.AllAddresses(ctx, domain)
	switch {
	case len(addrs) > 0:
		return "", OK
	case err != nil:
		return "whether it takes mail is not known: " + err.Error(), Unknown
	}
	return domain + " takes no mail: it has neither MX nor address", Warn
}

// differs shows where receivers by RFC 7489 come to another result.
func (c *covered) differs(ctx context.Context) {
	switch {
	case c.suffix.Unknown != nil, c.walk.Unknown != nil:
		return
	case c.suffix.At == c.walk.At && c.suffix.Org == c.walk.Org:
		return
	case c.suffix.At == "" && c.walk.At == "":
		return // no record, and nothing that would depend on it
	}
	tell := func(f dmarc.Found) string {
		if f.Record == nil {
			return fmt.Sprintf("no record (organizational domain %s)", f.Org)
		}
		return fmt.Sprintf("the record at _dmarc.%s (organizational domain %s, policy %s)", f.At, f.Org, f.Record.For(f.Own(), c.exists))
	}
	text := fmt.Sprintf("by RFC 9989 (tree walk): %s; by RFC 7489 (public suffixes): %s", tell(c.walk), tell(c.suffix))
	if c.suffix.At == c.walk.At {
		c.add("dmarc_differs", Info, text, "receivers agree on the record, and differ in what is aligned with From", "")
		return
	}
	c.add("dmarc_differs", Warn, text,
		"receivers differ in what they apply, until all have changed over", "publish a record at the domain itself, which both find first", c.line(ctx, c.pair.From, c.recordOr(ctx, c.walk.Record)))
}

func (c *covered) recordOr(ctx context.Context, r *dmarc.Record) string {
	if r == nil {
		return c.suggestion(ctx, c.pair.From)
	}
	return r.Text
}

// alignment holds the domains that authenticate our mail against that of From.
func (c *covered) alignment(ctx context.Context) {
	var r dmarc.Record
	if c.walk.Record != nil {
		r = *c.walk.Record
	}
	var good, bad []string
	unknown := false
	for _, by := range c.authenticated(r) {
		other := dmarc.Walk(ctx, c.dns, by.domain)
		if err := errors.Join(c.walk.Unknown, other.Unknown); err != nil && !by.strict && by.domain != c.pair.From {
			c.add("dmarc_alignment_unknown", Unknown, fmt.Sprintf("whether %s=%s is aligned with From is not known: %v", by.what, by.domain, err), "", "")
			unknown = true
			continue
		}
		text := fmt.Sprintf("%s=%s", by.what, by.domain)
		aligned := dmarc.Aligned(c.walk, other, by.strict)
		if old := by.domain == c.pair.From || !by.strict && dmarc.Organizational(by.domain) == c.suffix.Org; old != aligned {
			text += map[bool]string{true: " (not by the public suffixes of RFC 7489)", false: " (by the public suffixes of RFC 7489 it is)"}[aligned]
		}
		switch {
		case aligned:
			good = append(good, text)
		case by.strict:
			bad = append(bad, text+" ("+by.tag+"=s wants the same domain)")
		default:
			bad = append(bad, text)
		}
	}
	switch {
	case len(good) == 0 && unknown: // it may be what is not known that is aligned
	case len(good) == 0:
		c.add("dmarc_unaligned", Fail, "nothing that authenticates our mail is aligned with From: "+strings.Join(bad, ", "), "DMARC fails for all of it (Gmail: 5.7.32)", "sign as the domain of From, or send with it in MAIL FROM")
	case len(bad) > 0:
		c.add("dmarc_partly_aligned", Warn, fmt.Sprintf("aligned with From: %s; not aligned: %s", strings.Join(good, ", "), strings.Join(bad, ", ")), "what is not aligned does not count for DMARC", "use the domain of From, or one of the same organization")
	default:
		c.add("dmarc_aligned", OK, "aligned with From: "+strings.Join(good, ", "), "", "")
	}
}

// authenticator is a domain that authenticates our mail, and how it is to be aligned.
type authenticator struct {
	what, domain, tag string
	strict            bool
}

func (c *covered) authenticated(r dmarc.Record) []authenticator {
	all := []authenticator{{"MAIL FROM", c.pair.Envelope, "aspf", r.StrictSPF}}
	for _, d := range c.pair.Signed {
		all = append(all, authenticator{"d", d, "adkim", r.StrictKey})
	}
	return all
}
