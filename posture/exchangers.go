package posture

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"pratique/signing/records"
)

// exchangers looks whether the sending domains exist, and can be answered: receivers
// refuse mail from what they could not reply to.
func (a *audit) exchangers(ctx context.Context) []Finding {
	return perDomain(a.domains(), func(domain string) []Finding {
		return append(a.mx(ctx, domain), a.authorities(ctx, domain)...)
	})
}

func (a *audit) mx(ctx context.Context, domain string) []Finding {
	about := func(code string, s Status, found, means, do string, publish ...string) []Finding {
		return []Finding{{Topic: "mx", Subject: domain, Code: code, Status: s, Found: found, Means: means, Do: do, Publish: publish}}
	}
	exchangers, err := a.dns.Exchangers(ctx, domain)
	if err != nil {
		return about("mx_unknown", Unknown, err.Error(), "", "")
	}
	if len(exchangers) == 0 {
		return a.withoutMX(ctx, domain, about)
	}
	if slices.ContainsFunc(exchangers, isNull) {
		text := "the domain says that it takes no mail (null MX, RFC 7505), and mail is sent from it"
		if len(exchangers) > 1 {
			text = "a null MX stands beside other MX records, which contradict it (RFC 7505 3)"
		}
		return about("null_mx", Fail, text, "receivers refuse mail from a sender that can't be answered (RFC 7505 4.2: 550 5.7.27)", "take the null MX out, or use another domain", mxLine(domain, usualPreference, a.Hostname)...)
	}
	var found []Finding
	var names []string
	usable := 0
	for _, mx := range exchangers {
		name := strings.ToLower(strings.TrimSuffix(mx.Mx, "."))
		names = append(names, fmt.Sprintf("%d %s", mx.Preference, name))
		f, ok := a.target(ctx, domain, mx.Preference, name)
		found = append(found, f...)
		if ok {
			usable++
		}
	}
	if usable == 0 {
		return found
	}
	for i := range found { // mail arrives by the others
		if found[i].Status == Fail {
			found[i].Status = Warn
		}
	}
	return append(found, about("mx_ok", OK, "MX "+strings.Join(names, ", "), "", "")...)
}

// usualPreference is that of an only MX.
const usualPreference = 10

// mxLine is the line of a zone file that names a host as MX; there is none if the host is not known.
func mxLine(domain string, preference uint16, host string) []string {
	if !isFull(host) {
		return nil
	}
	return []string{fmt.Sprintf("%s. IN MX %d %s.", domain, preference, host)}
}

func isNull(mx *dns.MX) bool { return mx.Mx == "." }

// withoutMX judges a domain without MX: its address takes its place (RFC 5321 5.1).
func (a *audit) withoutMX(ctx context.Context, domain string, about func(string, Status, string, string, string, ...string) []Finding) []Finding {
	addrs, err := a.dns.AllAddresses(ctx, domain)
	line := mxLine(domain, usualPreference, a.Hostname)
	switch {
	case len(addrs) > 0:
		return about("implicit_mx", Warn, "there is no MX, only the address "+join(addrs), "replies and bounces go to that host, if it takes mail at all; some receivers distrust such senders", "publish an MX: a host that takes mail for the domain", line...)
	case err != nil:
		return about("mx_unknown", Unknown, "there is no MX, and "+err.Error(), "", "")
	}
	return about("no_mx", Fail, "there is neither MX nor address", "receivers refuse mail from a domain that can't be answered (Postfix: reject_unknown_sender_domain)", "publish an MX: a host that takes mail for the domain", line...)
}

// target looks at a host that an MX names, and reports whether it is of use.
func (a *audit) target(ctx context.Context, domain string, preference uint16, name string) ([]Finding, bool) {
	about := func(code string, s Status, found, means, do string, publish ...string) []Finding {
		return []Finding{{Topic: "mx", Subject: domain, Code: code, Status: s, Found: "its MX " + name + " " + found, Means: means, Do: do, Publish: publish}}
	}
	const lost = "replies and bounces to the domain are lost, and receivers that look refuse its mail"
	if _, err := netip.ParseAddr(name); err == nil {
		return about("mx_is_address", Fail, "is an address, and must be a name (RFC 1035 3.3.9)", "most senders can't deliver there", "name a host, in its place", mxLine(domain, preference, a.Hostname)...), false
	}
	if !strings.Contains(name, ".") {
		return about("mx_not_public", Fail, "is no name of the public DNS", lost, "name a host by its full name, in its place", mxLine(domain, preference, a.Hostname)...), false
	}
	alias, aliasErr := a.dns.Ask(ctx, name, dns.TypeA)
	addrs, err := a.dns.AllAddresses(ctx, name)
	switch {
	case len(addrs) == 0 && err != nil:
		return about("mx_target_unknown", Unknown, "is not known: "+err.Error(), "", ""), false
	case len(addrs) == 0:
		return about("mx_without_address", Fail, "has no address", lost, "publish the address, or take the MX out"), false
	case aliasErr == nil && len(alias.Aliases) > 0:
		return about("mx_is_alias", Warn, "is a CNAME, which it must not be (RFC 2181 10.3)", "some senders do not deliver there", "name the host that it leads to, in its place", mxLine(domain, preference, alias.Name)...), true
	}
	return a.targetAddresses(addrs, about)
}

// targetAddresses judges the addresses of an MX.
func (a *audit) targetAddresses(addrs []netip.Addr, about func(code string, s Status, found, means, do string, publish ...string) []Finding) ([]Finding, bool) {
	hidden := slices.DeleteFunc(slices.Clone(addrs), public)
	switch {
	case len(hidden) == len(addrs):
		return about("mx_private", Warn, "has only addresses that nobody outside can reach: "+join(addrs), "nobody can deliver there; receivers that look refuse mail of the domain", "publish public addresses"), true
	case len(hidden) > 0:
		return about("mx_private", Warn, "has addresses that nobody outside can reach: "+join(hidden), "whoever tries these first delivers late, or not at all", "take them out"), true
	case !slices.ContainsFunc(addrs, netip.Addr.Is4):
		return about("mx_only_ipv6", Warn, "has IPv6 addresses only: "+join(addrs), "senders without IPv6, of which there are many, can't deliver there", "publish an IPv4 address as well, or another MX"), true
	}
	return nil, true
}

// authorities asks every authoritative server for the zone's SOA record: Yahoo looks
// sender domains up by it, and a server that does not answer makes mail late.
func (a *audit) authorities(ctx context.Context, domain string) []Finding {
	about := func(code string, s Status, found, means, do string) []Finding {
		return []Finding{{Topic: "zone", Subject: domain, Code: code, Status: s, Found: found, Means: means, Do: do}}
	}
	answer, err := a.dns.Ask(ctx, domain, dns.TypeSOA)
	switch {
	case err != nil:
		return about("zone_unknown", Unknown, err.Error(), "", "")
	case answer.Missing:
		return about("no_domain_in_dns", Fail, "the domain does not exist in the DNS (NXDOMAIN)", "Yahoo looks sender domains up by their SOA record, Gmail by MX and address: mail from it is refused", "register it, or publish it in its zone")
	case answer.Zone == "":
		return about("no_soa", Warn, "no SOA record is to be found", "Yahoo looks sender domains up by it", "have the zone's servers repaired")
	}
	said, err := a.hear(ctx, domain, dns.TypeSOA)
	if err != nil {
		return about("servers_unknown", Unknown, err.Error(), "", "")
	}
	return judgeServers(answer.Zone, said, about)
}

// judgeServers compares what the servers of a zone say.
func judgeServers(zone string, said []records.Said, about func(string, Status, string, string, string) []Finding) []Finding {
	serials := map[uint32][]string{}
	var broken []string
	for _, s := range said {
		if s.Err != nil {
			broken = append(broken, fmt.Sprintf("%s: %v", s.Server, s.Err))
			continue
		}
		for _, rr := range append(s.Msg.Answer, s.Msg.Ns...) {
			if soa, ok := rr.(*dns.SOA); ok {
				serials[soa.Serial] = append(serials[soa.Serial], s.Server)
			}
		}
	}
	good := len(said) - len(broken)
	switch {
	case good == 0:
		return about("servers_unknown", Unknown, "none of the zone's servers tells: "+strings.Join(broken, "; "), "", "")
	case len(broken) > 0:
		return about("lame_server", Warn, fmt.Sprintf("%d of %d servers of the zone %s do not serve it: %s", len(broken), len(said), zone, strings.Join(broken, "; ")),
			"some look-ups of your records are slow, or fail, and mail is late", "repair the server, or take its NS record out")
	case len(serials) > 1:
		var texts []string
		for serial, servers := range serials {
			texts = append(texts, fmt.Sprintf("%d at %s", serial, strings.Join(servers, ", ")))
		}
		slices.Sort(texts)
		return about("serials_differ", Info, fmt.Sprintf("the servers of %s have different versions of it: %s", zone, strings.Join(texts, "; ")), "that is so for a moment after each change; if it lasts, a server does not get the changes", "")
	}
	return about("zone_ok", OK, fmt.Sprintf("in the zone %s, which all of %s serve", zone, plural(good, "server", "servers")), "", "")
}
