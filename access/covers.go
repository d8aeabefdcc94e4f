package access

import "net/netip"

// Covers returns a function that reports whether every client in a prefix may
// send by its network: the longest entry that covers the prefix admits it, and no
// part of it was taken out. Entries that can't be read admit nobody.
func (o Options) Covers() func(netip.Prefix) bool {
	var networks []network
	for _, text := range o.Networks {
		if n, err := parseNetwork(text); err == nil {
			networks = append(networks, n)
		}
	}
	return func(p netip.Prefix) bool {
		admitted, longest := false, -1
		for _, n := range networks {
			switch {
			case n.prefix.Bits() <= p.Bits() && n.prefix.Contains(p.Addr()):
				if n.prefix.Bits() > longest {
					admitted, longest = !n.excluded, n.prefix.Bits()
				}
			case n.excluded && p.Contains(n.prefix.Addr()):
				return false
			}
		}
		return admitted
	}
}
