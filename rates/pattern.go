package rates

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// A pattern stands for keys of one kind, as it is written in the configuration and
// on the command line.
//
//	client            10.0.0.7, 10.0.0.0/8, 2001:db8::/32, or local
//	login             shop, info@example.org, or *@example.org
//	sender            info@example.org, example.org (all of the domain),
//	                  *.example.org (what is below it), or <>
//	sender_domain     example.org, *.example.org, <>, or local
//	recipient_domain  example.org, *.example.org, or local
//	total             total
type pattern struct {
	network netip.Prefix // of clients; not valid: name is meant
	name    string       // a key, or "@example.org", or ".example.org"
}

// isKey reports a pattern that stands for one key.
func (p pattern) isKey() bool {
	if p.network.IsValid() {
		return p.network.IsSingleIP()
	}
	return p.name[0] != '@' && p.name[0] != '.'
}

// parsePattern reads a pattern. Networks of IPv6 clients may not be smaller than
// what is counted together.
func parsePattern(k Kind, text string, ipv6Prefix int) (pattern, error) {
	if len(text) > maxKey {
		return pattern{}, fmt.Errorf("it has %d octets; no address has more than %d", len(text), maxKey)
	}
	switch {
	case text == "":
		return pattern{}, errors.New("it is empty")
	case k == PerTotal && text == keyTotal:
	case k == PerTotal:
		return pattern{}, errors.New("per total there is one key only, \"total\"")
	case k == PerClient && text == keyLocal:
	case k == PerClient:
		return parseNetwork(text, ipv6Prefix)
	case k == PerLogin:
		return parseLogin(text)
	case text == keyNull && k != PerRecipientDomain, text == keyLocal && k != PerSender:
	default:
		return parseName(k, text)
	}
	return pattern{name: text}, nil
}

func parseNetwork(text string, ipv6Prefix int) (pattern, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return pattern{}, fmt.Errorf("%q is no address such as \"10.0.0.7\" or network such as \"10.0.0.0/8\"", text)
		}
		network = netip.PrefixFrom(addr, addr.BitLen())
	}
	if network.Addr().Is4In6() {
		return pattern{}, fmt.Errorf("write %q as an IPv4 address, as which it is counted", text)
	}
	if network != network.Masked() {
		return pattern{}, fmt.Errorf("%q has bits behind its prefix; the network is %q", text, network.Masked())
	}
	if network.Addr().Is6() && network.Bits() > ipv6Prefix {
		return pattern{}, fmt.Errorf("%q is a part of what is counted together; rates.ipv6_prefix is %d, so name %q",
			text, ipv6Prefix, netip.PrefixFrom(network.Addr(), ipv6Prefix).Masked())
	}
	return pattern{network: network}, nil
}

func parseLogin(text string) (pattern, error) {
	if domain, ok := strings.CutPrefix(text, "*@"); ok {
		domain, err := canonicalDomain(domain)
		return pattern{name: "@" + domain}, err
	}
	if strings.HasPrefix(text, "@") {
		return pattern{}, fmt.Errorf("%q: write %q for all logins of a domain", text, "*"+text)
	}
	return pattern{name: foldAddress(text)}, nil
}

func parseName(k Kind, text string) (pattern, error) {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		domain, err := canonicalDomain(text[i+1:])
		switch {
		case k != PerSender:
			return pattern{}, fmt.Errorf("%q is an address; a domain such as \"example.org\" is wanted", text)
		case err != nil:
			return pattern{}, err
		case i == 0 || text[:i] == "*":
			return pattern{}, fmt.Errorf("%q: write %q for all addresses of a domain", text, domain)
		}
		return pattern{name: foldAddress(text)}, nil
	}
	parent, below := strings.CutPrefix(text, "*.")
	domain, err := canonicalDomain(parent)
	switch {
	case err != nil:
		return pattern{}, err
	case below:
		return pattern{name: "." + domain}, nil
	case k == PerSender:
		return pattern{name: "@" + domain}, nil
	}
	return pattern{name: domain}, nil
}

// canonicalDomain returns a domain in lower case and A-labels (RFC 5890 2.3.2.1).
func canonicalDomain(domain string) (string, error) {
	ascii := asciiDomain(strings.ToLower(domain))
	for label := range strings.SplitSeq(ascii, ".") {
		if label == "" || strings.ContainsFunc(label, notInLabel) {
			return "", fmt.Errorf("%q is no domain such as \"example.org\"", domain)
		}
	}
	return ascii, nil
}

func notInLabel(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
}

// asciiDomain returns a domain in lower case with A-labels, which is the same for
// all spellings of one; one that can't be written so stays as it is.
func asciiDomain(domain string) string {
	for i := range len(domain) {
		if domain[i] < utf8.RuneSelf {
			continue
		}
		if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
			return ascii
		}
		break
	}
	return domain
}

// foldAddress returns an address, or a login that may be one, in the form that is
// the same for all its spellings.
func foldAddress(addr string) string {
	addr = strings.ToLower(addr)
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		if domain := asciiDomain(addr[i+1:]); domain != addr[i+1:] {
			return addr[:i+1] + domain
		}
	}
	return addr
}

// A matcher finds what is meant for a key: the most specific of the patterns that
// it matches decides, whatever their order. An address or a name itself comes before
// networks and domains, and of those the longest comes first.
type matcher[V any] struct {
	kind     Kind
	networks map[netip.Prefix]V
	bits     [2][]int // the lengths of the networks, IPv4 and IPv6, longest first
	names    map[string]V
}

func newMatcher[V any](k Kind) *matcher[V] {
	return &matcher[V]{kind: k, networks: map[netip.Prefix]V{}, names: map[string]V{}}
}

// add puts a value to a pattern, or returns false if there is one already.
func (m *matcher[V]) add(p pattern, value V) bool {
	if !p.network.IsValid() {
		if _, ok := m.names[p.name]; ok {
			return false
		}
		m.names[p.name] = value
		return true
	}
	if _, ok := m.networks[p.network]; ok {
		return false
	}
	m.networks[p.network] = value
	bits := &m.bits[family(p.network.Addr())]
	if !slices.Contains(*bits, p.network.Bits()) {
		*bits = append(*bits, p.network.Bits())
		slices.SortFunc(*bits, func(a, b int) int { return b - a })
	}
	return true
}

func family(addr netip.Addr) int {
	if addr.Is4() {
		return 0
	}
	return 1
}

// find returns what is meant for a key. A nil matcher has nothing.
func (m *matcher[V]) find(key string) (value V, ok bool) {
	if m == nil {
		return value, false
	}
	if value, ok = m.names[key]; ok {
		return value, true
	}
	switch m.kind {
	case PerClient:
		return m.findNetwork(key)
	case PerLogin, PerSender:
		at := strings.LastIndexByte(key, '@')
		if at < 0 {
			return value, false
		}
		if value, ok = m.names[key[at:]]; ok || m.kind == PerLogin {
			return value, ok
		}
		return m.findParent(key[at+1:])
	default:
		return m.findParent(key)
	}
}

func (m *matcher[V]) findNetwork(key string) (value V, ok bool) {
	if len(m.networks) == 0 {
		return value, false
	}
	client, err := netip.ParsePrefix(key)
	if err != nil {
		addr, err := netip.ParseAddr(key)
		if err != nil {
			return value, false
		}
		client = netip.PrefixFrom(addr, addr.BitLen())
	}
	for _, bits := range m.bits[family(client.Addr())] {
		if bits > client.Bits() {
			continue
		}
		if value, ok = m.networks[netip.PrefixFrom(client.Addr(), bits).Masked()]; ok {
			return value, true
		}
	}
	return value, false
}

func (m *matcher[V]) findParent(domain string) (value V, ok bool) {
	for i := strings.IndexByte(domain, '.'); i >= 0; i = strings.IndexByte(domain, '.') {
		if value, ok = m.names[domain[i:]]; ok {
			return value, true
		}
		domain = domain[i+1:]
	}
	return value, false
}
