package records

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// read takes from a server's message what it has under a name.
func (r *reply) read(m *dns.Msg, name string) {
	if r.Err = refusal(m, name); r.Err != nil {
		return
	}
	// A server follows its own CNAMEs within the zone, but what it says of other
	// zones is not for it to say.
	at, zone := name, zoneOf(m)
	for range maxAliases {
		target := aliasOf(m, at)
		if target == "" {
			break
		}
		if zone == "" || !dns.IsSubDomain(zone, at) || !dns.IsSubDomain(zone, target) || !answered(m, target) {
			r.alias = target
			return
		}
		at = target
	}
	if target := aliasOf(m, at); target != "" {
		r.Err = fmt.Errorf("its CNAMEs do not end: %s → %s", show(name), show(target))
		return
	}
	r.Name = show(at)
	r.Records, r.TTL = textsOf(m, at)
	if len(r.Records) == 0 {
		r.TTL = negativeTTL(m)
	}
}

// refusal says why a message does not tell what a zone holds, or returns nil.
func refusal(m *dns.Msg, name string) error {
	switch m.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	case dns.RcodeServerFailure:
		return fmt.Errorf("the server fails (SERVFAIL): it may have no current copy of the zone")
	case dns.RcodeRefused, dns.RcodeNotAuth:
		return fmt.Errorf("the server %w: it refuses the question (%s)", errNotServed, dns.RcodeToString[m.Rcode])
	default:
		return fmt.Errorf("the server answers %s", rcode(m.Rcode))
	}
	if m.Authoritative {
		return nil
	}
	if to := referral(m, name); to != "" {
		return fmt.Errorf("the server %w: it refers to those of %s", errNotServed, show(to))
	}
	return fmt.Errorf("the server %w: it answers without authority", errNotServed)
}

func rcode(code int) string {
	if text, ok := dns.RcodeToString[code]; ok {
		return text
	}
	return fmt.Sprintf("with the unknown code %d", code)
}

// referral returns the zone to whose servers a message refers, or "".
func referral(m *dns.Msg, name string) string {
	for _, rr := range m.Ns {
		if ns, ok := rr.(*dns.NS); ok && dns.IsSubDomain(ns.Hdr.Name, name) {
			return ns.Hdr.Name
		}
	}
	return ""
}

// zoneOf returns the zone that a message speaks for, as far as it says so.
func zoneOf(m *dns.Msg) string {
	for _, rr := range m.Ns {
		switch rr.(type) {
		case *dns.SOA, *dns.NS:
			return rr.Header().Name
		}
	}
	return ""
}

func aliasOf(m *dns.Msg, name string) string {
	for _, rr := range m.Answer {
		if alias, ok := rr.(*dns.CNAME); ok && strings.EqualFold(alias.Hdr.Name, name) {
			return dns.CanonicalName(alias.Target)
		}
	}
	return ""
}

// answered reports whether a message has records of a name.
func answered(m *dns.Msg, name string) bool {
	return slices.ContainsFunc(m.Answer, func(rr dns.RR) bool { return strings.EqualFold(rr.Header().Name, name) })
}

func textsOf(m *dns.Msg, name string) (texts []string, ttl time.Duration) {
	for _, rr := range m.Answer {
		if txt, ok := rr.(*dns.TXT); ok && strings.EqualFold(txt.Hdr.Name, name) {
			texts = append(texts, Octets(strings.Join(txt.Txt, "")))
			ttl = time.Duration(txt.Hdr.Ttl) * time.Second
		}
	}
	return texts, ttl
}

// negativeTTL is how long a resolver may remember that there is nothing: the lesser
// of the SOA record's TTL and its last field (RFC 2308 5).
func negativeTTL(m *dns.Msg) time.Duration {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second
		}
	}
	return 0
}

// Octets undoes the library's presentation of a string: "\123" for octets that
// do not print, a backslash before quotes and backslashes.
func Octets(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	plain := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			if n, ok := decimal(text[i+1:]); ok {
				c, i = n, i+3
			} else {
				c, i = text[i+1], i+1
			}
		}
		plain = append(plain, c)
	}
	return string(plain)
}

// decimal reads the three digits at the start of a text as an octet.
func decimal(text string) (byte, bool) {
	if len(text) < 3 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(text[:3]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return byte(n), n <= 255
}
