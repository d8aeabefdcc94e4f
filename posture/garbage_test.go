package posture

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"pratique/posture/lookup/lookuptest"
	"pratique/signing/records"
)

// garbage starts a resolver that answers with octets of our making, by UDP alone.
func garbage(t *testing.T, answer func(q *dns.Msg) []byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buf[:n]) == nil {
				if octets := answer(q); octets != nil {
					conn.WriteTo(octets, from)
				}
			}
		}
	}()
	return conn.LocalAddr().String()
}

// TestGarbage: whatever a resolver sends that is no answer, nothing is well and nothing
// fails: it is not known, and it is said why.
func TestGarbage(t *testing.T) {
	packed := func(m *dns.Msg) []byte {
		octets, err := m.Pack()
		if err != nil {
			panic(err)
		}
		return octets
	}
	good := func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		return m
	}
	for name, c := range map[string]struct {
		answer func(q *dns.Msg) []byte
		says   string
	}{
		"nothing":           {func(*dns.Msg) []byte { return nil }, "no answer in time"},
		"no octets":         {func(*dns.Msg) []byte { return []byte{} }, ""},
		"a few octets":      {func(*dns.Msg) []byte { return []byte("hello") }, ""},
		"text":              {func(*dns.Msg) []byte { return []byte("HTTP/1.0 400 Bad Request\r\n\r\n") }, ""},
		"wrong id":          {func(q *dns.Msg) []byte { m := good(q); m.Id++; return packed(m) }, "no answer in time"},
		"the question":      {packed, ""},
		"another question":  {func(q *dns.Msg) []byte { m := good(q); m.Question[0].Name = "other.test."; return packed(m) }, "another question"},
		"another kind":      {func(q *dns.Msg) []byte { m := good(q); m.Question[0].Qtype = dns.TypeNULL; return packed(m) }, "another question"},
		"cut off":           {func(q *dns.Msg) []byte { o := packed(good(q)); return o[:len(o)-3] }, ""},
		"truncated, no TCP": {func(q *dns.Msg) []byte { m := good(q); m.Truncated = true; return packed(m) }, "too long for UDP"},
		"a pointer to itself": {func(q *dns.Msg) []byte {
			m := good(q)
			m.Answer = []dns.RR{&dns.CNAME{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: q.Question[0].Name}}
			return packed(m)
		}, "circle"},
		"an unknown code": {func(q *dns.Msg) []byte { m := good(q); m.Rcode = 11; return packed(m) }, "11"},
		"FORMERR":         {func(q *dns.Msg) []byte { m := good(q); m.Rcode = dns.RcodeFormatError; return packed(m) }, "FORMERR"},
		"NOTIMP":          {func(q *dns.Msg) []byte { m := good(q); m.Rcode = dns.RcodeNotImplemented; return packed(m) }, "NOTIMP"},
		"blocked": {func(q *dns.Msg) []byte {
			m := good(q)
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeBlocked, ExtraText: "by policy"})
			return packed(m)
		}, "Blocked (extended error 15), by policy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := garbage(t, c.answer)
			o := records.Options{Resolver: addr, Authoritative: []string{addr}, Timeout: 50 * time.Millisecond}
			env := asking(addr)
			env.Resolver, env.Authority, env.Parallel = records.NewResolver(o), records.New(o), 64
			r := Run(t.Context(), env, Subject{Hostname: "mail.test", Addresses: ours(), Pairs: from("good.test"), Keys: []Key{{Record: "s._domainkey.good.test", Domain: "good.test", Private: newKey(t, 2048)}}})
			report := text(t, r)
			if r.Counts[OK] > 0 || r.Counts[Fail] > 0 || r.Counts[Warn] > 0 || !strings.Contains(report, c.says) {
				t.Errorf("want what is unknown, and why (%q):\n%s", c.says, report)
			}
		})
	}
}

// TestNoAddress: without an address that receivers see there is nothing to permit, and
// no record is printed that may refuse our mail; what is to be named is said.
func TestNoAddress(t *testing.T) {
	z := lookuptest.New(t, sound+"bare.test. MX 10 mail.test.\nopen.test. MX 10 mail.test.\nopen.test. TXT \"v=spf1 mx +all\"\n")
	env := asking("127.0.0.1:1")
	env.Resolver = z
	for _, addrs := range [][]netip.Addr{nil, {netip.MustParseAddr("10.0.0.1")}} {
		r := Run(t.Context(), env, Subject{Hostname: "mail.test", NoAddress: "no reason", Addresses: addrs, Pairs: from("bare.test", "open.test")})
		for _, f := range only(r.Findings, "spf") {
			lines := strings.Join(f.Publish, "\n")
			if lines != "" || (f.Code == "spf_none" || f.Code == "spf_everyone") && !strings.Contains(f.Do, "(egress)") {
				t.Errorf("%v: %+v", addrs, f)
			}
		}
	}
}
