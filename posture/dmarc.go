package posture

import (
	"context"
	"fmt"
	"slices"
	"strings"

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
	c.strays()
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

// line is the line that publishes a record for a domain.
func (c *covered) line(domain, record string) string { return txtLine("_dmarc."+domain, record) }

// exists reports whether a name has addresses or exchangers; what is not known counts as there.
func (a *audit) exists(ctx context.Context, domain string) bool {
	addrs, err := a.dns.AllAddresses(ctx, domain)
	exchangers, mxErr := a.dns.Exchangers(ctx, domain)
	return len(addrs) > 0 || len(exchangers) > 0 || err != nil || mxErr != nil
}

// strays names records that are passed over: several at one name, and texts that
// were meant to be one.
func (c *covered) strays() {
	for _, s := range c.walk.Steps {
		for _, text := range s.Others {
			c.stray(s, text)
		}
		if len(s.Texts) > 1 {
			c.add("dmarc_several", Fail, fmt.Sprintf("there are %d DMARC records at _dmarc.%s", len(s.Texts), s.Domain),
				"receivers take none of them (RFC 9989 4.10)", "leave one of them; the record here asks for what the weakest of them does, and sends reports to where all of them do", c.line(s.Domain, dmarc.Merge(s.Texts)))
			c.findings[len(c.findings)-1].Details = s.Texts
		}
	}
}

// stray tells of a text that was meant to be a record. Written as one beside another one it
// would undo both.
func (c *covered) stray(s dmarc.Step, text string) {
	found := fmt.Sprintf("%.60q at _dmarc.%s is no DMARC record: %s", text, s.Domain, dmarc.Resembles(text))
	if len(s.Texts) > 0 {
		c.add("dmarc_beside", Info, found, "receivers pass it over; there may be one record, and another one is there", "take it out")
		return
	}
	c.add("dmarc_resembles", Fail, found, "receivers pass it over", "write it as a record, in its place", c.line(s.Domain, dmarc.Merge(s.Others)))
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
		"publish a record that only asks for reports, to a mailbox that is there; look at these, then raise p= to quarantine and reject",
		c.line(org, c.suggestion(ctx, org)))
	c.findings[len(c.findings)-1].Details = c.misplaced(ctx, org)
}

// misplaced tells of records that stand where nobody looks for them.
func (c *covered) misplaced(ctx context.Context, org string) []string {
	var details []string
	for _, wrong := range []struct{ name, why string }{
		{"_dmarc." + org + "." + org, "the domain stands in its name twice, for the form adds it by itself. Enter _dmarc"},
		{"dmarc." + org, "the underscore is missing. Enter _dmarc"},
		{org, "it stands under the domain itself. Enter _dmarc"},
	} {
		texts, _, err := c.dns.Texts(ctx, wrong.name)
		if err != nil {
			continue // it is only for a hint
		}
		for _, text := range texts {
			if dmarc.IsRecord(text.String()) || dmarc.Resembles(text.String()) != "" {
				details = append(details, fmt.Sprintf("there is a record at %s, %s: %s", wrong.name, text, wrong.why))
			}
		}
	}
	return details
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
			do, publish = "mend the record", []string{c.line(c.home(), c.mended(ctx, *r))}
			if r.Percent < 100 {
				do = "once the reports show that all your mail is aligned, mend the record: without pct= receivers by RFC 7489 apply the policy to all of it, too; until then add t=y"
			}
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
			"", "take t=y out once the reports show that all your mail is aligned", c.changed(r, func(r *dmarc.Record) { r.Testing = false }))
	}
	if c.walk.Own() && r.SP != "" && r.SP.Weaker(r.P) {
		c.add("dmarc_subdomains", Warn, fmt.Sprintf("sp=%s is weaker than p=%s", r.SP, r.P), "whoever forges takes a subdomain", "leave sp= out, or raise it",
			c.changed(r, func(r *dmarc.Record) { r.SP = "" }))
	}
	if r.NP != "" && r.NP.Weaker(r.For(false, true)) {
		c.add("dmarc_subdomains", Warn, fmt.Sprintf("np=%s is weaker than the policy of subdomains that exist", r.NP), "whoever forges takes a subdomain that does not exist", "np=reject harms no mail",
			c.changed(r, func(r *dmarc.Record) { r.NP = dmarc.Reject }))
	}
	if r.PSD == "y" && c.walk.Own() {
		c.add("dmarc_psd", Warn, "psd=y says that the domain is a public suffix, below which others have their domains", "nothing but mail of the domain itself is aligned with it", "take psd=y out, unless you run a registry",
			c.changed(r, func(r *dmarc.Record) { r.PSD = "u" }))
	}
	if len(c.pair.Signed) == 0 && dmarc.None.Weaker(policy) {
		c.add("dmarc_without_dkim", Warn, fmt.Sprintf("the policy is %s, and mail of the domain is not signed", policy), "what is forwarded passes neither SPF nor DKIM, and is lost", "make keys: pratique keys new "+c.pair.From)
	}
}

// changed is the line that publishes the record with a change. The record of a public
// suffix is not ours to change: then it is one of our own beside it.
func (c *covered) changed(r dmarc.Record, change func(*dmarc.Record)) string {
	change(&r)
	return c.line(c.home(), r.String())
}

// raised is the line that publishes a policy for the domain, in the tag that has it now.
func (c *covered) raised(ctx context.Context, r dmarc.Record, to dmarc.Policy) string {
	return c.changed(r, func(r *dmarc.Record) {
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
