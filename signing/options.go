package signing

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"pratique/message"
)

// Options is the [signing] table of the configuration.
type Options struct {
	OnError          message.OnError `toml:"on_error"`
	Unsigned         string          `toml:"unsigned"`         // mail for whose From domain there is no key: accept or reject
	Canonicalization string          `toml:"canonicalization"` // header/body, each simple or relaxed (RFC 6376 3.4)
	Expire           time.Duration   `toml:"expire"`           // x= this long after t=; 0: none
	Domains          []Domain        `toml:"domains"`
}

// Domain is the keys of one signing domain.
type Domain struct {
	// Domain is the d= of the signatures and the From domain that they are for.
	// "*.example.org" is for every From domain below example.org that has no
	// entry of its own and signs with d=example.org, where the one record for all
	// of them is published; DMARC's relaxed alignment accepts that.
	Domain   string `toml:"domain"`
	Identity string `toml:"identity"` // i=, "" for none (RFC 6376 3.5)
	Keys     []Key  `toml:"keys"`     // one signature each
}

// Key is a private key with the selector under which it is published.
type Key struct {
	Selector string `toml:"selector"`
	File     string `toml:"file"` // PEM: PKCS#1 or PKCS#8
}

// The words of Unsigned.
const (
	accept = "accept"
	reject = "reject"
)

// DefaultOptions has no keys.
func DefaultOptions() Options {
	return Options{OnError: message.Tempfail, Unsigned: accept, Canonicalization: "relaxed/relaxed"}
}

// Problems reports everything in o that can't be meant. It opens no file:
// LoadProblems does.
func (o Options) Problems(report func(key, problem string)) {
	if o.Unsigned != accept && o.Unsigned != reject {
		report("unsigned", fmt.Sprintf("%q is neither accept nor reject", o.Unsigned))
	}
	if _, err := parseCanonicalization(o.Canonicalization); err != nil {
		report("canonicalization", err.Error())
	}
	if o.Expire != 0 && o.Expire < time.Second {
		report("expire", fmt.Sprintf("%v is no time for which a signature could be valid; give some days, such as \"240h\", or 0 for signatures that do not expire", o.Expire))
	}
	seen := map[string]int{}
	for i, d := range o.Domains {
		key := func(name string) string { return fmt.Sprintf("domains[%d].%s", i, name) }
		d.problems(func(name, problem string) { report(key(name), problem) })
		name := strings.ToLower(d.Domain)
		if first, twice := seen[name]; twice {
			report(key("domain"), fmt.Sprintf("%s has an entry already, domains[%d]; list all its keys there", d.Domain, first))
			continue
		}
		seen[name] = i
	}
}

func (d Domain) problems(report func(key, problem string)) {
	name, _ := d.signing()
	if err := checkDomain(name); err != nil {
		report("domain", fmt.Sprintf("%q %v", d.Domain, err))
	} else if err := checkIdentity(d.Identity, name); err != nil {
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

// signing returns the d= of the domain's signatures, and whether the entry is for
// what lies below it.
func (d Domain) signing() (name string, below bool) {
	name, below = strings.CutPrefix(strings.ToLower(d.Domain), "*.")
	return name, below
}

// LoadProblems opens every key file and reports those that can't be used.
func (o Options) LoadProblems(report func(key, problem string)) {
	for i, d := range o.Domains {
		for j, k := range d.Keys {
			if k.File == "" {
				continue // Problems says so
			}
			if _, err := LoadKey(k.File); err != nil {
				report(fmt.Sprintf("domains[%d].keys[%d].file", i, j), err.Error())
			}
		}
	}
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
	if host != domain && !strings.HasSuffix(host, "."+domain) {
		return fmt.Errorf("does not lie within %s; \"@%s\" or \"@sub.%s\" is wanted", domain, domain, domain)
	}
	return checkLabels(host)
}
