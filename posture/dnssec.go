package posture

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
)

// dnssec shows whether the zones of the sending domains are signed (RFC 4033), and
// what of the records that mail hangs on a receiver can verify.
func (a *audit) dnssec(ctx context.Context) []Finding {
	return perDomain(a.domains(), func(domain string) []Finding {
		f := a.dnssecOf(ctx, domain)
		f.Topic, f.Subject = "dnssec", domain
		return []Finding{f}
	})
}

const resign = "sign the zone anew, or take the DS record out at the registry"

// bogus says that a record can't be verified, and why, as far as its signatures show.
func (a *audit) bogus(ctx context.Context, r dependency, err error) Finding {
	f := Finding{Code: "dnssec_bogus", Status: Fail, Found: err.Error(),
		Means: "receivers that validate (Gmail does) find no such record, and take mail of the domain late or not at all", Do: resign}
	for _, kind := range []uint16{dns.TypeDNSKEY, r.kind} {
		name := r.name
		if kind == dns.TypeDNSKEY {
			name = r.zone
		}
		signatures, err := a.dns.Signatures(ctx, name, kind)
		if err != nil {
			continue
		}
		if len(signatures) == 0 {
			f.Details = append(f.Details, fmt.Sprintf("the %s of %s has no signature", dns.TypeToString[kind], name))
		}
		for _, s := range signatures {
			f.Details = append(f.Details, fmt.Sprintf("the signature of the %s of %s by key %d holds from %s to %s%s", dns.TypeToString[kind], name, s.KeyTag,
				when(s.Inception), when(s.Expiration), map[bool]string{true: ": not at this time"}[!s.ValidityPeriod(a.Now())]))
		}
	}
	return f
}

// when is a time of a signature (RFC 4034 3.1.5).
func when(seconds uint32) string {
	return time.Unix(int64(seconds), 0).UTC().Format("2006-01-02 15:04 UTC")
}

func (a *audit) dnssecOf(ctx context.Context, domain string) Finding {
	soa, err := a.dns.Ask(ctx, domain, dns.TypeSOA)
	var ds, keys lookup.Answer
	zone := or(soa.Zone, domain)
	if err == nil {
		ds, err = a.dns.Ask(ctx, zone, dns.TypeDS)
	}
	if err == nil {
		keys, err = a.dns.Ask(ctx, zone, dns.TypeDNSKEY)
	}
	switch {
	case lookup.IsBogus(err):
		return a.bogus(ctx, dependency{"SOA", domain, zone, dns.TypeSOA}, err)
	case err != nil:
		return Finding{Code: "dnssec_unknown", Status: Unknown, Found: err.Error()}
	case soa.Authenticated:
		return a.secure(ctx, domain, zone)
	case len(ds.Records) > 0 && len(keys.Records) > 0:
		return Finding{Code: "dnssec_unverified", Status: Info,
			Found: "the zone " + zone + " is signed (DS and DNSKEY are there); whether the signatures are right is not known: the resolver does not validate, or does not say so",
			Do:    `ask one that does, such as unbound: [dns] resolver = "127.0.0.1:53"`}
	case len(ds.Records) > 0:
		return Finding{Code: "dnssec_no_key", Status: Fail, Found: "the parent says that the zone " + zone + " is signed (DS), and it has no DNSKEY",
			Means: "receivers that validate find no record of the domain, and refuse its mail", Do: resign}
	case len(keys.Records) > 0:
		return Finding{Code: "dnssec_island", Status: Info, Found: "the zone " + zone + " is signed, and its parent does not know (no DS)",
			Means: "nobody can verify the signatures", Do: "give the DS record to the registry"}
	}
	return Finding{Code: "dnssec_none", Status: Info, Found: "the zone " + zone + " is not signed: its state is insecure"}
}

// dependency is a record that mail hangs on.
type dependency struct {
	what       string
	name, zone string
	kind       uint16
}

// secure looks at the records that mail hangs on, in a zone that is signed: each has
// a signature of its own that may be wrong, and a CNAME may lead to where there is none.
func (a *audit) secure(ctx context.Context, domain, zone string) Finding {
	f := Finding{Code: "dnssec_valid", Status: OK, Found: "the zone " + zone + " is signed, and the resolver has verified it: its state is secure"}
	var open []string
	for _, r := range a.hangsOn(domain, zone) {
		answer, err := a.dns.Ask(ctx, r.name, r.kind)
		switch {
		case lookup.IsBogus(err):
			return a.bogus(ctx, r, err)
		case err != nil:
			f.Details = append(f.Details, r.what+": "+err.Error())
		case len(answer.Records) == 0:
		case answer.Authenticated:
			f.Details = append(f.Details, fmt.Sprintf("%s (%s): verified", r.what, r.name))
		default:
			f.Details = append(f.Details, fmt.Sprintf("%s (%s): not verified%s", r.what, r.name, ledTo(answer)))
			open = append(open, r.what)
		}
	}
	if len(open) > 0 {
		f.Code, f.Status = "dnssec_partly", Info
		f.Found += ", but for " + strings.Join(open, ", ")
		f.Means = "what is not verified may be forged on its way, as with a zone that is not signed"
	}
	return f
}

func ledTo(a lookup.Answer) string {
	if len(a.Aliases) == 0 {
		return ""
	}
	return fmt.Sprintf(": a CNAME leads to %s, whose zone is not signed", a.Name)
}

// hangsOn are the records of a domain by which receivers judge its mail, and others find its server.
func (a *audit) hangsOn(domain, zone string) []dependency {
	all := []dependency{{"MX", domain, zone, dns.TypeMX}}
	txt := func(what, name string) { all = append(all, dependency{what, name, zone, dns.TypeTXT}) }
	txt("SPF", domain)
	txt("DMARC", "_dmarc."+domain)
	for _, k := range a.Keys {
		if k.Domain == domain {
			txt("DKIM", k.Record)
		}
	}
	txt("MTA-STS", "_mta-sts."+domain)
	txt("TLS-RPT", "_smtp._tls."+domain)
	return all
}
