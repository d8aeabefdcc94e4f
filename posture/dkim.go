package posture

import (
	"context"
	"fmt"
	"slices"

	"pratique/posture/lookup"
	"pratique/signing/records"
)

// dkim holds every key against its record at the authoritative servers (RFC 6376 3.6).
func (a *audit) dkim(ctx context.Context) []Finding {
	var found []Finding
	for _, p := range a.Pairs {
		if len(p.Signed) > 0 {
			continue
		}
		if slices.ContainsFunc(a.Keys, func(k Key) bool { return k.Domain == p.From && k.Awaited }) {
			found = append(found, Finding{Topic: "dkim", Subject: p.From, Code: "no_active_key", Status: Warn,
				Found: "its keys are made and do not sign yet: mail of this domain leaves unsigned",
				Means: "they sign once all servers of the zone show their records",
				Do:    "publish the records, and wait for [keys] activate_after"})
		} else {
			found = append(found, Finding{Topic: "dkim", Subject: p.From, Code: "no_key", Status: Warn,
				Found: "there is no key: mail of this domain leaves unsigned",
				Means: "Gmail, Yahoo and Microsoft want DKIM for bulk mail (Gmail: 5.7.30), and SPF alone does not survive forwarding",
				Do:    "make keys, and publish what this prints: pratique keys new " + p.From})
		}
	}
	found = append(found, a.onlyEd25519()...)
	names := make([]string, len(a.Keys))
	keys := map[string]Key{}
	for i, k := range a.Keys {
		names[i], keys[k.Record] = k.Record, k
	}
	return append(found, perDomain(once(names), func(name string) []Finding { return a.dkimOf(ctx, keys[name]) })...)
}

// onlyEd25519 names domains that sign with Ed25519 alone, which many receivers do not
// know (RFC 8463): for them there is no signature.
func (a *audit) onlyEd25519() []Finding {
	kinds := map[string]map[string]bool{}
	var domains []string
	for _, k := range a.Keys {
		if k.Private == nil || k.Awaited {
			continue
		}
		if kinds[k.Domain] == nil {
			kinds[k.Domain] = map[string]bool{}
			domains = append(domains, k.Domain)
		}
		kinds[k.Domain][k.Private.Algorithm()] = true
	}
	var found []Finding
	for _, domain := range domains {
		if !kinds[domain]["rsa-sha256"] {
			found = append(found, Finding{Topic: "dkim", Subject: domain, Code: "only_ed25519", Status: Warn,
				Found: "mail is signed with Ed25519 alone, and not with RSA",
				Means: "many receivers do not know Ed25519, and take the mail for unsigned",
				Do:    "sign with an RSA key beside it: pratique keys new " + domain + " --type rsa"})
		}
	}
	return found
}

func (a *audit) dkimOf(ctx context.Context, k Key) []Finding {
	f := Finding{Topic: "dkim", Subject: k.Record}
	if k.Private == nil {
		f.Code, f.Status = "key_unusable", Fail
		f.Found = fmt.Sprint(k.Err)
		f.Means = "mail of " + k.Domain + " can't be signed"
		f.Do = "put the key in its place, or take it out of the configuration"
		return []Finding{f}
	}
	s := a.survey(ctx, k)
	f.Code, f.Found = "dkim_"+string(s.State), s.Text
	switch s.State {
	case records.Match:
		f.Status = OK
		return append([]Finding{f}, warnings(k, s)...)
	case records.Unknown:
		f.Status, f.Found = Unknown, a.unknownKey(ctx, k, s)
		return []Finding{f}
	}
	f.Status = Fail
	f.Means = "receivers can't verify what this key signs (Gmail: 5.7.30)"
	f.Do = "publish the record as it stands here, and nothing else under the name"
	if k.Awaited {
		f.Status = Warn
		f.Means = "the key waits for its record, and signs nothing until then"
	}
	f.Publish = []string{txtLine(k.Record, k.Private.Record())}
	a.whereabouts(ctx, k, &f)
	for _, seen := range s.Servers {
		f.Details = append(f.Details, fmt.Sprintf("%s: %s", seen.Server, seen.Text))
	}
	if weak := k.Private.Weakness(); weak != "" {
		return []Finding{f, {Topic: "dkim", Subject: k.Record, Code: "weak_key", Status: Warn, Found: weak, Do: "make a longer key: pratique keys new " + k.Domain}}
	}
	return []Finding{f}
}

// whereabouts says where the record may have gone: behind a CNAME, or under a name to
// which the form of a provider has added the domain once more.
func (a *audit) whereabouts(ctx context.Context, k Key, f *Finding) {
	here, answer, err := a.dns.Texts(ctx, k.Record)
	if err == nil && len(answer.Aliases) > 0 {
		f.Do = fmt.Sprintf("a CNAME leads to %s: have the record published there, or publish it as it stands here in place of the CNAME", answer.Name)
	}
	doubled := k.Record + "." + k.Domain
	there, _, err := a.dns.Texts(ctx, doubled)
	wildcard := slices.EqualFunc(here, there, func(a, b lookup.Text) bool { return a.String() == b.String() })
	if err == nil && len(there) > 0 && !wildcard {
		f.Do = fmt.Sprintf("there is a record at %s: the domain stands in its name twice, for the form adds it by itself. Enter %s._domainkey", doubled, k.Selector)
	}
}

func warnings(k Key, s records.Survey) []Finding {
	var found []Finding
	record := k.Private.Record()
	asIs := records.Examine([]string{record}, k.Private).Warnings // these are of the key, and stay with any record
	for _, w := range s.Warnings {
		f := Finding{Topic: "dkim", Subject: k.Record, Code: "dkim_warning", Status: Warn, Found: w}
		if slices.Contains(asIs, w) {
			f.Do = "make a longer key: pratique keys new " + k.Domain
		} else {
			f.Do, f.Publish = "publish the record as it stands here", []string{txtLine(k.Record, record)}
		}
		found = append(found, f)
	}
	if weak := k.Private.Weakness(); weak != "" && len(found) == 0 { // otherwise the record's warnings say it
		found = append(found, Finding{Topic: "dkim", Subject: k.Record, Code: "weak_key", Status: Warn, Found: weak,
			Do: "make a longer key: pratique keys new " + k.Domain})
	}
	return found
}

// unknownKey says why the record is not known, and what the resolver shows in the meantime.
func (a *audit) unknownKey(ctx context.Context, k Key, s records.Survey) string {
	texts, _, err := a.dns.Texts(ctx, k.Record)
	if err != nil {
		return s.Text
	}
	var published []string
	for _, t := range texts {
		published = append(published, t.String())
	}
	return fmt.Sprintf("%s; the resolver shows: %s", s.Text, records.Examine(published, k.Private).Text)
}
