package posture

import (
	"context"
	"sort"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
)

// dnssec shows whether the zones of the sending domains are signed (RFC 4033).
func (a *audit) dnssec(ctx context.Context) []Finding {
	return perDomain(a.domains(), func(domain string) []Finding {
		f := a.dnssecOf(ctx, domain)
		f.Topic, f.Subject = "dnssec", domain
		return []Finding{f}
	})
}

func (a *audit) dnssecOf(ctx context.Context, domain string) Finding {
	soa, err := a.dns.Ask(ctx, domain, dns.TypeSOA)
	if lookup.IsBogus(err) {
		return Finding{Code: "dnssec_bogus", Status: Fail, Found: err.Error(),
			Means: "receivers that validate (Gmail does) find no record of the domain, and refuse its mail",
			Do:    "sign the zone anew, or take the DS record out at the registry"}
	}
	if err != nil {
		return Finding{Code: "dnssec_unknown", Status: Unknown, Found: err.Error()}
	}
	zone := or(soa.Zone, domain)
	ds, dsErr := a.dns.Ask(ctx, zone, dns.TypeDS)
	keys, keyErr := a.dns.Ask(ctx, zone, dns.TypeDNSKEY)
	for _, err := range []error{dsErr, keyErr} {
		if lookup.IsBogus(err) {
			return Finding{Code: "dnssec_bogus", Status: Fail, Found: err.Error(), Means: "receivers that validate find no record of the domain", Do: "sign the zone anew, or take the DS record out at the registry"}
		}
		if err != nil {
			return Finding{Code: "dnssec_unknown", Status: Unknown, Found: err.Error()}
		}
	}
	switch {
	case soa.Authenticated:
		return Finding{Code: "dnssec_valid", Status: OK, Found: "the zone " + zone + " is signed, and the resolver has verified it"}
	case len(ds.Records) > 0 && len(keys.Records) > 0:
		return Finding{Code: "dnssec_unverified", Status: Info, Found: "the zone " + zone + " is signed (DS and DNSKEY are there); the resolver does not validate, or does not say so"}
	case len(ds.Records) > 0:
		return Finding{Code: "dnssec_no_key", Status: Fail, Found: "the parent says that the zone " + zone + " is signed (DS), and it has no DNSKEY",
			Means: "receivers that validate find no record of the domain, and refuse its mail", Do: "sign the zone, or take the DS record out at the registry"}
	case len(keys.Records) > 0:
		return Finding{Code: "dnssec_island", Status: Info, Found: "the zone " + zone + " is signed, and its parent does not know (no DS)",
			Means: "nobody can verify the signatures", Do: "give the DS record to the registry"}
	}
	return Finding{Code: "dnssec_none", Status: Info, Found: "the zone " + zone + " is not signed"}
}

func sorted(texts []string) []string {
	sort.Strings(texts)
	return texts
}
