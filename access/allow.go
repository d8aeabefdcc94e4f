package access

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// address is a mail address in the form in which addresses are compared: lower
// case throughout, the domain in A-labels. RFC 5321 2.4 has the local part
// depend on case, but no host that is asked for Info@ and info@ means two boxes.
type address struct {
	local, domain string // domain "": not an address that could be allowed
}

func parseAddress(text string) address {
	i := strings.LastIndexByte(text, '@')
	if i < 0 || !utf8.ValidString(text) {
		return address{}
	}
	domain, err := canonicalDomain(strings.TrimSuffix(text[i+1:], "."))
	if err != nil {
		return address{}
	}
	return address{local: lower(text[:i]), domain: domain}
}

// lower maps to lower case, but nothing to ASCII that is not ASCII: the Kelvin
// sign is not a "k", and who may send as "kay" may not send as a look-alike.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r < utf8.RuneSelf || l >= utf8.RuneSelf {
			return l
		}
		return r
	}, s)
}

// senderSet is a list of permitted senders.
type senderSet struct {
	any       bool
	domains   map[string]struct{}
	parents   map[string]struct{} // allowed with all below them, at any depth, but not themselves
	addresses map[address]struct{}
}

// newSenderSet takes entries that parse.
func newSenderSet(allow []string) senderSet {
	s := senderSet{domains: map[string]struct{}{}, parents: map[string]struct{}{}, addresses: map[address]struct{}{}}
	for _, text := range allow {
		e, _ := parseAllow(text)
		switch {
		case e.any:
			s.any = true
		case e.local != "":
			s.addresses[e.address] = struct{}{}
		case e.below:
			s.parents[e.domain] = struct{}{}
		default:
			s.domains[e.domain] = struct{}{}
		}
	}
	return s
}

func (s *senderSet) has(a address) bool {
	if s.any {
		return true
	}
	if a.domain == "" {
		return false
	}
	if _, ok := s.domains[a.domain]; ok {
		return true
	}
	if _, ok := s.addresses[a]; ok {
		return true
	}
	for _, parent, ok := strings.Cut(a.domain, "."); ok; _, parent, ok = strings.Cut(parent, ".") {
		if _, found := s.parents[parent]; found {
			return true
		}
	}
	return false
}

// allowed is one entry of a list of permitted senders.
type allowed struct {
	any     bool // "*"
	below   bool // "*.example.org"
	address      // local "" with a domain: all of the domain
}

func parseAllow(text string) (allowed, error) {
	if text == "*" {
		return allowed{any: true}, nil
	}
	local, domain, isAddress := "", text, false
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		local, domain, isAddress = text[:i], text[i+1:], true
	}
	parent, below := strings.CutPrefix(domain, "*.")
	switch {
	case isAddress && local == "":
		return allowed{}, fmt.Errorf("%q begins with \"@\"; write %q for the whole domain", text, domain)
	case isAddress && (below || local == "*"):
		return allowed{}, fmt.Errorf("%q: \"*\" stands only for what is below a domain, such as \"*.example.org\", or alone for any sender", text)
	}
	canonical, err := canonicalDomain(parent)
	if err != nil {
		return allowed{}, fmt.Errorf("%q is not a domain such as \"example.org\" or \"*.example.org\" or an address such as \"info@example.org\": %w", text, err)
	}
	return allowed{below: below, address: address{lower(local), canonical}}, nil
}

// canonicalDomain returns a domain in lower case and A-labels (RFC 5890 2.3.2.1).
// U-labels are mapped as for a look-up (RFC 5895). Address literals are refused.
func canonicalDomain(domain string) (string, error) {
	if !utf8.ValidString(domain) {
		return "", errors.New("the domain is not UTF-8")
	}
	labels := strings.Split(lower(domain), ".")
	for i, label := range labels {
		ascii, err := asciiLabel(label)
		if err != nil {
			return "", err
		}
		labels[i] = ascii
	}
	canonical := strings.Join(labels, ".")
	if len(canonical) > 253 {
		return "", errors.New("the domain is longer than 253 characters")
	}
	return canonical, nil
}

func asciiLabel(label string) (string, error) {
	if label == "" {
		return "", errors.New("a label of the domain is empty")
	}
	ascii := true
	for _, c := range label {
		switch {
		case c >= 0x80:
			ascii = false
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return "", fmt.Errorf("a domain has no %q", c)
		}
	}
	if !ascii {
		encoded, err := idna.Lookup.ToASCII(label)
		if err != nil {
			return "", fmt.Errorf("%q is no label of an internationalized domain: %w", label, err)
		}
		label = encoded
	}
	if len(label) > 63 {
		return "", errors.New("a label of the domain is longer than 63 characters")
	}
	return label, nil
}
