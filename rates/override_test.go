package rates

import (
	"net/netip"
	"testing"
	"time"

	"pratique/message"
)

func withOverrides(t *testing.T, store *Store, limits []Limit, overrides ...Override) *Rates {
	t.Helper()
	r, err := New(store, nil, Options{Store: "sqlite", IPv6Prefix: 64, Limits: limits, Overrides: overrides})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// passes returns how many messages of a client leave before one is refused, up to 20.
func passes(t *testing.T, r *Rates, addr string) int {
	t.Helper()
	for n := range 20 {
		m := newMessage("x@one.example")
		m.Client.Addr = netip.MustParseAddr(addr)
		if o := send(r, m); o.Verdict != message.Accepted {
			return n
		}
	}
	return 20
}

func TestOverridesOfALimit(t *testing.T) {
	r := withOverrides(t, openStore(t, "", newClock()), []Limit{perHour("client", "messages", 2, "tempfail")},
		Override{Per: "client", Count: "messages", Keys: []string{"10.1.0.0/16", "2001:db8::/48"}, Max: 5},
		Override{Per: "client", Count: "messages", Keys: []string{"10.1.2.3"}, Max: 1},
		Override{Per: "client", Count: "messages", Keys: []string{"10.1.2.4"}, Unlimited: true})
	for addr, want := range map[string]int{"10.0.0.1": 2, "10.1.0.1": 5, "10.1.2.3": 1, "10.1.2.4": 20, "2001:db8::5": 5, "2001:db8:1::5": 2} {
		if got := passes(t, r, addr); got != want {
			t.Errorf("%s may send %d, want %d", addr, got, want)
		}
	}
	m := newMessage("x@one.example")
	m.Client.Addr = netip.MustParseAddr("10.1.0.1")
	wantText(t, send(r, m).Refusal.Text, "client 10.1.0.1 sent 5 messages in the last 1h, limit 5; room again in 61 min")
	wantNothingReserved(t, r)
}

func TestALimitForSomeKeysAlone(t *testing.T) {
	limit := perHour("client", "messages", 3, "reject")
	limit.Keys = []string{"10.1.0.0/16"}
	r := withOverrides(t, openStore(t, "", newClock()), []Limit{limit},
		Override{Per: "client", Count: "messages", Keys: []string{"10.1.2.3"}, Max: 4})
	for addr, want := range map[string]int{"10.0.0.1": 20, "10.1.0.1": 3, "10.1.2.3": 4} {
		if got := passes(t, r, addr); got != want {
			t.Errorf("%s may send %d, want %d", addr, got, want)
		}
	}
}

// An override is for one window, and the others hold as they did.
func TestAnOverrideNamesItsWindow(t *testing.T) {
	limits := []Limit{perHour("client", "messages", 3, "tempfail"),
		{Per: "client", Count: "messages", Max: 6, Every: 24 * time.Hour, Then: "tempfail"}}
	r := withOverrides(t, openStore(t, "", newClock()), limits,
		Override{Per: "client", Count: "messages", Every: time.Hour, Keys: []string{"10.0.0.8"}, Max: 10})
	for addr, want := range map[string]int{"10.0.0.7": 3, "10.0.0.8": 6} {
		if got := passes(t, r, addr); got != want {
			t.Errorf("%s may send %d, want %d", addr, got, want)
		}
	}
}

// A key with a larger max is guarded by that, not by what others may send.
func TestGuardsFollowOverrides(t *testing.T) {
	store := openStore(t, "", newClock())
	r := withOverrides(t, store, []Limit{perHour("client", "messages", 2, "tempfail")},
		Override{Per: "client", Count: "messages", Keys: []string{"10.1.0.1"}, Max: 1000})
	for addr, guarded := range map[string]bool{"10.0.0.1": true, "10.1.0.1": false} {
		m := newMessage("x@one.example")
		m.Client.Addr = netip.MustParseAddr(addr)
		send(r, m)
		if e := store.tables[PerClient].shard(addr).entries[addr]; (e.guard > 0) != guarded {
			t.Errorf("%s: guarded until %d", addr, e.guard)
		}
	}
}

// An override for what a limit is not for would do nothing.
func TestOverridesOfWhatALimitIsFor(t *testing.T) {
	limited := func(per string, keys ...string) Limit {
		l := perHour(per, "messages", 5, "reject")
		l.Keys = keys
		return l
	}
	for _, c := range []struct {
		limit Limit
		key   string
		want  bool
	}{
		{limited("client"), "10.0.0.1", true},
		{limited("client", "10.0.0.0/8", "local"), "10.0.0.1", true},
		{limited("client", "10.0.0.0/8"), "10.1.0.0/16", true},
		{limited("client", "10.1.0.0/16"), "10.0.0.0/8", true},
		{limited("client", "10.0.0.0/8"), "192.0.2.0/24", false},
		{limited("client", "10.0.0.0/8"), "192.0.2.1", false},
		{limited("client", "10.0.0.0/8"), "local", false},
		{limited("sender", "example.org"), "info@example.org", true},
		{limited("sender", "example.org"), "info@example.net", false},
		{limited("sender", "info@example.org"), "example.org", true},
		{limited("login", "shop"), "other", false},
	} {
		opts := Options{Store: "sqlite", IPv6Prefix: 64, Limits: []Limit{c.limit},
			Overrides: []Override{{Per: c.limit.Per, Count: "messages", Keys: []string{c.key}, Max: 7}}}
		problem := ""
		opts.Problems(func(key, text string) { problem += key + ": " + text })
		if (problem == "") != c.want {
			t.Errorf("%q, for %q: %s", c.limit.Keys, c.key, problem)
		}
	}
}
