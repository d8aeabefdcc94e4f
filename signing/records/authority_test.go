package records_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"pratique/integration/harness"
	"pratique/signing/records"
	"pratique/signing/records/recordstest"
)

// world is real servers of some zones, and a resolver that leads to them.
type world struct {
	t        *testing.T
	host     func(int) string
	port     int
	resolver *recordstest.Resolver
	options  records.Options
}

// newWorld starts one nsd at host 1, whose port all servers of the world have.
func newWorld(t *testing.T, zones map[string]string) *world {
	t.Helper()
	w := &world{t: t, host: recordstest.Network()}
	w.port = w.nsd(1, zones).Port()
	var addr string
	w.resolver, addr = recordstest.StartResolver(t, w.port)
	w.options = records.Options{Resolver: addr, Port: strconv.Itoa(w.port), Timeout: 300 * time.Millisecond}
	return w
}

func (w *world) nsd(host int, zones map[string]string) *harness.NSD {
	w.t.Helper()
	full := map[string]string{}
	for name, text := range zones {
		full[name] = "$TTL 300\n@ SOA ns.invalid. admin.invalid. 1 3600 600 864000 120\n@ NS ns.invalid.\n" + text
	}
	n, err := harness.StartNSD(w.t.Context(), w.t.TempDir(), harness.NSDOptions{Host: w.host(host), Port: w.port, Zones: full})
	if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		w.t.Skip(err)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := n.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return n
}

// fake starts a server with a fault at a host of the world.
func (w *world) fake(host int, handler recordstest.Handler) {
	w.t.Helper()
	recordstest.Start(w.t, w.host(host), w.port, handler)
}

// serve names the servers of a zone by their hosts.
func (w *world) serve(zone string, hosts ...int) {
	for _, host := range hosts {
		w.resolver.Delegate(zone, fmt.Sprintf("ns%d.%s", host, zone), w.host(host))
	}
}

// asks compares what the servers say of a name, one line a server:
// "ns1.example.org: a record | another" or "ns1.example.org: none", or
// "ns1.example.org: error: a part of it".
func (w *world) asks(name string, want ...string) {
	w.t.Helper()
	answers, err := records.New(w.options).Ask(w.t.Context(), name)
	if err != nil {
		w.t.Errorf("%s: %v", name, err)
	}
	w.compare(name, answers, want)
}

func (w *world) compare(name string, answers []records.Answer, want []string) {
	w.t.Helper()
	if len(answers) != len(want) {
		w.t.Errorf("%s: %d answers, want %d: %v", name, len(answers), len(want), answers)
		return
	}
	for i, a := range answers {
		server, _, _ := strings.Cut(a.Server, " ")
		got := server + ": none"
		if a.Err != nil {
			got = server + ": error: " + a.Err.Error()
		} else if len(a.Records) > 0 {
			slices.Sort(a.Records)
			got = server + ": " + strings.Join(a.Records, " | ")
		}
		if got != want[i] && (a.Err == nil || !wanted(got, want[i])) {
			w.t.Errorf("%s: %s\nwant %s", name, got, want[i])
		}
	}
}

// wanted reports that an error comes from the right server and holds the words.
func wanted(got, want string) bool {
	server, words, ok := strings.Cut(want, ": error: ")
	return ok && strings.HasPrefix(got, server+": error: ") && strings.Contains(got, words)
}

var long = "v=DKIM1; p=" + strings.Repeat("A", 1500)

// quoted writes a text as the strings of a TXT record.
func quoted(text string) string {
	var parts []string
	for part := range slices.Chunk([]byte(text), 255) {
		parts = append(parts, strconv.Quote(string(part)))
	}
	return strings.Join(parts, " ")
}

func TestAsk(t *testing.T) {
	w := newWorld(t, map[string]string{
		"example.org": `
s1._domainkey TXT "v=DKIM1; k=rsa; " "p=AAAA"
two._domainkey TXT "v=DKIM1; p=AAAA"
two._domainkey TXT "v=spf1 -all"
long._domainkey TXT ` + quoted(long) + `
odd._domainkey TXT "back\\slash\; \"quote\" \200"
address._domainkey A 127.0.0.1
inside._domainkey CNAME s1._domainkey
provider._domainkey CNAME s7.mail.example.net.
gone._domainkey CNAME s8.mail.example.net.
nowhere._domainkey CNAME s8.unknown.invalid.
loop1._domainkey CNAME loop2._domainkey
loop2._domainkey CNAME loop1._domainkey
outer._domainkey CNAME outer.mail.example.net.
_domainkey.cut NS ns2.cut
ns2.cut A 127.0.0.1
*.wild TXT "v=spf1 -all"
`})
	w.nsd(2, map[string]string{
		"mail.example.net": `
s7 TXT "v=DKIM1; p=BBBB"
outer CNAME outer._domainkey.example.org.
`,
		"_domainkey.cut.example.org": `
s1 TXT "v=DKIM1; p=CCCC"
`})
	w.serve("example.org", 1)
	w.serve("mail.example.net", 2)
	w.serve("_domainkey.cut.example.org", 2)

	const ns1, ns2 = "ns1.example.org: ", "ns2.mail.example.net: "
	w.asks("s1._domainkey.example.org", ns1+"v=DKIM1; k=rsa; p=AAAA")
	w.asks("S1._DomainKey.EXAMPLE.org.", ns1+"v=DKIM1; k=rsa; p=AAAA")
	w.asks("two._domainkey.example.org", ns1+"v=DKIM1; p=AAAA | v=spf1 -all")
	w.asks("long._domainkey.example.org", ns1+long)                         // comes by TCP
	w.asks("odd._domainkey.example.org", ns1+"back\\slash; \"quote\" \xc8") // octets as they are
	w.asks("s9._domainkey.example.org", ns1+"none")                         // NXDOMAIN
	w.asks("address._domainkey.example.org", ns1+"none")                    // NODATA
	w.asks("_domainkey.example.org", ns1+"none")                            // an empty non-terminal
	w.asks("s1._domainkey.wild.example.org", ns1+"v=spf1 -all")             // a wildcard
	w.asks("inside._domainkey.example.org", ns1+"v=DKIM1; k=rsa; p=AAAA")   // a CNAME within the zone
	w.asks("provider._domainkey.example.org", ns2+"v=DKIM1; p=BBBB")        // and out of it
	w.asks("gone._domainkey.example.org", ns2+"none")                       // to nothing
	w.asks("nowhere._domainkey.example.org", ns1+"error: has a CNAME to s8.unknown.invalid: the authoritative servers of s8.unknown.invalid could not be found")
	w.asks("loop1._domainkey.example.org", ns1+"error: CNAME loop: loop1._domainkey.example.org → loop2._domainkey.example.org → loop1")
	w.asks("outer._domainkey.example.org", ns2+"error: CNAME loop: outer._domainkey.example.org → outer.mail.example.net → outer._domainkey.example.org")
	w.asks("s1._domainkey.cut.example.org", "ns2._domainkey.cut.example.org: v=DKIM1; p=CCCC")
}

func TestAskSaysForHowLong(t *testing.T) {
	w := newWorld(t, map[string]string{"example.org": `
s1._domainkey 900 TXT "p=AAAA"
alias._domainkey CNAME s1._domainkey
`})
	w.serve("example.org", 1)
	for name, want := range map[string]records.Answer{
		"s1._domainkey.example.org":    {Name: "s1._domainkey.example.org", TTL: 15 * time.Minute},
		"alias._domainkey.example.org": {Name: "s1._domainkey.example.org", TTL: 15 * time.Minute},
		"s2._domainkey.example.org":    {Name: "s2._domainkey.example.org", TTL: 2 * time.Minute},
	} {
		answers, err := records.New(w.options).Ask(t.Context(), name)
		if err != nil || len(answers) != 1 || answers[0].TTL != want.TTL || answers[0].Name != want.Name {
			t.Errorf("%s: %+v, %v; want %+v", name, answers, err, want)
		}
	}
}

// A server that lags behind shows, whatever the other one has.
func TestAskEveryServer(t *testing.T) {
	w := newWorld(t, map[string]string{"example.org": `
s1._domainkey TXT "p=AAAA"
s2._domainkey TXT "p=BBBB"
s3._domainkey CNAME s3.mail.example.net.
`})
	second := w.nsd(2, map[string]string{"example.org": `
s1._domainkey TXT "p=OLD"
s3._domainkey TXT "p=OLD"
`})
	w.nsd(3, map[string]string{"mail.example.net": `
s3 TXT "p=CCCC"
`})
	w.serve("example.org", 1, 2)
	w.serve("mail.example.net", 3)
	w.asks("s1._domainkey.example.org", "ns1.example.org: p=AAAA", "ns2.example.org: p=OLD")
	w.asks("s2._domainkey.example.org", "ns1.example.org: p=BBBB", "ns2.example.org: none")
	w.asks("s3._domainkey.example.org", "ns3.mail.example.net: p=CCCC", "ns2.example.org: p=OLD")

	// It catches up.
	err := second.Publish(map[string]string{"example.org": "$TTL 300\n@ SOA ns.invalid. admin.invalid. 2 3600 600 864000 120\n" +
		"@ NS ns.invalid.\ns1._domainkey TXT \"p=AAAA\"\n"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		answers, err := records.New(w.options).Ask(ctx, "s1._domainkey.example.org")
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(answers[1].Records, []string{"p=AAAA"}) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// What is not known is never taken for a record, nor for its absence.
func TestAskFaults(t *testing.T) {
	w := newWorld(t, map[string]string{"example.org": `s1._domainkey TXT "p=AAAA"` + "\n"})
	answer := recordstest.Records(t, `s1._domainkey.example.org. 300 TXT "p=AAAA"`)
	change := func(change func(m *dns.Msg, tcp bool)) recordstest.Handler {
		return func(q *dns.Msg, tcp bool) *dns.Msg {
			m := answer(q, tcp)
			change(m, tcp)
			return m
		}
	}
	noEDNS := func(q *dns.Msg, tcp bool) *dns.Msg {
		if q.IsEdns0() != nil {
			return new(dns.Msg).SetRcodeFormatError(q)
		}
		return answer(q, tcp)
	}
	endless := change(func(m *dns.Msg, _ bool) {
		name := m.Question[0].Name
		m.Answer = []dns.RR{&dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: name}}
		m.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: "example.org.", Rrtype: dns.TypeNS, Class: dns.ClassINET}, Ns: "ns."}}
	})
	var tries atomic.Int32
	lossy := func(q *dns.Msg, tcp bool) *dns.Msg {
		if tries.Add(1) == 1 {
			return nil
		}
		return answer(q, tcp)
	}
	faults := []struct {
		handler recordstest.Handler
		want    string
	}{
		{recordstest.Rcode(dns.RcodeServerFailure), "error: SERVFAIL"},
		{recordstest.Rcode(dns.RcodeRefused), "error: does not serve the zone: it refuses"},
		{recordstest.Rcode(dns.RcodeNotImplemented), "error: the server answers NOTIMP"},
		{recordstest.Silent, "error: no answer in time"},
		{change(func(m *dns.Msg, _ bool) { m.Authoritative = false }), "error: answers without authority"},
		{change(func(m *dns.Msg, _ bool) { // a referral up: lame
			m.Authoritative, m.Answer = false, nil
			m.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeNS, Class: dns.ClassINET}, Ns: "a.invalid."}}
		}), "error: it refers to those of ."},
		{change(func(m *dns.Msg, _ bool) { m.Truncated = true }), "error: truncated even by TCP"},
		{change(func(m *dns.Msg, tcp bool) { m.Truncated = !tcp; m.Answer = m.Answer[:len(m.Answer)*b2i(tcp)] }), "p=AAAA"},
		{change(func(m *dns.Msg, _ bool) { m.Id++ }), "error: no answer in time"},
		{change(func(m *dns.Msg, _ bool) { m.Question[0].Name = "other.example.org." }), "error: another question"},
		{change(func(m *dns.Msg, _ bool) { m.Response = false }), "error: "},
		{endless, "error: its CNAMEs do not end"},
		{noEDNS, "p=AAAA"},
		{lossy, "p=AAAA"},
		{change(func(m *dns.Msg, _ bool) { m.Answer = nil }), "none"},
	}
	for i, f := range faults {
		host := 10 + i
		zone := fmt.Sprintf("zone%d.invalid", host)
		w.fake(host, f.handler)
		w.resolver.Delegate("example.org", fmt.Sprintf("ns%d.%s", host, zone), w.host(host))
	}
	w.resolver.Delegate("example.org", "ns30.homeless.invalid")            // has no address
	w.resolver.Delegate("example.org", "ns31.nobody.invalid", w.host(200)) // nothing listens there
	want := make([]string, len(faults), len(faults)+2)
	for i, f := range faults {
		want[i] = fmt.Sprintf("ns%d.zone%d.invalid: %s", 10+i, 10+i, f.want)
	}
	want = append(want, "ns30.homeless.invalid: error: has no address", "ns31.nobody.invalid: error: nothing listens there")
	w.asks("s1._domainkey.example.org", want...)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestAskWithoutResolver(t *testing.T) {
	w := newWorld(t, map[string]string{"example.org": ""})
	w.options.Resolver = recordstest.Start(t, "127.0.0.1", 0, recordstest.Rcode(dns.RcodeServerFailure))
	_, err := records.New(w.options).Ask(t.Context(), "s1._domainkey.example.org")
	if err == nil || !strings.Contains(err.Error(), "SERVFAIL") || !strings.Contains(err.Error(), w.options.Resolver) {
		t.Errorf("a resolver that fails: %v", err)
	}
	w.options.Resolver = recordstest.Start(t, "127.0.0.1", 0, recordstest.Silent)
	_, err = records.New(w.options).Ask(t.Context(), "s1._domainkey.example.org")
	if err == nil || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("a silent resolver: %v", err)
	}
}

// Configured servers are asked in place of the zone's own, as far as they serve it.
func TestAskConfiguredServers(t *testing.T) {
	w := newWorld(t, map[string]string{"example.org": `s1._domainkey TXT "p=PUBLIC"` + "\n", "example.net": `s1._domainkey TXT "p=NET"` + "\n"})
	hidden := w.nsd(2, map[string]string{"example.org": `
s1._domainkey TXT "p=HIDDEN"
s2._domainkey CNAME s1._domainkey.example.net.
`})
	refuses := w.nsd(3, map[string]string{"example.com": ""})
	w.serve("example.org", 1)
	w.serve("example.net", 1)
	w.options.Authoritative = []string{refuses.Addr(), hidden.Addr()}
	w.asks("s1._domainkey.example.org", hidden.Addr()+": p=HIDDEN")
	w.asks("s1._domainkey.example.net", "ns1.example.net: p=NET")
	w.asks("s2._domainkey.example.org", "ns1.example.net: p=NET")

	silent := recordstest.Start(t, w.host(4), w.port, recordstest.Silent)
	w.options.Authoritative = []string{silent}
	w.asks("s1._domainkey.example.org", silent+": error: no answer in time")
}

func TestAskCancelled(t *testing.T) {
	w := newWorld(t, map[string]string{"example.org": ""})
	w.fake(2, recordstest.Silent)
	w.serve("example.org", 2)
	w.options.Timeout = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	answers, err := records.New(w.options).Ask(ctx, "s1._domainkey.example.org")
	if err != nil || len(answers) != 1 || answers[0].Err == nil {
		t.Errorf("%v, %v; want one answer that is not known", answers, err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
