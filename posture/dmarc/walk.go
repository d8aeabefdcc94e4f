package dmarc

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/net/publicsuffix"

	"pratique/posture/lookup"
)

// maxLabels bounds the tree walk (RFC 9989 4.10).
const maxLabels = 8

// Step is one name at which a record was looked for.
type Step struct {
	Domain  string
	Texts   []string // those that are DMARC records
	Others  []string // those that were meant to be
	Record  *Record  // if there is exactly one
	Unknown error
}

// Found is what was found for a domain.
type Found struct {
	Domain string
	Steps  []Step
	Org    string  // the organizational domain, which alignment goes by
	At     string  // the domain that has the record; "": there is none
	Record *Record // nil: there is none
	// Unknown is why it can't be said, since a step of the way is not known.
	Unknown error
	// Above is why it is not known whether a public suffix, which registries run, has
	// a record. Hardly one has; what is said here is right if it has none.
	Above error
}

// Own reports whether the domain itself has the record.
func (f Found) Own() bool { return f.At == f.Domain }

// look looks for the record of one domain.
func look(ctx context.Context, d *lookup.DNS, domain string) Step {
	texts, _, err := d.Texts(ctx, "_dmarc."+domain)
	s := Step{Domain: domain, Unknown: err}
	for _, text := range texts {
		if IsRecord(text.String()) {
			s.Texts = append(s.Texts, text.String())
		} else if Resembles(text.String()) != "" {
			s.Others = append(s.Others, text.String())
		}
	}
	if len(s.Texts) == 1 {
		r := Parse(s.Texts[0])
		s.Record = &r
	}
	return s
}

// next returns the next name of the tree walk, or "" at its end.
func next(name string, first bool) string {
	labels := strings.Split(name, ".")
	if first && len(labels) >= maxLabels {
		return strings.Join(labels[len(labels)-maxLabels+1:], ".")
	}
	return strings.Join(labels[1:], ".")
}

// Walk finds the record and the organizational domain of a domain by the tree walk
// of RFC 9989 4.10.
func Walk(ctx context.Context, d *lookup.DNS, domain string) Found {
	f := Found{Domain: domain, Org: domain}
	for name, first := domain, true; name != ""; name, first = next(name, first), false {
		s := look(ctx, d, name)
		f.Steps = append(f.Steps, s)
		switch {
		case s.Unknown != nil && isSuffix(name):
			f.Above = s.Unknown
		case s.Unknown != nil && f.Unknown == nil:
			f.Unknown = s.Unknown
		}
		if s.Record != nil && (s.Record.PSD == "n" || s.Record.PSD == "y" && name != domain) {
			break
		}
	}
	f.conclude()
	return f
}

// conclude draws from the steps what RFC 9989 4.10.1 and 4.10.2 say.
func (f *Found) conclude() {
	last := -1 // of the steps with a record, the one with the fewest labels
	for i, s := range f.Steps {
		if s.Record != nil {
			last = i
		}
	}
	if last < 0 {
		return
	}
	s := f.Steps[last]
	f.Org = s.Domain
	at := last
	if s.Record.PSD == "y" && s.Domain != f.Domain {
		// The organizational domain is the one below the public suffix.
		rest := strings.TrimSuffix(f.Domain, "."+s.Domain)
		f.Org = rest[strings.LastIndexByte(rest, '.')+1:] + "." + s.Domain
		for i, other := range f.Steps {
			if other.Domain == f.Org && other.Record != nil {
				at = i
			}
		}
	}
	if f.Steps[0].Record != nil {
		at = 0
	}
	f.At, f.Record = f.Steps[at].Domain, f.Steps[at].Record
	if f.Steps[0].Record != nil && f.Steps[0].Unknown == nil {
		// The record itself is known; only the organizational domain may not be.
		if f.Unknown != nil {
			f.Unknown = fmt.Errorf("the organizational domain can't be told: %w", f.Unknown)
		}
	}
}

// BySuffix finds the record and the organizational domain as RFC 7489 3.2 and 6.6.3
// have it, by the list of public suffixes.
func BySuffix(ctx context.Context, d *lookup.DNS, domain string) Found {
	f := Found{Domain: domain, Org: Organizational(domain)}
	names := []string{domain}
	if f.Org != domain {
		names = append(names, f.Org)
	}
	for _, name := range names {
		s := look(ctx, d, name)
		f.Steps = append(f.Steps, s)
		if s.Unknown != nil {
			f.Unknown = s.Unknown
			return f
		}
		if len(s.Texts) > 1 {
			return f // no DMARC at all (RFC 7489 6.6.3)
		}
		if s.Record != nil {
			f.At, f.Record = name, s.Record
			return f
		}
	}
	return f
}

// Organizational returns the organizational domain by the list of public suffixes.
func Organizational(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}

// isSuffix reports whether a name is a public suffix.
func isSuffix(name string) bool {
	suffix, _ := publicsuffix.PublicSuffix(name)
	return suffix == name
}

// Aligned reports whether an authenticated domain, whose walk was done as well, is
// aligned with the domain of From (RFC 9989 4.10.2).
func Aligned(from, authenticated Found, strict bool) bool {
	if from.Domain == authenticated.Domain {
		return true
	}
	return !strict && from.Org == authenticated.Org
}

// AuthorizationName is where a domain that takes reports for others says so
// (RFC 9990 4).
func AuthorizationName(policyDomain, reportDomain string) string {
	return policyDomain + "._report._dmarc." + reportDomain
}
