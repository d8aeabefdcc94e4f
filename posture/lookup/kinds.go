package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"pratique/signing/records"
)

// Text is a TXT record, its strings as they stand in the zone.
type Text []string

// String returns the strings joined, as everybody reads them (RFC 7208 3.3).
func (t Text) String() string { return strings.Join(t, "") }

// Texts returns the TXT records of a name, and the answer that they came with.
func (d *DNS) Texts(ctx context.Context, name string) ([]Text, Answer, error) {
	answer, err := d.Ask(ctx, name, dns.TypeTXT)
	var texts []Text
	for _, rr := range answer.Records {
		var text Text
		for _, part := range rr.(*dns.TXT).Txt {
			text = append(text, records.Octets(part))
		}
		texts = append(texts, text)
	}
	slices.SortFunc(texts, func(a, b Text) int { return strings.Compare(a.String(), b.String()) })
	return texts, answer, err
}

// Addresses returns the addresses of a name of the kind that another one has.
func (d *DNS) Addresses(ctx context.Context, name string, like netip.Addr) ([]netip.Addr, error) {
	kind := dns.TypeAAAA
	if like.Is4() {
		kind = dns.TypeA
	}
	answer, err := d.Ask(ctx, name, kind)
	var addrs []netip.Addr
	for _, rr := range answer.Records {
		switch rr := rr.(type) {
		case *dns.A:
			addrs = appendAddr(addrs, rr.A.To4())
		case *dns.AAAA:
			addrs = appendAddr(addrs, rr.AAAA)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs, err
}

func appendAddr(addrs []netip.Addr, octets []byte) []netip.Addr {
	if addr, ok := netip.AddrFromSlice(octets); ok {
		return append(addrs, addr)
	}
	return addrs
}

// AllAddresses returns the addresses of a name of both kinds.
func (d *DNS) AllAddresses(ctx context.Context, name string) ([]netip.Addr, error) {
	v4, err4 := d.Addresses(ctx, name, netip.IPv4Unspecified())
	v6, err6 := d.Addresses(ctx, name, netip.IPv6Unspecified())
	return append(v4, v6...), errors.Join(err4, err6)
}

// Exchangers returns the MX records of a name, the most preferred first.
func (d *DNS) Exchangers(ctx context.Context, name string) ([]*dns.MX, error) {
	answer, err := d.Ask(ctx, name, dns.TypeMX)
	var all []*dns.MX
	for _, rr := range answer.Records {
		all = append(all, rr.(*dns.MX))
	}
	slices.SortFunc(all, func(a, b *dns.MX) int {
		if a.Preference != b.Preference {
			return int(a.Preference) - int(b.Preference)
		}
		return strings.Compare(a.Mx, b.Mx)
	})
	return all, err
}

// Names returns the names that the reverse DNS gives for an address.
func (d *DNS) Names(ctx context.Context, addr netip.Addr) ([]string, Answer, error) {
	answer, err := d.Ask(ctx, Reverse(addr), dns.TypePTR)
	var names []string
	for _, rr := range answer.Records {
		names = append(names, strings.ToLower(strings.TrimSuffix(rr.(*dns.PTR).Ptr, ".")))
	}
	slices.Sort(names)
	return names, answer, err
}

// Reverse returns the name under which an address has its PTR records.
func Reverse(addr netip.Addr) string {
	return Reversed(addr) + map[bool]string{true: ".in-addr.arpa", false: ".ip6.arpa"}[addr.Is4()]
}

// Reversed returns the octets of an IPv4 address, or the nibbles of an IPv6
// address, backwards and between dots.
func Reversed(addr netip.Addr) string {
	var parts []string
	if addr.Is4() {
		for _, b := range addr.As4() {
			parts = append(parts, fmt.Sprint(b))
		}
	} else {
		for _, b := range addr.As16() {
			parts = append(parts, fmt.Sprintf("%x", b>>4), fmt.Sprintf("%x", b&15))
		}
	}
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}
