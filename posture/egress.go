package posture

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// MTA is what Postfix says of how it sends. What it does not say is "".
type MTA struct {
	Helo      string       // the HELO name: smtp_helo_name, with its macros expanded
	Addresses []netip.Addr // smtp_bind_address and smtp_bind_address6, also those of services of master.cf
}

// Postconf runs postconf with these arguments and returns what it prints. An error
// means that there is no Postfix to ask.
type Postconf func(ctx context.Context, args ...string) (string, error)

// AskPostfix finds out how Postfix sends (postconf(5)).
func AskPostfix(ctx context.Context, postconf Postconf) (MTA, error) {
	var m MTA
	// -x expands $myhostname and the like.
	out, err := postconf(ctx, "-x", "-h", "smtp_helo_name", "smtp_bind_address", "smtp_bind_address6")
	if err != nil {
		return m, fmt.Errorf("ask Postfix: %w", err)
	}
	values := strings.Split(out, "\n")
	for i, value := range values {
		value = strings.TrimSpace(value)
		if i == 0 {
			m.Helo = strings.ToLower(value)
			continue
		}
		m.bind(value)
	}
	// Services such as "smtp-out unix … smtp -o smtp_bind_address=192.0.2.26"; an
	// error says that there are none, or that this postconf is too old.
	if out, err := postconf(ctx, "-P", "*/*/smtp_bind_address", "*/*/smtp_bind_address6"); err == nil {
		for line := range strings.Lines(out) {
			_, value, _ := strings.Cut(line, "=")
			m.bind(strings.TrimSpace(value))
		}
	}
	return m, nil
}

func (m *MTA) bind(value string) {
	addr, err := netip.ParseAddr(strings.Trim(value, "[]"))
	if err == nil && !addr.IsUnspecified() && !slices.Contains(m.Addresses, addr.Unmap()) {
		m.Addresses = append(m.Addresses, addr.Unmap())
	}
}

// Public returns those of a host's addresses that receivers may see.
func Public(addrs []net.Addr) []netip.Addr {
	var seen []netip.Addr
	for _, a := range addrs {
		network, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(network.IP)
		if addr = addr.Unmap(); ok && public(addr) && !slices.Contains(seen, addr) {
			seen = append(seen, addr)
		}
	}
	return seen
}

// public reports whether an address is one that others can reach.
func public(addr netip.Addr) bool {
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !shared().Contains(addr)
}

// shared is the network behind carriers' address translation (RFC 6598).
func shared() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10) }
