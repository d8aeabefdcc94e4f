package posture

import (
	"context"
	"fmt"
	"strings"

	"pratique/posture/dmarc"
)

// reports looks at the addresses of reports (RFC 9990 4).
func (c *covered) reports(ctx context.Context, r dmarc.Record) {
	if len(r.RUA) == 0 {
		c.add("dmarc_no_reports", Info, "no valid rua=: nobody reports to you", "you do not learn which of your mail fails, nor who forges it",
			"add an address for aggregate reports, of a mailbox that is there", c.line(c.home(), c.mended(ctx, r)))
	}
	c.reportsTo(ctx, "rua", r.RUA)
	c.reportsTo(ctx, "ruf", r.RUF)
}

// mostReports bounds the addresses of a tag that are looked at.
const mostReports = 10

func (c *covered) reportsTo(ctx context.Context, tag string, all []dmarc.Report) {
	if len(all) > mostReports {
		c.add("dmarc_many_addresses", Info, fmt.Sprintf("%s= has %d addresses, of which the first %d are looked at here", tag, len(all), mostReports),
			"receivers may pass over all but the first two (RFC 7489 6.2)", "leave two of them, at most")
	}
	for _, report := range all[:min(mostReports, len(all))] {
		c.reportTo(ctx, tag, report)
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
