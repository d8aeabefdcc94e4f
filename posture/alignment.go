package posture

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pratique/posture/dmarc"
)

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
		"receivers differ in what they apply, until all have changed over", "publish a record at the domain itself, which both find first", c.line(c.pair.From, c.own(ctx)))
}

// own is a record for the domain itself, that asks for what it is covered by: the policy of
// a record above may be another one for what lies below it.
func (c *covered) own(ctx context.Context) string {
	r := c.walk.Record
	if r == nil {
		return c.suggestion(ctx, c.pair.From)
	}
	own := *r
	if c.home() != c.walk.At { // that of a registry, which is told of others' mail
		own = dmarc.Parse(c.suggestion(ctx, c.pair.From))
	}
	own.P, own.SP, own.NP, own.PSD = r.For(c.walk.Own(), c.exists), "", "", "u"
	return own.String()
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
