package posture

import (
	"net"
	"net/netip"
	"slices"
)

// Route is a way by which mail leaves: what receivers see of one transport of the MTA.
type Route struct {
	Helo      string       // the name that it says in HELO
	Source    string       // where that is from, in words
	Addresses []netip.Addr // that it sends from; empty: not known
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
