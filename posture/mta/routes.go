package mta

import (
	"net/netip"
	"slices"
	"strings"
)

// Route is one way by which mail leaves for other sites: an smtp(8) service, with the
// name that it says in HELO and the addresses that it sends from.
type Route struct {
	Service string       // "smtp/unix"
	Default bool         // mail goes by it that nothing leads elsewhere
	Helo    string       // smtp_helo_name as it is in force, in lower case
	Bound   []netip.Addr // smtp_bind_address and its like; empty: the system chooses
	IPv4    bool         // it may send by this protocol
	IPv6    bool
}

// Routes lists the ways by which mail leaves for other sites, the default one first: the
// transport of default_transport, and those that differ from it in name or address, which
// transport_maps, sender_dependent_default_transport_maps and tables with FILTER may lead to.
func (p *Postfix) Routes() []Route {
	var list []Route
	for _, s := range p.running("smtp") {
		r := p.route(s)
		switch {
		case r.Default:
			list = slices.Insert(list, 0, r)
		case !p.feedsFilter(s):
			list = append(list, r)
		}
	}
	for i := len(list) - 1; i > 0; i-- {
		if slices.ContainsFunc(list[:i], list[i].same) {
			list = slices.Delete(list, i, i+1)
		}
	}
	return list
}

// same reports whether receivers see no difference.
func (r Route) same(other Route) bool {
	return r.Helo == other.Helo && slices.Equal(r.Bound, other.Bound) && r.IPv4 == other.IPv4 && r.IPv6 == other.IPv6
}

// feedsFilter reports a service whose mail goes to a filter on this host.
func (p *Postfix) feedsFilter(client *service) bool {
	for _, s := range p.fronts() {
		for _, w := range p.ways(s) {
			if service, nexthop, _ := strings.Cut(w.filter, ":"); service == client.name && isLoopback(nexthop) {
				return true
			}
		}
	}
	return false
}

func transportOf(value string) string {
	service, _, _ := strings.Cut(value, ":")
	return service
}

// isLoopback reports a next hop on this host, such as "[127.0.0.1]:10024".
func isLoopback(nexthop string) bool {
	host := strings.TrimPrefix(nexthop, "[")
	return strings.HasPrefix(host, "127.") || strings.HasPrefix(host, "localhost") || strings.HasPrefix(host, "::1]")
}

func (p *Postfix) route(s *service) Route {
	r := Route{Service: s.String(), Default: s.name == transportOf(p.value("default_transport")), Helo: strings.ToLower(strings.TrimSuffix(p.in(s, "smtp_helo_name"), "."))}
	for _, protocol := range words(strings.ToLower(p.in(s, "inet_protocols"))) {
		r.IPv4 = r.IPv4 || protocol == "all" || protocol == "ipv4"
		r.IPv6 = r.IPv6 || protocol == "all" || protocol == "ipv6"
	}
	if r.IPv4 {
		r.Bound = p.bound(r.Bound, s, "smtp_bind_address", netip.Addr.Is4)
	}
	if r.IPv6 {
		r.Bound = p.bound(r.Bound, s, "smtp_bind_address6", netip.Addr.Is6)
	}
	return r
}

// bound appends the address that a service sends from by one protocol. Where it has
// none of its own, it is that of inet_interfaces, if that is one alone (postconf(5)).
func (p *Postfix) bound(list []netip.Addr, s *service, name string, isOf func(netip.Addr) bool) []netip.Addr {
	candidates := []string{p.in(s, name)}
	if candidates[0] == "" {
		candidates = words(p.in(s, "inet_interfaces"))
	}
	var found []netip.Addr
	for _, word := range candidates {
		addr, err := netip.ParseAddr(strings.Trim(word, "[]"))
		if err == nil && isOf(addr.Unmap()) {
			found = append(found, addr.Unmap())
		}
	}
	if len(found) == 1 && !found[0].IsLoopback() && !found[0].IsUnspecified() {
		return append(list, found[0])
	}
	return list
}
