package spf

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.yaml.in/yaml/v2"

	"pratique/posture/lookup/lookuptest"
)

// scenario is a zone of the test suite of RFC 7208 with its tests.
type scenario struct {
	Description string
	Tests       map[string]struct {
		Helo, Host, MailFrom string
		Result               any // a result, or a list of those that are allowed
	}
	ZoneData map[string][]any
}

func (s scenario) zones(t *testing.T) *lookuptest.Zones {
	z := lookuptest.New(t, "")
	for name, records := range s.ZoneData {
		for _, r := range records {
			switch r := r.(type) {
			case map[any]any:
				if r["TIMEOUT"] != nil && (!hasTXT(records) || hasNone(records)) {
					z.Fail(name, lookuptest.Timeout)
				}
				for kind, value := range r {
					if rr := record1(dns.Fqdn(name), kind.(string), value); rr != nil {
						z.Add(rr)
					}
				}
			}
		}
		// The suite gives type SPF records that stand for TXT where no TXT is given.
		if !hasTXT(records) {
			for _, r := range records {
				if m, ok := r.(map[any]any); ok && m["SPF"] != nil {
					z.Add(record1(dns.Fqdn(name), "TXT", m["SPF"]))
				}
			}
		}
	}
	return z
}

func hasTXT(records []any) bool {
	return slices.ContainsFunc(records, func(r any) bool { m, ok := r.(map[any]any); return ok && m["TXT"] != nil })
}

// hasNone reports that a name has no TXT record, on purpose.
func hasNone(records []any) bool {
	return slices.ContainsFunc(records, func(r any) bool { m, ok := r.(map[any]any); return ok && m["TXT"] == "NONE" })
}

// record1 makes a record; NONE makes none.
func record1(name, kind string, value any) dns.RR {
	hdr := func(kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 60}
	}
	switch kind {
	case "A":
		return &dns.A{Hdr: hdr(dns.TypeA), A: net.ParseIP(value.(string))}
	case "AAAA":
		return &dns.AAAA{Hdr: hdr(dns.TypeAAAA), AAAA: net.ParseIP(value.(string))}
	case "MX":
		pair := value.([]any)
		return &dns.MX{Hdr: hdr(dns.TypeMX), Preference: uint16(pair[0].(int)), Mx: dns.Fqdn(pair[1].(string))}
	case "PTR":
		return &dns.PTR{Hdr: hdr(dns.TypePTR), Ptr: dns.Fqdn(value.(string))}
	case "CNAME":
		return &dns.CNAME{Hdr: hdr(dns.TypeCNAME), Target: dns.Fqdn(value.(string))}
	case "TXT":
		if fmt.Sprint(value) == "NONE" {
			return nil
		}
		parts := []string{}
		switch v := value.(type) {
		case string:
			parts = append(parts, escapeTXT(v))
		case []any:
			for _, p := range v {
				parts = append(parts, escapeTXT(p.(string)))
			}
		}
		return &dns.TXT{Hdr: hdr(dns.TypeTXT), Txt: parts}
	}
	return nil
}

func escapeTXT(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			fmt.Fprintf(&b, `\%c`, c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// TestSuite plays the test suite of RFC 7208, release 2014.04.
func TestSuite(t *testing.T) {
	data, err := os.ReadFile("testdata/rfc7208-tests.yml")
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var s scenario
		if err := decoder.Decode(&s); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		d := s.zones(t).DNS()
		for name, c := range s.Tests {
			played++
			local, domain, ok := cutLast(c.MailFrom, "@")
			if !ok {
				local, domain = "postmaster", c.MailFrom
			}
			if c.MailFrom == "" {
				domain = c.Helo
			}
			got := Check(t.Context(), d, Sender{Addr: netip.MustParseAddr(c.Host), Local: local, Domain: domain, Helo: c.Helo}, domain)
			wanted := []any{c.Result}
			if list, ok := c.Result.([]any); ok {
				wanted = list
			}
			if !slices.Contains(wanted, any(string(got.Result))) {
				t.Errorf("%s: %s: %s (%s of %s: %s), want %v", s.Description, name, got.Result, got.Term, got.Domain, got.Text, wanted)
			}
		}
	}
	if played < 190 {
		t.Errorf("only %d tests were played", played)
	}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+len(sep):], true
}
