package posture

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// transport looks at MTA-STS (RFC 8461) and TLS reporting (RFC 8460) of the domains
// that take mail.
func (a *audit) transport(ctx context.Context) []Finding {
	return perDomain(a.domains(), func(domain string) []Finding {
		return append(a.sts(ctx, domain), a.tlsReports(ctx, domain)...)
	})
}

// tlsReports looks at the record of TLS reporting (RFC 8460 3).
func (a *audit) tlsReports(ctx context.Context, domain string) []Finding {
	name := "_smtp._tls." + domain
	texts, _, err := a.dns.Texts(ctx, name)
	record, f := single(Finding{Topic: "tls-rpt", Subject: domain, Code: "tlsrpt"}, name, "TLSRPTv1", texts, err, func(texts []string) string { return tlsRecord(domain, texts) })
	switch {
	case record == nil && f.Status == Info:
		f.Found, f.Means = "there is no record at "+name, "you do not learn when mail to the domain can't be delivered with TLS"
		f.Publish = []string{txtLine(name, tlsRecord(domain, nil))}
		return []Finding{f}
	case record == nil, f.Status == Fail:
		return []Finding{f}
	}
	if problem := reportURIs(record.tags["rua"]); problem != "" {
		f.Code, f.Status = "tlsrpt_malformed", Fail
		f.Found, f.Means, f.Do, f.Publish = problem+": "+record.text, "nobody reports", "mend the record at "+name, []string{txtLine(name, tlsRecord(domain, []string{record.text}))}
		return []Finding{f}
	}
	f.Code, f.Status, f.Found = "tlsrpt_ok", OK, record.text
	return []Finding{f}
}

// reportAddress is an address for reports, in whatever is around it: a URI, or a bare mail address.
var reportAddress = regexp.MustCompile(`mailto:[^\s,;"'/!]+@[^\s,;"'!]+|https://[^\s,;"']+|[^\s,;"':=/!]+@[^\s,;"':=/!]+`)

// tlsRecord is the record to publish in place of these texts, with all addresses that they name.
func tlsRecord(domain string, texts []string) string {
	var uris []string
	for _, text := range texts {
		for _, uri := range reportAddress.FindAllString(text, -1) {
			if !strings.HasPrefix(uri, "https:") && !strings.HasPrefix(uri, "mailto:") {
				uri = "mailto:" + uri
			}
			uris = append(uris, uri)
		}
	}
	if len(uris) == 0 {
		uris = []string{"mailto:tls-reports@" + domain}
	}
	return "v=TLSRPTv1; rua=" + strings.Join(once(uris), ",")
}

// reportURIs says what is wrong with a list of mailto: and https: URIs.
func reportURIs(list string) string {
	if list == "" {
		return "rua= is missing"
	}
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Scheme == "":
			return fmt.Sprintf("%q is no URI; mailto:… or https://… is wanted", text)
		case strings.ContainsAny(text, " \t!"): // a list wants commas, and a size is of DMARC's past (RFC 8460 3)
			return fmt.Sprintf("%q is no URI: spaces and \"!\" have no place in it", text)
		case u.Scheme == "mailto" && strings.Contains(u.Opaque, "@"):
		case u.Scheme == "https" && u.Host != "":
		default:
			return fmt.Sprintf("%q is neither a mailto: nor an https: address", text)
		}
	}
	return ""
}
