package blocklist

import (
	"net/netip"
	"strings"
	"testing"

	"pratique/posture/lookup"
	"pratique/posture/lookup/lookuptest"
)

// TestTable holds the table to what a list must have.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range Table() {
		if seen[l.Zone] || l.Zone != strings.ToLower(l.Zone) || l.Name == "" || !strings.HasPrefix(l.Delist, "https://") || l.Kind != Address && l.Kind != Domain {
			t.Errorf("%+v", l)
		}
		seen[l.Zone] = true
		for code := range l.Codes {
			if addr, err := netip.ParseAddr(code); err != nil || !addr.IsLoopback() || l.NotListed[code] != "" || l.Refusals[code] != "" {
				t.Errorf("%s: %s", l.Zone, code)
			}
		}
	}
}

func TestChoose(t *testing.T) {
	table := []List{{Zone: "a.test", Kind: Address}, {Zone: "b.test", Kind: Address}}
	for _, c := range []struct {
		changes []Change
		want    string
	}{
		{nil, "a.test b.test"},
		{[]Change{{"A.test", Off}}, "b.test"},
		{[]Change{{Every, Off}}, ""},
		{[]Change{{Every, Off}, {"b.test", Address}, {"c.test", Domain}}, "b.test c.test"},
		{[]Change{{"c.test", Off}}, "a.test b.test"},
	} {
		var got []string
		for _, l := range Choose(table, c.changes) {
			got = append(got, l.Zone)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v: %v, want %s", c.changes, got, c.want)
		}
	}
}

// TestSpamhaus: what is no listing is told apart from what is one.
func TestSpamhaus(t *testing.T) {
	zen := Table()[0]
	for answer, want := range map[string]string{
		"": "clean []",
		"25.2.0.192.zen.spamhaus.org. A 127.0.0.10":      "listed [127.0.0.10: PBL: the provider says that no mail should come from this address; it can be taken out by its owner]",
		"25.2.0.192.zen.spamhaus.org. A 127.0.0.99":      "listed [127.0.0.99]",
		"25.2.0.192.zen.spamhaus.org. A 127.255.255.254": "unknown []",
		"25.2.0.192.zen.spamhaus.org. A 10.1.1.1":        "unknown []",
	} {
		z := lookuptest.New(t, "2.0.0.127.zen.spamhaus.org. A 127.0.0.2\n"+answer+"\n")
		r := Check(t.Context(), z.DNS(), []List{zen}, []netip.Addr{netip.MustParseAddr("192.0.2.25")}, nil)
		if got := string(r[0].State) + " [" + strings.Join(r[0].Codes, " ") + "]"; got != want {
			t.Errorf("%s: %s (%s), want %s", answer, got, r[0].Reason, want)
		}
	}
}

// TestPolite: a list is asked once for each thing, and once for each test point.
func TestPolite(t *testing.T) {
	z := lookuptest.New(t, "2.0.0.127.a.test. A 127.0.0.2\n")
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")}
	if r := Check(t.Context(), z.DNS(), []List{{Zone: "a.test", Kind: Address}}, addrs, []string{"x.test"}); len(r) != 2 {
		t.Errorf("%+v", r)
	}
	if n := z.Asked.Load(); n != 4 {
		t.Errorf("%d questions", n)
	}
}

// TestDies: a list that dies while it is asked is asked no further, and is not known to
// have none of what was left.
func TestDies(t *testing.T) {
	z := lookuptest.New(t, "2.0.0.127.list.test. A 127.0.0.2\n1.2.0.192.list.test. A 127.0.0.2\n")
	var addrs []netip.Addr
	for i := range 20 {
		addrs = append(addrs, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		if i > 1 {
			z.Fail(lookup.Reversed(addrs[i])+".list.test", lookuptest.Timeout)
		}
	}
	results := Check(t.Context(), z.DNS(), []List{{Zone: "list.test", Kind: Address}}, addrs, nil)
	if len(results) != len(addrs) || results[0].State != Clean || results[1].State != Listed {
		t.Fatalf("%+v", results)
	}
	for _, r := range results[2:] {
		if r.State != Unknown || r.Reason == "" {
			t.Errorf("%+v", r)
		}
	}
	if n := z.Asked.Load(); n > 2+3+mostFailures { // test points, the two that answer and a text, and those that fail
		t.Errorf("%d questions", n)
	}
}
