package signing

import (
	"errors"
	"strings"

	"pratique/message"
)

// patterns is a set of addresses: single ones, those of a domain, and those of
// all domains below one.
type patterns struct {
	addresses, domains, below map[string]bool
}

// newPatterns takes patterns without problems.
func newPatterns(texts []string) patterns {
	p := patterns{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, text := range texts {
		text = strings.ToLower(text)
		parent, below := strings.CutPrefix(text, "*.")
		switch {
		case strings.Contains(text, "@"):
			p.addresses[text] = true
		case below:
			p.below[parent] = true
		default:
			p.domains[text] = true
		}
	}
	return p
}

// has reports whether an address in lower case matches.
func (p patterns) has(address string) bool {
	domain := message.Domain(address)
	if p.addresses[address] || p.domains[domain] {
		return true
	}
	if len(p.below) == 0 || len(domain) > maxDomain {
		return false
	}
	for parent := range parents(domain) {
		if p.below[parent] {
			return true
		}
	}
	return false
}

// checkPattern holds a text to the forms of a pattern.
func checkPattern(text string) error {
	local, domain, isAddress := strings.Cut(text, "@")
	if isAddress && (local == "" || strings.ContainsAny(local, " \t<>,")) {
		return errors.New("is no address; \"noreply@example.org\", \"example.org\" or \"*.example.org\" is wanted")
	}
	if !isAddress {
		domain = strings.TrimPrefix(text, "*.")
	}
	return checkDomain(strings.ToLower(domain))
}
