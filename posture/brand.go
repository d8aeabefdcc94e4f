package posture

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"pratique/posture/dmarc"
)

// brand looks at the form of BIMI records, where there are any
// (draft-brand-indicators-for-message-identification 4).
func (a *audit) brand(ctx context.Context) []Finding {
	var froms []string
	for _, p := range a.Pairs {
		froms = append(froms, p.From)
	}
	return perDomain(once(froms), func(domain string) []Finding { return a.brandOf(ctx, domain) })
}

func (a *audit) brandOf(ctx context.Context, domain string) []Finding {
	name := "default._bimi." + domain
	texts, _, err := a.dns.Texts(ctx, name)
	record, f := single(Finding{Topic: "bimi", Subject: domain, Code: "bimi"}, name, "BIMI1", texts, err, nil)
	switch {
	case record == nil && f.Status == Info:
		return nil // few have one, and nobody misses it
	case record == nil, f.Status == Fail:
		return []Finding{f}
	}
	f.Code, f.Status = "bimi_malformed", Fail
	f.Means, f.Do = "mail clients show no logo", "mend the record at "+name
	logo, declared := record.tags["l"]
	evidence := record.tags["a"]
	switch {
	case !declared:
		f.Found = "l= is missing: " + record.text
	case logo != "" && !secure(logo):
		f.Found = fmt.Sprintf("l=%s is no https: address", logo)
	case evidence != "" && !secure(evidence):
		f.Found = fmt.Sprintf("a=%s is no https: address", evidence)
	case logo != "" && !strings.HasSuffix(strings.ToLower(path(logo)), ".svg") && !strings.HasSuffix(strings.ToLower(path(logo)), ".svgz"):
		f.Status, f.Found = Warn, fmt.Sprintf("l=%s is no .svg: logos are SVG Tiny PS", logo)
	case logo == "" && evidence == "":
		f.Code, f.Status, f.Found, f.Means, f.Do = "bimi_declined", Info, record.text+": the domain declines to have a logo", "", ""
	default:
		f.Code, f.Status, f.Found, f.Means, f.Do = "bimi_ok", OK, record.text, "", ""
		if evidence == "" {
			f.Details = []string{"there is no certificate of the mark (a=), without which Gmail and Apple show no logo"}
		}
		return append([]Finding{f}, a.brandNeeds(ctx, domain)...)
	}
	return []Finding{f}
}

func secure(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

func path(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Path
}

// brandNeeds looks whether DMARC is strong enough: a logo is shown for what can't be
// forged, below the domain either.
func (a *audit) brandNeeds(ctx context.Context, domain string) []Finding {
	found := dmarc.Walk(ctx, a.dns, domain)
	weak := ""
	switch r := found.Record; {
	case found.Unknown != nil:
		return nil // it is said under DMARC
	case r == nil:
		weak = "no DMARC record covers it"
	case !dmarc.None.Weaker(r.For(found.Own(), true)):
		weak = "its DMARC policy is not quarantine or reject"
	case r.SP == dmarc.None:
		weak = "its DMARC policy is none for subdomains (sp=none)"
	case r.Percent < 100:
		weak = fmt.Sprintf("its DMARC policy is for a part of the mail (pct=%d)", r.Percent)
	case r.Testing:
		weak = "its DMARC policy is only tested (t=y)"
	default:
		return nil
	}
	return []Finding{{Topic: "bimi", Subject: domain, Code: "bimi_without_dmarc", Status: Warn, Found: "the domain has a BIMI record, and " + weak,
		Means: "mail clients show no logo", Do: "raise the policy of DMARC"}}
}
