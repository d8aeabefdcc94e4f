package signing

import (
	"errors"
	"fmt"
	"strings"
)

// Domain is the keys of one signing domain.
type Domain struct {
	// Domain is the From domain that the keys are for. "*.example.org" is for
	// every one below example.org that has no entry of its own.
	Domain string `toml:"domain"`
	// SignAs is the d= of the signatures, under which the records are published:
	// the domain or a parent of it, which DMARC's relaxed alignment accepts.
	// "": the domain itself, and example.org for "*.example.org".
	SignAs   string `toml:"sign_as"`
	Identity string `toml:"identity"` // i=, "" for none (RFC 6376 3.5)
	Keys     []Key  `toml:"keys"`     // one signature each
}

// Key is a private key with the selector under which it is published.
type Key struct {
	Selector string `toml:"selector"`
	File     string `toml:"file"` // PEM: PKCS#1 or PKCS#8
}

func (d Domain) problems(report func(key, problem string)) {
	name, _ := d.from()
	if err := checkDomain(name); err != nil {
		report("domain", fmt.Sprintf("%q %v", d.Domain, err))
	} else if err := checkSignAs(d.SignAs, name); err != nil {
		report("sign_as", fmt.Sprintf("%q %v", d.SignAs, err))
	} else if err := checkIdentity(d.Identity, d.SigningDomain()); err != nil {
		report("identity", fmt.Sprintf("%q %v", d.Identity, err))
	}
	if len(d.Keys) == 0 {
		report("keys", fmt.Sprintf("%s has no key to sign with; give { selector = \"…\", file = \"….pem\" }", d.Domain))
	}
	seen := map[string]int{}
	for i, k := range d.Keys {
		key := func(name string) string { return fmt.Sprintf("keys[%d].%s", i, name) }
		if err := checkLabels(k.Selector); err != nil {
			report(key("selector"), fmt.Sprintf("%q %v", k.Selector, err))
		}
		selector := strings.ToLower(k.Selector)
		if first, twice := seen[selector]; twice {
			report(key("selector"), fmt.Sprintf("%q is the selector of keys[%d] too; one name in the DNS holds one key", k.Selector, first))
		} else {
			seen[selector] = i
		}
		if k.File == "" {
			report(key("file"), "no file is named; give the path of a private key in PEM")
		}
	}
}

// from returns the From domain of the entry, and whether it is for what lies below that.
func (d Domain) from() (name string, below bool) {
	return strings.CutPrefix(strings.ToLower(d.Domain), "*.")
}

// SigningDomain returns the d= of the domain's signatures, in lower case.
func (d Domain) SigningDomain() string {
	if d.SignAs != "" {
		return strings.ToLower(d.SignAs)
	}
	name, _ := d.from()
	return name
}

// RecordName returns the name of the TXT record with the public half of a key
// (RFC 6376 3.6.2.1), in lower case.
func (d Domain) RecordName(selector string) string {
	return strings.ToLower(selector) + "._domainkey." + d.SigningDomain()
}

// maxDomain is the longest domain name, in octets (RFC 1035 2.3.4).
const maxDomain = 253

// checkDomain holds a name to the syntax of d=, which has two labels at least (RFC 6376 3.5).
func checkDomain(name string) error {
	if err := checkLabels(name); err != nil {
		return err
	}
	if !strings.Contains(name, ".") {
		return errors.New("is no domain of the public DNS; one such as \"example.org\" or \"*.example.org\" is wanted")
	}
	return nil
}

// checkLabels holds a name to sub-domain *("." sub-domain), which is the syntax
// of a selector (RFC 6376 3.1, RFC 5321 4.1.2).
func checkLabels(name string) error {
	if name == "" {
		return errors.New("is empty")
	}
	if len(name) > maxDomain {
		return fmt.Errorf("is longer than %d octets", maxDomain)
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return errors.New("has an empty label: a dot too many")
		case len(label) > 63:
			return errors.New("has a label of more than 63 octets")
		case label[0] == '-' || label[len(label)-1] == '-':
			return fmt.Errorf("has a label that begins or ends with \"-\"")
		case strings.ContainsFunc(label, func(r rune) bool { return !isLetterDigit(r) && r != '-' }):
			return errors.New("may hold only ASCII letters, digits, \"-\" and dots, as in the DNS (\"xn--…\" for others)")
		}
	}
	return nil
}

// checkSignAs holds d= to the From domain or a parent of it: there DMARC finds the
// two aligned, if relaxed alignment is in force, as it is by default (RFC 7489 3.1.1).
func checkSignAs(signAs, from string) error {
	if signAs == "" {
		return nil
	}
	if err := checkDomain(signAs); err != nil {
		return err
	}
	if !within(from, strings.ToLower(signAs)) {
		return fmt.Errorf("is neither %s nor a parent of it, so its signatures would not count for DMARC, which wants them aligned with From (RFC 7489 3.1.1)", from)
	}
	return nil
}

// within reports whether a name is the domain or lies below it, both in lower case.
func within(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

func isLetterDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// checkIdentity holds i= to a domain that is d= or below it (RFC 6376 3.5). Of
// the local part it takes only what needs no quoting in a tag list.
func checkIdentity(identity, domain string) error {
	if identity == "" {
		return nil
	}
	local, host, ok := strings.Cut(identity, "@")
	if !ok {
		return fmt.Errorf("has no \"@\"; \"@%s\" or \"news@%s\" is wanted", domain, domain)
	}
	if strings.ContainsFunc(local, func(r rune) bool { return !isLetterDigit(r) && !strings.ContainsRune(".-_+", r) }) {
		return errors.New("may hold only letters, digits and \".-_+\" before the \"@\"")
	}
	host = strings.ToLower(host)
	if !within(host, domain) {
		return fmt.Errorf("does not lie within %s; \"@%s\" or \"@sub.%s\" is wanted", domain, domain, domain)
	}
	return checkLabels(host)
}
