package lookup

import (
	"context"
	"strings"

	"github.com/miekg/dns"
)

// Instead returns a DNS in which a name has one TXT record in place of some: for trying
// out what is to be published. All else is as the first one has it, and what is not
// known there counts as not being there.
func (d *DNS) Instead(ctx context.Context, name string, replaced func(text string) bool, text string) *DNS {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	present, answer, _ := d.Texts(ctx, name)
	answer.Name, answer.Missing, answer.Records = name, false, nil
	add := func(text Text) {
		rr := &dns.TXT{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET}}
		for _, part := range text {
			rr.Txt = append(rr.Txt, strings.ReplaceAll(part, `\`, `\\`))
		}
		answer.Records = append(answer.Records, rr)
	}
	for _, other := range present {
		if replaced(other.String()) {
			answer.Octets -= len(other.String())
		} else {
			add(other)
		}
	}
	add(Strings(text))
	answer.Octets += len(text)
	return &DNS{other: d, instead: map[question]Answer{{name, dns.TypeTXT}: answer}}
}

// maxString is the longest string of a TXT record (RFC 1035 3.3.14).
const maxString = 255

// Strings cuts a text into what fits into the strings of a TXT record.
func Strings(text string) Text {
	var strs Text
	for rest := text; rest != ""; rest = rest[len(strs[len(strs)-1]):] {
		strs = append(strs, rest[:min(maxString, len(rest))])
	}
	return strs
}
