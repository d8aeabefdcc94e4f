package access

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// network is one entry of a list of networks.
type network struct {
	prefix   netip.Prefix // masked; an IPv4-mapped one as IPv4
	excluded bool         // written with "!"
	text     string       // as the administrator wrote it
}

// parseNetwork reads an address or a prefix, in the forms that Postfix and
// sendmail use as well: "10.1.2.3", "10.1.2.0/24", "2001:db8::/32", "[::1]",
// "[2001:db8::]/32", "IPv6:::1", "::ffff:10.1.2.0/120". A "!" before it excludes.
func parseNetwork(text string) (network, error) {
	bare, excluded := strings.CutPrefix(text, "!")
	prefix, err := parsePrefix(bare)
	if err != nil {
		return network{}, err
	}
	return network{prefix: prefix, excluded: excluded, text: text}, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	addrText, bitsText, hasBits := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(unwrap(addrText))
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not an address such as \"192.0.2.7\" or a network such as \"192.0.2.0/24\" or \"2001:db8::/32\"", text)
	case addr.Zone() != "":
		return netip.Prefix{}, fmt.Errorf("%q has a zone, by which clients are not told apart; write %q", text, addr.WithZone(""))
	}
	bits := addr.BitLen()
	if hasBits {
		if bits, err = parseBits(bitsText, addr.BitLen()); err != nil {
			return netip.Prefix{}, fmt.Errorf("%q: %w", text, err)
		}
	}
	if addr.Is4In6() {
		if bits < 96 {
			return netip.Prefix{}, fmt.Errorf("%q is wider than all IPv4 addresses; write \"0.0.0.0/0\" for those, \"::/0\" for IPv6", text)
		}
		addr, bits = addr.Unmap(), bits-96
	}
	prefix := netip.PrefixFrom(addr, bits)
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has bits set beyond its prefix; write %q for the network or %q for the one address", text, prefix.Masked(), addr)
	}
	return prefix, nil
}

// unwrap takes away the brackets of Postfix and the IPv6 tag of SMTP (RFC 5321 4.1.3).
func unwrap(addr string) string {
	if inner, ok := strings.CutPrefix(addr, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			addr = inner
		}
	}
	const tag = "IPv6:"
	if len(addr) > len(tag) && strings.EqualFold(addr[:len(tag)], tag) {
		addr = addr[len(tag):]
	}
	return addr
}

func parseBits(text string, longest int) (int, error) {
	bits := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("a prefix length is a number from 0 to %d, a netmask is not understood", longest)
		}
		if bits = bits*10 + int(c-'0'); bits > longest {
			return 0, fmt.Errorf("the prefix length is at most %d", longest)
		}
	}
	if text == "" || len(text) > 1 && text[0] == '0' {
		return 0, errors.New("the prefix length must be a plain number")
	}
	return bits, nil
}

// prefixTable finds the longest prefix that covers an address. A look-up costs
// one map access for each different prefix length in the table, at most 33 for
// IPv4 and 129 for IPv6, however many prefixes there are. The zero table is empty.
type prefixTable[T any] struct {
	entries map[netip.Prefix]T
	lengths [2][]int // of IPv4 and of IPv6 prefixes, longest first
}

func (t *prefixTable[T]) add(p netip.Prefix, value T) {
	if t.entries == nil {
		t.entries = map[netip.Prefix]T{}
	}
	t.entries[p] = value
	lengths := &t.lengths[family(p.Addr())]
	i, found := slices.BinarySearchFunc(*lengths, p.Bits(), func(have, want int) int { return want - have })
	if !found {
		*lengths = slices.Insert(*lengths, i, p.Bits())
	}
}

// lookup takes an address that is unmapped and has no zone.
func (t *prefixTable[T]) lookup(addr netip.Addr) (T, bool) {
	for _, bits := range t.lengths[family(addr)] {
		// The length is one of this family's, so the prefix is always valid.
		p, _ := addr.Prefix(bits)
		if value, ok := t.entries[p]; ok {
			return value, true
		}
	}
	var none T
	return none, false
}

func family(addr netip.Addr) int {
	if addr.Is4() {
		return 0
	}
	return 1
}
