package posture

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
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
	found := a.judgeSPF(ctx, a.dns, s)
	a.mendSPF(ctx, s, found)
	return found
}

// judgeSPF says what a record is, as a DNS has it, what is wrong with it, and what it
// says of each sending address.
func (a *audit) judgeSPF(ctx context.Context, d *lookup.DNS, s spf.Survey) []Finding {
	var found []Finding
	if f, ok := summary(s); ok {
		found = append(found, f)
	}
	for _, err := range s.Unknown {
		found = append(found, Finding{Topic: "spf", Subject: s.Domain, Code: "spf_unknown", Status: Unknown,
			Found: "a part of the record can't be looked through: " + err.Error(),
			Means: "receivers that can't either answer with a temporary error (RFC 7208 2.6.6), and mail is late"})
	}
	for _, defect := range s.Defects {
		found = append(found, a.defect(ctx, s, defect))
	}
	if s.Has(spf.NoRecord) {
		return found
	}
	for _, addr := range a.Addresses {
		found = append(found, a.verdict(ctx, d, s.Domain, addr))
	}
	return append(found, a.nobody(ctx, d, s)...)
}

// mendSPF adds the record to publish to those findings that it does away with. It is
// tried out: what is still wrong with it gets no record, and what is newly so is said.
func (a *audit) mendSPF(ctx context.Context, s spf.Survey, found []Finding) {
	before := len(s.Texts) + len(s.Resembling)
	if !slices.ContainsFunc(found, Finding.bad) {
		return
	}
	mended, ok := spf.Mend(ctx, a.dns, s, a.Hostname, a.public())
	if !ok {
		a.wantAddress(found)
		return
	}
	tried := spf.With(ctx, a.dns, s.Domain, mended.Text)
	after := a.judgeSPF(ctx, tried, spf.Look(ctx, tried, s.Domain))
	come := newly(found, after)
	for i, f := range found {
		stays := slices.ContainsFunc(after, func(other Finding) bool { return other.Code == f.Code && other.Found == f.Found })
		if f.bad() && !stays {
			found[i].Publish = []string{txtLine(s.Domain, mended.Text)}
			found[i].Do = inPlace(f.Do, before, mended.Left) + come
		}
	}
}

// newly says what is not well after a change, and of another kind than before.
func newly(before, after []Finding) string {
	var come []string
	for _, f := range after {
		if f.bad() && !slices.ContainsFunc(before, func(old Finding) bool { return old.Code == f.Code }) {
			come = append(come, f.Found)
		}
	}
	if len(come) == 0 {
		return ""
	}
	return "; what is not well with it: " + strings.Join(come, "; ")
}

// wantAddress says why no record is printed where it is not known whom it has to permit.
func (a *audit) wantAddress(found []Finding) {
	if len(a.public()) > 0 {
		return
	}
	for i, f := range found {
		if f.bad() {
			found[i].Do = strings.TrimPrefix(f.Do+"; name the address that receivers see in the configuration (egress), and a record for it is shown here", "; ")
		}
	}
}

// inPlace adds to what is to be done what becomes of the records that are there, and of
// terms that were left out.
func inPlace(do string, records int, left []string) string {
	parts := []string{do}
	switch records {
	case 0:
	case 1:
		parts = append(parts, "the record here takes the place of the one there")
	default:
		parts = append(parts, "the record here takes the place of those there")
	}
	if len(left) > 0 {
		parts = append(parts, "it lacks "+strings.Join(left, ", "))
	}
	return strings.TrimPrefix(strings.Join(parts, "; "), "; ")
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

// verdict evaluates the record for a sending address.
func (a *audit) verdict(ctx context.Context, d *lookup.DNS, domain string, addr netip.Addr) Finding {
	v := spf.Check(ctx, d, spf.Sender{Addr: addr, Helo: a.Hostname}, domain)
	f := Finding{Topic: "spf", Subject: domain, Code: "spf_" + string(v.Result), Status: Fail,
		Found: fmt.Sprintf("%s for %s: %s; %s", v.Result, addr, reason(v), spent(v))}
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
		// An error by the letter of RFC 7208, which not all receivers see.
		if spf.Check(ctx, d, spf.Sender{Addr: addr, Helo: a.Hostname, Lenient: true}, domain).Result != spf.PermError {
			f.Status = Warn
			f.Means = "receivers that count each query without an answer, as RFC 7208 says, take the record for an error; those that look for addresses of both kinds do not"
			f.Do = "list the addresses by ip4: and ip6: in place of names that have only one kind"
		}
	default:
		f.Means = "mail that leaves from this address does not pass SPF (Gmail: 5.7.27)"
		f.Do = "add the address to the record"
		if !public(addr) {
			f.Status = Unknown
			f.Means = "receivers do not see this address, but that of the router before it"
			f.Do = "name that one in the configuration: egress = [\"192.0.2.25\"]"
		}
	}
	return f
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
		spf.Mistaken:      {Warn, "what it was to permit does not pass", "write it with a colon"},
		spf.Macros:        {Info, "", ""},
		spf.NameMacro:     {Warn, "", "do without %{p}"},
		spf.Repeated:      {Warn, "", "take out one of them"},
	}[c]
}

func (a *audit) defect(ctx context.Context, s spf.Survey, d spf.Defect) Finding {
	advice := adviceOn(d.Code)
	f := Finding{Topic: "spf", Subject: s.Domain, Code: "spf_" + string(d.Code), Status: advice.status, Means: advice.means, Do: advice.do, Found: d.Text}
	if d.Term != "" {
		f.Found = fmt.Sprintf("%q: %s", d.Term, d.Text)
	}
	if d.Domain != s.Domain {
		f.Found += " (record of " + d.Domain + ", which is included)"
		if f.Do != "" {
			f.Do += "; that record is not yours, perhaps: tell its owner, or do without it"
		}
	}
	switch d.Code {
	case spf.NoRecord:
		if old, err := a.dns.Ask(ctx, s.Domain, dns.TypeSPF); err == nil && len(old.Records) > 0 {
			f.Details = []string{"a record of the type SPF (99) is there, which nobody reads any more: TXT is wanted (RFC 7208 3.1)"}
		}
	case spf.Several:
		for _, text := range s.Texts {
			f.Details = append(f.Details, text.String())
		}
	}
	return f
}

// nobody tries an address that no sender has (RFC 1112 4, reserved).
func (a *audit) nobody(ctx context.Context, d *lookup.DNS, s spf.Survey) []Finding {
	if s.Has(spf.Everyone) {
		return nil
	}
	addr := netip.AddrFrom4([4]byte{240, 0, 0, 1})
	v := spf.Check(ctx, d, spf.Sender{Addr: addr, Helo: "nobody.example"}, s.Domain)
	if v.Result != spf.Pass {
		return nil
	}
	f := a.defect(ctx, s, spf.Defect{Code: spf.Everyone, Domain: s.Domain,
		Text: fmt.Sprintf("the record permits even %s, an address that nobody has: %s", addr, reason(v))})
	return []Finding{f}
}
