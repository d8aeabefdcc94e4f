package posture

import (
	"context"
	"errors"
	"flag"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/posture/blocklist"
	"pratique/signing/records"
)

var update = flag.Bool("update", false, "write the reports anew")

// serve starts a real nsd with the zones of testdata, and returns where it answers.
func serve(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	zones := map[string]string{}
	for _, name := range []string{"test", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa", "bl.test"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".zone"))
		if err != nil {
			t.Fatal(err)
		}
		zones[name] = string(text)
	}
	nsd, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: zones})
	if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nsd.Close() })
	return nsd.Addr()
}

// asking returns an Env that asks a server, as resolver and as authority.
func asking(addr string) Env {
	return Env{
		Resolver:  records.NewResolver(records.Options{Resolver: addr, Timeout: 2 * time.Second}),
		Authority: records.New(records.Options{Resolver: addr, Authoritative: []string{addr}, Timeout: 2 * time.Second}),
		Now:       func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) },
	}
}

// ours are the addresses that mail leaves from in most tests.
func ours() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("192.0.2.25"), netip.MustParseAddr("2001:db8::25")}
}

func from(domains ...string) []Pair {
	var pairs []Pair
	for _, d := range domains {
		pairs = append(pairs, Pair{From: d, Envelope: d, Signed: []string{d}})
	}
	return pairs
}

// same compares a text with a file of testdata/reports.
func same(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "reports", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: the report is\n%s\nwant\n%s", name, got, want)
	}
}

// port is of the server under test, another one each time.
var port = regexp.MustCompile(`127\.0\.0\.1:\d+`)

func text(t *testing.T, r Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return port.ReplaceAllString(b.String(), "127.0.0.1:53")
}

// TestDomains audits domains of the zone, and compares what is said under some topics.
func TestDomains(t *testing.T) {
	env := asking(serve(t))
	for topics, names := range map[string][]string{
		"": {"good", "missing", "alias"},
		"spf": {"eleven", "voids", "two", "upper", "split", "splitwell", "redirect", "both", "exp", "loop", "open", "halves", "neutral", "noall", "ptr",
			"manymx", "macro", "syntax", "wronglist", "noinclude", "resembles", "uncovered", "nospf", "long", "wild", "sub.wild"},
		"dmarc":                {"nop", "weak", "dtwo", "late", "tags", "agreed", "sub.good", "deep.psd", "a.deep.psd", "bad-p", "dalias"},
		"mx":                   {"nullmx", "implicit", "badmx"},
		"mta-sts tls-rpt bimi": {"sts", "sts2"},
	} {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				r := Run(t.Context(), env, Subject{Hostname: "mail.test", HostnameSource: "of the configuration", Addresses: ours(), Pairs: from(name + ".test")})
				if topics != "" {
					r.Findings = only(r.Findings, topics)
				}
				same(t, name, text(t, r))
			})
		}
	}
}

// TestAddresses audits addresses with all kinds of names.
func TestAddresses(t *testing.T) {
	env := asking(serve(t))
	for _, c := range []struct{ name, helo, addr string }{
		{"unnamed", "mail.test", "192.0.2.99"},
		{"generic", "host-192-0-2-26.dyn.isp.test", "192.0.2.26"},
		{"unconfirmed", "gone.test", "192.0.2.27"},
		{"severalptr", "www.test", "192.0.2.28"},
		{"delegated", "mail30.test", "192.0.2.30"},
		{"elsewhere", "mail.test", "198.51.100.7"},
		{"nohelo", "", "192.0.2.25"},
		{"localhost", "localhost", "192.0.2.25"},
		{"underscore", "my_host.test", "192.0.2.25"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Run(t.Context(), env, Subject{Hostname: c.helo, HostnameSource: "of the configuration", Addresses: []netip.Addr{netip.MustParseAddr(c.addr)}})
			r.Findings = only(r.Findings, "ptr helo")
			same(t, "address-"+c.name, text(t, r))
		})
	}
	same(t, "nothing", text(t, Run(t.Context(), env, Subject{NoAddress: "the interfaces have private ones only", Left: 3})))
}

// TestPairs audits domains whose envelope and signatures are another's.
func TestPairs(t *testing.T) {
	env := asking(serve(t))
	for name, p := range map[string]Pair{
		"pair-bounces":  {From: "sub.good.test", Envelope: "good.test", Signed: []string{"good.test"}},
		"pair-stranger": {From: "good.test", Envelope: "wild.test", Signed: []string{"wild.test"}},
		"pair-half":     {From: "good.test", Envelope: "wild.test", Signed: []string{"good.test"}},
	} {
		r := Run(t.Context(), env, Subject{Hostname: "mail.test", HostnameSource: "of the configuration", Addresses: ours(), Pairs: []Pair{p}})
		r.Findings = only(r.Findings, "spf dmarc")
		same(t, name, text(t, r))
	}
}

// TestBlocklists asks lists that work, that list everything, refuse, and are dead.
func TestBlocklists(t *testing.T) {
	env := asking(serve(t))
	for _, name := range []string{"good", "everything", "refuses", "parked", "dead", "clean", "late"} {
		env.Lists = append(env.Lists, blocklist.List{Zone: name + ".bl.test", Name: strings.ToUpper(name), Kind: blocklist.Address, Weight: blocklist.Heavy,
			Codes: map[string]string{"127.0.0.3": "a bad one"}, Delist: "https://bl.test/delist"})
	}
	env.Lists = append(env.Lists,
		blocklist.List{Zone: "domains.bl.test", Name: "DOMAINS", Kind: blocklist.Domain, Bits: map[int]string{2: "two", 8: "eight"}},
		blocklist.List{Zone: "white.bl.test", Name: "WHITE", Kind: blocklist.Address, NotListed: map[string]string{"127.0.0.1": "white"}},
		blocklist.List{Zone: "v6.bl.test", Name: "V6", Kind: blocklist.Address},
		blocklist.List{Zone: "gone.invalid", Name: "GONE", Kind: blocklist.Address})
	r := Run(t.Context(), env, Subject{Hostname: "mail.test", Addresses: ours(), Pairs: from("sub.good.test")})
	r.Findings = only(r.Findings, "blocklists")
	same(t, "blocklists", text(t, r))
}

// only returns the findings of some topics.
func only(found []Finding, topics string) []Finding {
	var kept []Finding
	for _, f := range found {
		if slices.Contains(strings.Fields(topics), f.Topic) {
			kept = append(kept, f)
		}
	}
	return kept
}

// TestNobodyThere: a resolver that does not listen makes everything unknown, and nothing well.
func TestNobodyThere(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.LocalAddr().String()
	l.Close()
	env := asking(addr)
	env.Lists = blocklist.Table()
	r := Run(t.Context(), env, Subject{Hostname: "mail.test", Addresses: ours(), Pairs: from("good.test")})
	if r.Counts[OK] > 0 || r.Status == OK || r.Counts[Fail] > 0 {
		t.Errorf("nobody answers, and the report is\n%s", text(t, r))
	}
}
