package mta

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// judgeNetworks compares the clients that Postfix trusts with those that may
// send through the milter.
func judgeNetworks(p *Postfix, ours Ours) []Finding {
	const name = "mynetworks"
	var found []Finding
	for _, s := range p.entries() {
		if !p.networksKnown(s) {
			found = append(found, Finding{Status: Unknown, Where: p.where(name), Found: "mynetworks is not set, and mynetworks_style is " + p.in(s, "mynetworks_style"),
				Means: "Postfix trusts the networks of its interfaces, which are not known here.",
				Fix:   []string{"set mynetworks to the networks whose clients may send"}})
			continue
		}
		networks, unread := p.networks(p.in(s, name))
		for _, why := range unread {
			found = append(found, Finding{Status: Unknown, Where: p.whereIn(s, name), Found: why,
				Means: "Its clients may be ones that the milter refuses, or lets pass unseen."})
		}
		found = append(found, p.judgeNetworksOf(s, networks, ours)...)
	}
	return append(onceForFound(found), p.judgeLocalMail(ours)...)
}

// judgeLocalMail: Postfix tells non_smtpd_milters that mail of sendmail(1) comes from
// 127.0.0.1, also where it knows IPv6 alone (MILTER_README, "Non-SMTP").
func (p *Postfix) judgeLocalMail(ours Ours) []Finding {
	const name = "non_smtpd_milters"
	local := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 32)
	cleanups := p.cleanups()
	if ours.Admits(local) || len(cleanups) == 0 || p.named(p.in(cleanups[0], name), ours) < 0 {
		return nil
	}
	f := Finding{Status: Fail, Where: p.whereIn(cleanups[0], name), Found: "mail by sendmail(1) comes to the milter as from 127.0.0.1, which is not in [access] networks",
		Means: "The milter refuses it: what cron and programs on this host send, and bounces, do not leave.",
		Fix:   []string{`in pratique.toml, [access]: add "127.0.0.1" to networks`}}
	if ours.PassUnknown {
		f.Means = "The milter lets it pass unchecked and unsigned (unlisted = \"pass\")."
	}
	return []Finding{f}
}

// judgeNetworksOf tells of the networks of a service that are open to strangers, and
// of those whose clients the milter does not take.
func (p *Postfix) judgeNetworksOf(s *service, networks []netip.Prefix, ours Ours) []Finding {
	var world, unlisted []string
	meets := p.named(p.in(s, "smtpd_milters"), ours) >= 0
	for _, n := range networks {
		switch {
		case isWorld(n) && p.onLoopback(s): // strangers do not reach it
		case isWorld(n):
			world = appendNew(world, n.String())
		case meets && !ours.Admits(n):
			unlisted = appendNew(unlisted, n.String())
		}
	}
	var found []Finding
	if len(world) > 0 {
		found = append(found, Finding{Status: Fail, Where: p.whereIn(s, "mynetworks"), Found: "mynetworks has " + enumerated(world),
			Means: "So wide a network makes this an open relay: strangers may send through it.",
			Fix:   []string{p.withoutWorld(s)}})
	}
	if len(unlisted) > 0 {
		found = append(found, unlistedNetworks(unlisted, p.whereIn(s, "mynetworks"), ours))
	}
	return found
}

// networksKnown reports whether mynetworks is set, or is what Postfix computed of the interfaces.
func (p *Postfix) networksKnown(s *service) bool {
	_, set := p.set["mynetworks"]
	_, overridden := s.overrides["mynetworks"]
	return set || overridden || p.asked || p.in(s, "mynetworks_style") == "host"
}

// withoutWorld is the command that takes what is no site's network out of mynetworks.
func (p *Postfix) withoutWorld(s *service) string {
	const name = "mynetworks"
	var kept []string
	for _, word := range words(p.in(s, name)) {
		networks, _ := p.networks(word)
		if !slices.ContainsFunc(networks, isWorld) {
			kept = append(kept, word)
		}
	}
	if len(kept) == 0 {
		kept = []string{"127.0.0.0/8", "[::1]/128"}
	}
	return p.setter(s, name, strings.Join(kept, " "))
}

func unlistedNetworks(networks []string, where string, ours Ours) Finding {
	verb := map[bool]string{true: "is", false: "are"}[len(networks) == 1]
	f := Finding{Status: Warn, Where: where, Found: fmt.Sprintf("mynetworks has %s, which %s not in [access] networks", enumerated(networks), verb),
		Means: "Postfix trusts their clients, and the milter refuses their mail.",
		Fix:   []string{fmt.Sprintf("in pratique.toml, [access]: add \"%s\" to networks", strings.Join(networks, `", "`)), "or take what is not yours out of mynetworks"}}
	if ours.PassUnknown {
		f.Status = Fail
		f.Means = "Postfix relays for their clients, and the milter lets their mail pass unchecked and unsigned (unlisted = \"pass\")."
	}
	return f
}

// isWorld reports a network that is no site's: the widest that are are an /8 of IPv4 and a /16 of IPv6.
func isWorld(n netip.Prefix) bool {
	if n.Addr().Is4() {
		return n.Bits() < 8
	}
	return n.Bits() < 16 && n != netip.MustParsePrefix("fc00::/7") && n != netip.MustParsePrefix("fe80::/10")
}

// networks reads mynetworks: addresses and networks, "!" before what is taken
// out, files and tables. What can't be read is told.
func (p *Postfix) networks(value string) (list []netip.Prefix, unread []string) {
	for _, word := range words(value) {
		switch {
		case strings.HasPrefix(word, "!"):
		case strings.HasPrefix(word, "/"):
			text, err := p.readTable(word)
			if err != nil {
				unread = append(unread, err.Error())
				continue
			}
			for _, l := range logicalLines([]byte(text)) {
				more, _ := p.networks(l.text)
				list = append(list, more...)
			}
		default:
			n, err := parseNetwork(word)
			switch {
			case err == nil && n.Addr().Is6() && word[0] != '[':
				unread = append(unread, word+" has no brackets: Postfix takes it for a table, and defers mail")
				continue
			case err == nil:
				list = append(list, n)
				continue
			}
			fromTable, err := p.networkTable(word)
			if err != nil {
				unread = append(unread, err.Error())
			}
			list = append(list, fromTable...)
		}
	}
	return list, unread
}

func (p *Postfix) networkTable(word string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	tables := p.tables(word)
	if len(tables) == 0 {
		return nil, fmt.Errorf("%q is no network", word)
	}
	for _, t := range tables {
		entries, err := t.entries()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		for _, e := range entries {
			if n, err := parseNetwork(e.key); err == nil {
				list = append(list, n)
			}
		}
	}
	return list, nil
}

// parseNetwork reads "10.0.0.0/8", "[::1]/128", "192.0.2.1".
func parseNetwork(word string) (netip.Prefix, error) {
	text := strings.NewReplacer("[", "", "]", "").Replace(word)
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if n.Addr().Is4In6() && n.Bits() >= 96 {
		n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n.Masked(), nil
}
