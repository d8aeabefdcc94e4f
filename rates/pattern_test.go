package rates

import (
	"net/netip"
	"strings"
	"testing"

	"pratique/message"
)

func TestPatternsFindTheMostSpecific(t *testing.T) {
	cases := []struct {
		kind     Kind
		patterns []string
		want     map[string]string // key: the pattern that decides, "" if none does
	}{
		{PerClient, []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "2001:db8:1:2::/64", "local"}, map[string]string{
			"10.9.9.9": "10.0.0.0/8", "10.1.9.9": "10.1.0.0/16", "10.1.2.3": "10.1.2.3", "11.0.0.1": "",
			"2001:db8:1:2::/64": "2001:db8:1:2::/64", "2001:db8:1:3::/64": "2001:db8::/32", "2001:db9::/64": "", "local": "local",
		}},
		{PerLogin, []string{"shop", "*@example.org", "info@example.org", "*@bücher.example"}, map[string]string{
			"shop": "shop", "info@example.org": "info@example.org", "other@example.org": "*@example.org", "example.org": "",
			"x@sub.example.org": "", "x@xn--bcher-kva.example": "*@bücher.example",
		}},
		{PerSender, []string{"example.org", "*.example.org", "*.b.example.org", "Info@Example.org", "<>"}, map[string]string{
			"info@example.org": "Info@Example.org", "a@example.org": "example.org", "a@b.example.org": "*.example.org",
			"a@c.b.example.org": "*.b.example.org", "a@badexample.org": "", "root": "", "<>": "<>",
		}},
		{PerSenderDomain, []string{"example.org", "*.example.org", "local", "<>"}, map[string]string{
			"example.org": "example.org", "a.b.example.org": "*.example.org", "org": "", "local": "local", "<>": "<>",
		}},
		{PerRecipientDomain, []string{"gmail.com", "BÜCHER.example"}, map[string]string{
			"gmail.com": "gmail.com", "x.gmail.com": "", "xn--bcher-kva.example": "BÜCHER.example",
		}},
		{PerTotal, []string{"total"}, map[string]string{"total": "total"}},
	}
	for _, c := range cases {
		m := newMatcher[string](c.kind)
		for _, text := range c.patterns {
			p, err := parsePattern(c.kind, text, 64)
			if err != nil {
				t.Errorf("%v %q: %v", c.kind, text, err)
			}
			if !m.add(p, text) || m.add(p, text) {
				t.Errorf("%v %q: not added once", c.kind, text)
			}
		}
		for key, want := range c.want {
			if got, ok := m.find(key); got != want || ok != (want != "") {
				t.Errorf("%v %q: %q decides, want %q", c.kind, key, got, want)
			}
		}
	}
	var none *matcher[int]
	if _, ok := none.find("x"); ok {
		t.Error("nothing finds something")
	}
}

func TestPatternsThatStandForNothing(t *testing.T) {
	cases := []struct {
		kind Kind
		text string
		want string
	}{
		{PerClient, "", "empty"},
		{PerClient, "shop", "no address"},
		{PerClient, "10.0.0.1/8", "10.0.0.0/8"},
		{PerClient, "fe80::1%eth0", "no address"},
		{PerClient, "::ffff:10.0.0.1", "IPv4"},
		{PerClient, "2001:db8::1", "2001:db8::/64"},
		{PerLogin, "@example.org", "*@example.org"},
		{PerLogin, "*@exa mple.org", "no domain"},
		{PerSender, "*@example.org", `"example.org"`},
		{PerSender, "@example.org", `"example.org"`},
		{PerSender, "a@", "no domain"},
		{PerSender, "*.", "no domain"},
		{PerSenderDomain, "a@example.org", "is an address"},
		{PerRecipientDomain, "<>", "no domain"},
		{PerRecipientDomain, "a..b", "no domain"},
		{PerTotal, "all", "total"},
		{PerSender, strings.Repeat("x", 10_000), "10000 octets"},
	}
	for _, c := range cases {
		if p, err := parsePattern(c.kind, c.text, 64); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %.40q: %+v, %v", c.kind, c.text, p, err)
		}
	}
}

// Whoever has one address of a network has all of them.
func TestIPv6ClientsAreCountedByTheirNetwork(t *testing.T) {
	for prefix, want := range map[int]string{64: "2001:db8:1:2::/64", 56: "2001:db8:1::/56", 128: "2001:db8:1:2::9"} {
		for _, addr := range []string{"2001:db8:1:2::9", "10.0.0.9"} {
			if got := clientKey(message.Client{Addr: netip.MustParseAddr(addr)}, prefix); got != want && got != addr {
				t.Errorf("/%d: %s is counted as %s", prefix, addr, got)
			}
		}
	}
	r, err := New(openStore(t, "", newClock()), nil, Options{Store: "sqlite", IPv6Prefix: 64,
		Limits: []Limit{perHour("client", "messages", 1, "tempfail")}})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]message.Verdict{"2001:db8::1": message.Accepted, "2001:db8:0:1::1": message.Accepted} {
		m := newMessage("x@one.example")
		m.Client.Addr = netip.MustParseAddr(addr)
		if o := send(r, m); o.Verdict != want {
			t.Errorf("%s: %v", addr, o.Refusal)
		}
		m = newMessage("x@one.example")
		m.Client.Addr = m.Client.Addr.Next()
		m.Client.Addr = netip.MustParseAddr(addr).Next()
		o := send(r, m)
		if o.Verdict != message.Tempfailed {
			t.Errorf("the address beside %s: %v", addr, o.Verdict)
			continue
		}
		wantText(t, o.Refusal.Text, "client 2001:db8:", "::/64 sent 1 messages")
	}
}

// U-labels and A-labels are one domain, also as the sender, the recipient and the login.
func TestSpellingsOfADomainAreOneKey(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("sender", "messages", 1, "tempfail"),
		perHour("sender_domain", "messages", 1, "tempfail"), perHour("recipient_domain", "messages", 1, "tempfail"),
		perHour("login", "messages", 1, "tempfail"))
	spelled := func(domain string) *message.Message {
		m := newMessage("x@" + domain)
		m.Sender, m.Client.Login = "a@"+domain, "a@"+domain
		return m
	}
	send(r, spelled("BÜCHER.example"))
	for _, spelling := range []string{"bücher.example", "xn--bcher-kva.example", "XN--BCHER-KVA.example"} {
		if o := send(r, spelled(spelling)); o.Verdict != message.Tempfailed {
			t.Errorf("%s: %v", spelling, o.Verdict)
		}
	}
	for _, k := range []Kind{PerLogin, PerSender, PerSenderDomain, PerRecipientDomain} {
		for i := range r.store.tables[k].shards {
			for key := range r.store.tables[k].shards[i].entries {
				if strings.ContainsFunc(key, func(c rune) bool { return c > '~' }) {
					t.Errorf("%v is counted as %q", k, key)
				}
			}
		}
	}
}
