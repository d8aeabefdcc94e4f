package posture

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// reverse looks at the names of the sending addresses (RFC 1912 2.1; Gmail: 5.7.25).
func (a *audit) reverse(ctx context.Context) []Finding {
	var found []Finding
	for _, addr := range a.Addresses {
		found = append(found, a.reverseOf(ctx, addr)...)
	}
	return found
}

func (a *audit) reverseOf(ctx context.Context, addr netip.Addr) []Finding {
	about := func(code string, s Status, text string) Finding {
		return Finding{Topic: "ptr", Subject: addr.String(), Code: code, Status: s, Found: text}
	}
	if !public(addr) { // what its name is, and where that leads, is nobody's business outside
		f := about("private_address", Unknown, "receivers do not see this address, but another one: that of the router before it, which is not looked at")
		f.Do = `name that one in the configuration: egress = ["192.0.2.25"]`
		return []Finding{f}
	}
	names, answer, err := a.dns.Names(ctx, addr)
	if err != nil {
		return []Finding{about("ptr_unknown", Unknown, err.Error())}
	}
	// Where the provider's CNAME leads, if there is one (RFC 2317).
	line := func(name string) []string {
		if !isFull(name) {
			return nil
		}
		return []string{fmt.Sprintf("%s. IN PTR %s.", answer.Name, name)}
	}
	if len(names) == 0 {
		f := about("no_ptr", Fail, "the address has no name in the reverse DNS")
		f.Means = "Gmail (550 5.7.25), Yahoo, Microsoft, Apple and many others refuse mail from such an address"
		f.Do = "have whoever gave you the address (provider, hoster) set its PTR record"
		f.Publish = line(a.Hostname)
		return []Finding{f}
	}
	confirmed, found := a.confirm(ctx, addr, names)
	if len(names) > 1 {
		f := about("several_ptr", Warn, fmt.Sprintf("the address has %d names: %s", len(names), strings.Join(names, ", ")))
		f.Means = "receivers look at any one of them, or at none"
		f.Do = "leave one PTR record, that of the HELO name"
		if slices.Contains(confirmed, a.Hostname) {
			f.Publish = line(a.Hostname)
		} else if len(confirmed) > 0 {
			f.Publish = line(confirmed[0])
		}
		found = append(found, f)
	}
	if len(confirmed) == 0 {
		return found
	}
	for _, name := range confirmed {
		if why := generic(name, addr); why != "" {
			f := about("generic_ptr", Warn, fmt.Sprintf("the name %s looks like one that a provider makes for every customer: %s", name, why))
			f.Means = "many receivers take mail from such names for that of an infected home computer"
			f.Do = "have the PTR record set to a name of your own, that leads back to the address, and is said in HELO"
			if a.Hostname != name {
				f.Publish = line(a.Hostname)
			}
			return append(found, f)
		}
	}
	return append(found, about("ptr_ok", OK, fmt.Sprintf("its name is %s, which leads back to it", strings.Join(confirmed, ", "))))
}

// maxNames bounds the names of one address that are looked at, as receivers do (RFC 7208 5.5).
const maxNames = 10

// confirm returns the names that lead back to the address, and findings about the others.
func (a *audit) confirm(ctx context.Context, addr netip.Addr, names []string) (confirmed []string, found []Finding) {
	for _, name := range names[:min(len(names), maxNames)] {
		addrs, err := a.dns.Addresses(ctx, name, addr)
		f := Finding{Topic: "ptr", Subject: addr.String()}
		switch {
		case err != nil:
			f.Code, f.Status = "ptr_unconfirmed", Unknown
			f.Found = fmt.Sprintf("its name is %s, and whether that leads back to it is not known: %v", name, err)
		case slices.Contains(addrs, addr):
			confirmed = append(confirmed, name)
			continue
		default:
			f.Code, f.Status = "ptr_not_confirmed", Fail
			f.Found = fmt.Sprintf("its name is %s, which does not lead back to it: %s", name, leadsTo(addrs))
			f.Means = "receivers want forward-confirmed reverse DNS (Gmail: 4.7.23, 5.7.25), and treat this like no name at all"
			f.Do = "add the address to the name, or have the PTR record set to the right name"
			f.Publish = []string{addressLine(name, addr)}
		}
		found = append(found, f)
	}
	return confirmed, found
}

func leadsTo(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "it has no address of that kind"
	}
	return "it has " + join(addrs)
}

// addressLine is the line of a zone file that gives a name an address.
func addressLine(name string, addr netip.Addr) string {
	return fmt.Sprintf("%s. IN %s %s", name, map[bool]string{true: "A", false: "AAAA"}[addr.Is4()], addr)
}

// Words that providers put into the names of their customers' lines: those of the first
// kind always, those of the second one beside a number.
var (
	lineWords   = regexp.MustCompile(`(^|[-._0-9])(dyn|dynamic|dynip|dip|dhcp|dial|dialup|dialin|pool|pools|ppp|pppoe|adsl|vdsl|xdsl|dsl|cablemodem|broadband|unassigned|unknown|reverse|no-?rdns|no-?ptr|localhost)([-._0-9]|$)`)
	clientWords = regexp.MustCompile(`(^|[-._0-9])(cable|client|customer|cust|user|home|mobile|wireless|ip)([-._0-9]|$)`)
)

// generic says why a name looks like one of many, or returns "". The name is in lower case.
func generic(name string, addr netip.Addr) string {
	if spelled(name, addr) {
		return "the address is spelled out in it"
	}
	host, _, _ := strings.Cut(name, ".")
	if word := lineWords.FindStringSubmatch(host); word != nil {
		return fmt.Sprintf("%q stands in it", word[2])
	}
	if word := clientWords.FindStringSubmatch(host); word != nil && numbers.MatchString(host) {
		return fmt.Sprintf("%q stands in it, with a number", word[2])
	}
	// Below the host name only the plain words count: "home.example" is a domain.
	rest := strings.TrimPrefix(name, host)
	for _, word := range []string{"dyn", "dynamic", "dhcp", "pool", "adsl", "dsl", "ppp", "dialup", "cable", "broadband"} {
		if strings.Contains(rest+".", "."+word+".") && strings.Count(rest, ".") > 2 {
			return fmt.Sprintf("%q stands in it", word)
		}
	}
	return ""
}

var numbers = regexp.MustCompile(`[0-9]+`)

// spelled reports whether an address, or most of it, is spelled out in a name: forwards
// or backwards, in decimal or hexadecimal, with or without something between.
func spelled(name string, addr netip.Addr) bool {
	plain := strings.NewReplacer("-", "", ".", "", ":", "", "_", "").Replace(name)
	digits := fmt.Sprintf("%x", addr.AsSlice())
	if addr.Is6() {
		return strings.Contains(plain, digits[16:]) || strings.Contains(plain, backwards(digits)[:16]) || groupsIn(name, addr)
	}
	octets := addr.AsSlice()
	reversed := slices.Clone(octets)
	slices.Reverse(reversed)
	for _, form := range []string{digits, fmt.Sprintf("%x", reversed), fmt.Sprintf("%03d%03d%03d%03d", octets[0], octets[1], octets[2], octets[3]), fmt.Sprint(binary.BigEndian.Uint32(octets))} {
		if strings.Contains(plain, form) && len(form) >= 8 && !strings.HasPrefix(form, "0000") {
			return true
		}
	}
	var found []string
	for _, n := range numbers.FindAllString(name, -1) {
		found = append(found, strings.TrimLeft(n, "0"))
	}
	return inARow(found, octets) || inARow(found, reversed)
}

// inARow reports whether three octets of an address, or more, stand side by side among numbers.
func inARow(found []string, octets []byte) bool {
	const enough = 3
	for from := range len(octets) - enough + 1 {
		var want []string
		for _, o := range octets[from : from+enough] {
			want = append(want, strings.TrimLeft(fmt.Sprint(o), "0"))
		}
		for at := range max(0, len(found)-enough+1) {
			if slices.Equal(found[at:at+enough], want) {
				return true
			}
		}
	}
	return false
}

// groupsIn reports whether the groups of an IPv6 address stand in a name, as they are
// written in full or in short.
func groupsIn(name string, addr netip.Addr) bool {
	var groups []string
	for octets := addr.AsSlice(); len(octets) > 0; octets = octets[2:] {
		groups = append(groups, fmt.Sprintf("%x", binary.BigEndian.Uint16(octets)))
	}
	for _, between := range []string{"-", "."} {
		if strings.Contains(name, strings.ReplaceAll(addr.String(), ":", between)) || strings.Contains(name, strings.Join(groups, between)) {
			return true
		}
	}
	return false
}

func backwards(text string) string {
	octets := []byte(text)
	slices.Reverse(octets)
	return string(octets)
}
