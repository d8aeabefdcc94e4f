package posture

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"

	"pratique/posture/spf"
)

// spf evaluates the SPF records of the domains of MAIL FROM (RFC 7208).
func (a *audit) spf(ctx context.Context) []Finding {
	return perDomain(a.envelopes(), func(domain string) []Finding { return a.spfOf(ctx, domain) })
}

func (a *audit) spfOf(ctx context.Context, domain string) []Finding {
	s := spf.Look(ctx, a.dns, domain)
	if len(s.Unknown) > 0 && len(s.Tree) == 0 {
		return []Finding{{Topic: "spf", Subject: domain, Code: "spf_unknown", Status: Unknown, Found: s.Unknown[0].Error()}}
	}
	verdicts, uncovered := a.verdicts(ctx, domain)
	var found []Finding
	if f, ok := summary(s); ok {
		found = append(found, f)
	}
	for _, err := range s.Unknown {
		found = append(found, Finding{Topic: "spf", Subject: domain, Code: "spf_unknown", Status: Unknown,
			Found: "a part of the record can't be looked through: " + err.Error(),
			Means: "receivers that can't either answer with a temporary error (RFC 7208 2.6.6), and mail is late"})
	}
	for _, d := range s.Defects {
		found = append(found, a.defect(domain, s, d))
	}
	if s.Has(spf.NoRecord) {
		return found
	}
	for _, v := range verdicts {
		found = append(found, a.verdict(domain, s, v, uncovered))
	}
	return append(found, a.nobody(ctx, domain, s)...)
}

// summary says what the record is, if there is one.
func summary(s spf.Survey) (Finding, bool) {
	if len(s.Texts) != 1 {
		return Finding{}, false
	}
	f := Finding{Topic: "spf", Subject: s.Domain, Code: "spf_record", Status: Info,
		Found: fmt.Sprintf("%s; %d of %d look-ups, %s that find nothing, %s", s.Texts[0], s.Lookups, spf.MaxLookups,
			plural(s.Voids, "look-up", "look-ups"), plural(len(s.Texts[0].String()), "character", "characters"))}
	for _, b := range s.Tree[min(1, len(s.Tree)):] {
		f.Details = append(f.Details, fmt.Sprintf("%s%s (%s): %s", strings.Repeat("  ", b.Depth-1), b.Domain, plural(b.Lookups, "look-up", "look-ups"), b.Text))
	}
	return f, true
}

// addressVerdict is what the record says of one of our addresses.
type addressVerdict struct {
	addr netip.Addr
	spf.Verdict
	differs bool // an error by the letter of RFC 7208, which not all receivers see
}

// verdicts evaluates the record for each sending address, and returns those that it does not permit.
func (a *audit) verdicts(ctx context.Context, domain string) (all []addressVerdict, uncovered []netip.Addr) {
	for _, addr := range a.Addresses {
		sender := spf.Sender{Addr: addr, Helo: a.Hostname}
		v := spf.Check(ctx, a.dns, sender, domain)
		sender.Lenient = true
		differs := v.Result == spf.PermError && spf.Check(ctx, a.dns, sender, domain).Result != spf.PermError
		all = append(all, addressVerdict{addr, v, differs})
		if v.Result != spf.Pass && v.Result != spf.TempError && v.Result != spf.PermError {
			uncovered = append(uncovered, addr)
		}
	}
	return all, uncovered
}

// reason says which term of whose record brought a result about.
func reason(v spf.Verdict) string {
	where := v.Text
	if v.Term != "" {
		where = fmt.Sprintf("%q %s", v.Term, v.Text)
	}
	if v.Domain != "" {
		where += " (record of " + v.Domain + ")"
	}
	return where
}

// spent says how much an evaluation used up of its limits.
func spent(v spf.Verdict) string {
	text := plural(v.Lookups, "look-up", "look-ups")
	if v.Voids > 0 {
		text += fmt.Sprintf(", %d of which found nothing", v.Voids)
	}
	return text
}

func (a *audit) verdict(domain string, s spf.Survey, v addressVerdict, uncovered []netip.Addr) Finding {
	f := Finding{Topic: "spf", Subject: domain, Code: "spf_" + string(v.Result), Status: Fail,
		Found: fmt.Sprintf("%s for %s: %s; %s", v.Result, v.addr, reason(v.Verdict), spent(v.Verdict))}
	switch v.Result {
	case spf.Pass:
		f.Status = OK
	case spf.TempError:
		f.Status = Unknown
		f.Means = "receivers that can't find out either take the mail later, or not at all"
	case spf.PermError:
		f.Means = "receivers take the record for an error, which DMARC counts as no SPF (Gmail: 5.7.24, 5.7.27)"
		if v.Term != "" {
			f.Do = "mend the term that is named"
		}
		if v.differs {
			f.Status = Warn
			f.Means = "receivers that count each query without an answer, as RFC 7208 says, take the record for an error; those that look for addresses of both kinds do not"
			f.Do = "list the addresses by ip4: and ip6: in place of names that have only one kind"
		}
	default:
		f.Means = "mail that leaves from this address does not pass SPF (Gmail: 5.7.27)"
		f.Do = "add the address to the record"
		f.Publish = []string{txtLine(domain, with(s, uncovered))}
	}
	return f
}

// with returns the record with these addresses permitted, before all else.
func with(s spf.Survey, addrs []netip.Addr) string {
	record := "v=spf1 -all"
	if len(s.Texts) > 0 {
		record = s.Texts[0].String()
	}
	var terms strings.Builder
	for _, addr := range addrs {
		fmt.Fprintf(&terms, " ip%d:%s", map[bool]int{true: 4, false: 6}[addr.Is4()], addr)
	}
	return "v=spf1" + terms.String() + record[len("v=spf1"):]
}

// advice is what a defect means and what to do about it.
type advice struct {
	status    Status
	means, do string
}

const isError = "receivers take the whole record for an error: SPF does not pass, and DMARC counts it as none (Gmail: 5.7.24)"

func adviceOn(c spf.Code) advice {
	return map[spf.Code]advice{
		spf.NoRecord:      {Fail, "nothing says from where mail of the domain may come; Gmail and Yahoo want SPF for bulk mail, Microsoft does", "publish a record"},
		spf.Resembles:     {Fail, "receivers pass it over", "write it as a record, or take it out"},
		spf.Several:       {Fail, isError, "put their terms together into one, and take out the others"},
		spf.Syntax:        {Fail, isError, "mend the term that is named"},
		spf.Loop:          {Fail, isError, "take out the include that leads back"},
		spf.TooMany:       {Fail, isError, "replace includes and names by the networks that they stand for, or give parts of the mail a domain of their own in MAIL FROM"},
		spf.NearLimit:     {Info, "", "make room before somebody else's change takes it"},
		spf.TooManyVoids:  {Fail, isError, "take out the terms that find nothing"},
		spf.Void:          {Warn, "", "take out the term, or publish what it looks for"},
		spf.TooManyMX:     {Fail, isError, "list the addresses instead of mx"},
		spf.IncludesNone:  {Fail, isError, "take out the term, or have the record published there"},
		spf.Everyone:      {Fail, "whoever forges mail of the domain passes SPF, and with it DMARC; receivers know such records, and distrust the domain (Gmail: 4.7.24)", "end the record with -all or ~all, after the terms for your own addresses"},
		spf.NeutralAll:    {Warn, "the record protects nobody; receivers treat it like none", "end it with ~all, or with -all once all your senders are listed"},
		spf.NoAll:         {Warn, "the record protects nobody", "end it with ~all, or with -all once all your senders are listed"},
		spf.Pointer:       {Warn, "", "replace ptr by ip4: and ip6:"},
		spf.AfterAll:      {Warn, "", "move the term before all, or take it out"},
		spf.UselessModify: {Warn, "", "take out either redirect= or all"},
		spf.Wide:          {Warn, "strangers in that network pass SPF as you", "list the addresses that send"},
		spf.Private:       {Warn, "", "take it out; list the public addresses that receivers see"},
		spf.Joined:        {Fail, isError, "put a space at the end of the first string"},
		spf.TooLong:       {Warn, "some receivers will get no answer, or a part of it", "move terms into a record that is included, or take out TXT records that nobody needs"},
		spf.BadExp:        {Info, "", ""},
		spf.UnknownMod:    {Info, "", ""},
		spf.Macros:        {Info, "", ""},
		spf.NameMacro:     {Warn, "", "do without %{p}"},
		spf.Repeated:      {Warn, "", "take out one of them"},
	}[c]
}

func (a *audit) defect(domain string, s spf.Survey, d spf.Defect) Finding {
	advice := adviceOn(d.Code)
	f := Finding{Topic: "spf", Subject: domain, Code: "spf_" + string(d.Code), Status: advice.status, Means: advice.means, Do: advice.do, Found: d.Text}
	if d.Term != "" {
		f.Found = fmt.Sprintf("%q: %s", d.Term, d.Text)
	}
	if d.Domain != domain {
		f.Found += " (record of " + d.Domain + ", which is included)"
		f.Do = or(map[bool]string{true: f.Do + "; that record is not yours, perhaps: tell its owner, or do without it"}[f.Do != ""], f.Do)
	}
	switch d.Code {
	case spf.NoRecord:
		if len(a.Addresses) > 0 {
			f.Publish = []string{txtLine(domain, with(spf.Survey{}, a.Addresses))}
		}
	case spf.Several:
		for _, text := range s.Texts {
			f.Details = append(f.Details, text.String())
		}
		if merged := merge(s); d.Domain == domain && merged != "" {
			f.Publish = []string{txtLine(domain, merged)}
		}
	}
	return f
}

// merge puts the terms of several records into one. The strictest of their ends is kept.
func merge(s spf.Survey) string {
	merged, seen, end := "v=spf1", map[string]bool{}, ""
	strength := func(all string) int { return strings.Index("+?~-", all[:1]) }
	for _, text := range s.Texts {
		for _, t := range strings.Fields(text.String())[1:] {
			lower := strings.ToLower(t)
			switch {
			case strings.HasPrefix(lower, "redirect="):
				return "" // means something else among other terms
			case strings.TrimLeft(lower, "+-~?") == "all":
				if lower == "all" {
					lower = "+all"
				}
				if end == "" || strength(lower) > strength(end) {
					end = lower
				}
			case !seen[lower]:
				seen[lower] = true
				merged += " " + t
			}
		}
	}
	return merged + " " + cmp.Or(end, "~all")
}

// nobody tries an address that no sender has (RFC 1112 4, reserved).
func (a *audit) nobody(ctx context.Context, domain string, s spf.Survey) []Finding {
	if s.Has(spf.Everyone) {
		return nil
	}
	addr := netip.AddrFrom4([4]byte{240, 0, 0, 1})
	v := spf.Check(ctx, a.dns, spf.Sender{Addr: addr, Helo: "nobody.example"}, domain)
	if v.Result != spf.Pass {
		return nil
	}
	f := a.defect(domain, s, spf.Defect{Code: spf.Everyone, Domain: domain,
		Text: fmt.Sprintf("the record permits even %s, an address that nobody has: %s", addr, reason(v))})
	return []Finding{f}
}
