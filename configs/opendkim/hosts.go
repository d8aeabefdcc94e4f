package opendkim

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// hosts is a set of clients, by address. Of several entries that cover an address
// the longest decides, and of equal ones that with "!".
type hosts struct {
	in    map[netip.Prefix]bool // false: taken out by "!"
	names map[string]bool       // host names, and domains as ".example.org", "!" before those taken out
}

func newHosts() hosts { return hosts{in: map[netip.Prefix]bool{}, names: map[string]bool{}} }

// covers reports what the longest entry over a network says; false if there is none.
func (h hosts) covers(p netip.Prefix) bool {
	for bits := p.Bits(); bits >= 0; bits-- {
		above, err := p.Addr().Prefix(bits)
		if err != nil {
			return false
		}
		if in, ok := h.in[above]; ok {
			return in
		}
	}
	return false
}

// hosts reads a set of clients. Entries that are no addresses are noted.
func (r *reader) hosts(s setting) (hosts, error) {
	h := newHosts()
	d, ok := r.dataSet(s)
	if !ok {
		return h, nil
	}
	ranks := map[netip.Prefix]int{} // by how it was written
	err := r.each(d, func(it item) {
		bare, excluded := strings.CutPrefix(it.key, "!")
		if d.form == pattern && strings.ContainsAny(it.key, "*"+strange) {
			r.note(d.note(it, Lost, fmt.Sprintf("%.80q is a pattern, which networks can't express", it.key), "list the networks in [access] networks"))
			return
		}
		p, problem := parseHost(bare)
		switch {
		case strings.EqualFold(it.key, "localhost"):
			h.names["localhost"] = true
			r.note(d.note(it, Fine, "\"localhost\" is taken for 127.0.0.1 and ::1", ""))
			return
		case problem != "":
			r.note(d.note(it, Lost, fmt.Sprintf("%.80q %s", it.key, problem), "if it was meant to, put the network into [access] networks"))
			return
		case !p.IsValid():
			h.names[strings.ToLower(it.key)] = true
			r.note(d.note(it, Lost, fmt.Sprintf("%.80q is a name, and who controls the reverse zone of an address can claim any; clients are known by address here", it.key),
				"put the addresses of the host into [access] networks"))
			return
		}
		single := !strings.Contains(bare, "/")
		if single && p.Addr().Is4() && strings.HasPrefix(bare, "[") {
			// dkimf_checkip forgets the NUL behind the bracket.
			r.note(d.note(it, Differs, fmt.Sprintf("%.80q is taken as it was meant; OpenDKIM finds an IPv4 address in brackets by chance only", it.key), ""))
		}
		rank := 0 // what OpenDKIM looks for first: an address, and no brackets
		if single {
			rank = 2
		}
		if !strings.HasPrefix(bare, "[") {
			rank++
		}
		in, known := h.in[p]
		if known && rank < ranks[p] || known && rank == ranks[p] && !in {
			return // the other one is found first; "!" goes before what is alike
		}
		h.in[p], ranks[p] = !excluded, rank
	})
	if h.hasName("localhost") { // whatever is said of its addresses: one match is enough
		h.in[netip.MustParsePrefix("127.0.0.1/32")] = true
		h.in[netip.MustParsePrefix("::1/128")] = true
	}
	return h, err
}

// parseHost reads an address or a network; an invalid one without a problem is a name.
// OpenDKIM compares texts, so that one in another form than its own never matches.
func parseHost(text string) (p netip.Prefix, problem string) {
	bare := strings.ToLower(text)
	if inner, ok := strings.CutPrefix(bare, "["); ok {
		bare = strings.Replace(inner, "]", "", 1)
	}
	addr, length, isNetwork := strings.Cut(bare, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil {
		if isNetwork || strings.ContainsAny(addr, ":[] ") || addr == "" || addr[len(addr)-1] >= '0' && addr[len(addr)-1] <= '9' && !strings.ContainsAny(addr, "abcdefghijklmnopqrstuvwxyz") {
			return p, "is no address or network as OpenDKIM compares them, and never matched"
		}
		return p, ""
	}
	if !isNetwork {
		p, err = a.Prefix(a.BitLen())
		if err != nil || a.Zone() != "" || a.Is4In6() || a.String() != bare {
			return netip.Prefix{}, fmt.Sprintf("is not how OpenDKIM writes that address (%s), so it never matched", a.Unmap().WithZone(""))
		}
		return p, ""
	}
	p, err = netip.ParsePrefix(bare)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Sprintf("has the length %.20q, which OpenDKIM never looks for, so it never matched", length)
	case a.Is4In6():
		return netip.Prefix{}, "is an IPv4 network in IPv6 form, which no client has"
	case p.Masked().String() != bare:
		return netip.Prefix{}, fmt.Sprintf("is not how OpenDKIM writes that network (%s), so it never matched", p.Masked())
	}
	return p, ""
}

// networks returns the list for [access] networks that admits the clients that are
// signed for: those of own that are not peers, with whom nothing is done.
func networks(own, peers hosts) []string {
	all := map[netip.Prefix]bool{}
	for p := range own.in {
		all[p] = true
	}
	for p := range peers.in {
		all[p] = true
	}
	sorted := make([]netip.Prefix, 0, len(all))
	for p := range all {
		sorted = append(sorted, p)
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(a.Addr().BitLen(), b.Addr().BitLen()), cmp.Compare(a.Bits(), b.Bits()), a.Addr().Compare(b.Addr()))
	})
	said := newHosts()
	list := []string{}
	for _, p := range sorted {
		admitted := own.covers(p) && !peers.covers(p)
		if admitted == said.covers(p) {
			continue // what is wider says so already
		}
		said.in[p] = admitted
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		if !admitted {
			text = "!" + text
		}
		list = append(list, text)
	}
	return list
}

// translateClients says whose mail is signed.
func (t *Translation) translateClients(r *reader) (err error) {
	internal, given := t.conf.get("InternalHosts")
	if !given {
		internal.value = "csl:127.0.0.1,::1" // the default in force
	}
	if t.own, err = r.hosts(internal); err != nil {
		return err
	}
	t.peers = newHosts()
	if peers, ok := t.conf.get("PeerList"); ok {
		if t.peers, err = r.hosts(peers); err != nil {
			return err
		}
		r.note(peers.note(Differs, "these clients are taken out of [access] networks; if one logs in, its mail is signed", ""))
	}
	// Whoever is not internal and has not logged in is let pass, unsigned, as by OpenDKIM.
	t.Config.Access.Networks = networks(t.own, t.peers)
	t.Config.Access.Authenticated = true
	t.Config.Access.Unlisted = "pass"
	if s, ok := t.conf.get("ExternalIgnoreList"); ok {
		r.note(s.note(Fine, "only kept a line out of OpenDKIM's log", ""))
	}
	return nil
}

// has reports whether a client is in the set, by its name or by its address.
func (h hosts) has(name string, addr netip.Addr) bool {
	return h.hasName(strings.ToLower(name)) || addr.IsValid() && h.covers(netip.PrefixFrom(addr, addr.BitLen()))
}

func (h hosts) hasName(name string) bool {
	for name != "" {
		if h.names["!"+name] {
			return false
		}
		if h.names[name] {
			return true
		}
		i := strings.IndexByte(name[1:], '.')
		if i < 0 {
			return false
		}
		name = name[1+i:]
	}
	return false
}
