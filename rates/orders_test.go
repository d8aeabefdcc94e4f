package rates

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/message"
)

// tell gives an order, now, and has the store obey it.
func tell(t *testing.T, store *Store, clock *fakeClock, do, key string, change func(*Order)) {
	t.Helper()
	o, err := NewOrder(do, key, 64)
	if err != nil {
		t.Fatal(err)
	}
	o.At, o.By = clock.Now(), "alice"
	if change != nil {
		change(&o)
	}
	if err := Tell(store.dir, o); err != nil {
		t.Fatal(err)
	}
	if err := store.obey(); err != nil {
		t.Fatal(err)
	}
}

func TestBlockedKeysAreRefused(t *testing.T) {
	clock := newClock()
	store := openStore(t, t.TempDir(), clock)
	r := newRates(t, store) // no limits: a block needs none
	m := func() *message.Message {
		m := newMessage("x@one.example", "y@two.example")
		m.Client.Login = "Shop"
		return m
	}
	for key, text := range map[string]string{
		"client 10.0.0.7":              "client 10.0.0.7",
		"client:10.0.0.0/8":            "client 10.0.0.0/8",
		"login shop":                   "login shop",
		"sender A@shop.example":        "sender a@shop.example",
		"sender shop.example":          "sender shop.example",
		"sender_domain *.example":      "sender domain *.example",
		"recipient_domain two.example": "recipient domain two.example",
		"total":                        "all clients together",
	} {
		tell(t, store, clock, DoBlock, key, func(o *Order) { o.Reason = "too\r\nmuch" })
		o := send(r, m())
		if o.Verdict != message.Refused {
			t.Errorf("%s: %v", key, o.Verdict)
			continue
		}
		want := "550 5.7.1 rates: " + text + " is blocked since 2026-03-01 12:00 UTC: too much"
		if o.Refusal.Error() != want {
			t.Errorf("got  %v\nwant %s", o.Refusal, want)
		}
		tell(t, store, clock, DoUnblock, key, nil)
		if o := send(r, m()); o.Verdict != message.Accepted {
			t.Errorf("%s, unblocked: %v", key, o.Refusal)
		}
	}
	for _, key := range []string{"client 10.0.0.8", "login other", "sender shop.example.net", "sender_domain example", "client local"} {
		tell(t, store, clock, DoBlock, key, nil)
	}
	if o := send(r, m()); o.Verdict != message.Accepted {
		t.Errorf("others are blocked: %v", o.Refusal)
	}
	wantNothingReserved(t, r)
}

// One address of a network that is counted as one may be blocked alone.
func TestOneAddressOfANetworkIsBlocked(t *testing.T) {
	clock := newClock()
	store := openStore(t, t.TempDir(), clock)
	r := newRates(t, store)
	r.ipv6 = 64
	tell(t, store, clock, DoBlock, "client 2001:db8::66", nil)
	for addr, want := range map[string]message.Verdict{"2001:db8::66": message.Refused, "2001:db8::67": message.Accepted} {
		m := newMessage("x@one.example")
		m.Client.Addr = netip.MustParseAddr(addr)
		if o := send(r, m); o.Verdict != want {
			t.Errorf("%s: %v", addr, o.Verdict)
		}
	}
}

func TestABlockEndsAndIsCounted(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	store := openStore(t, dir, clock)
	r := newRates(t, store)
	blocked := func(want message.Verdict) {
		t.Helper()
		if o := send(r, newMessage("x@one.example")); o.Verdict != want {
			t.Fatalf("got %v, %v", o.Verdict, o.Refusal)
		}
	}
	tell(t, store, clock, DoBlock, "sender a@shop.example", func(o *Order) {
		o.Until, o.Then = clock.Now().Add(time.Hour), "tempfail"
	})
	blocked(message.Tempfailed)
	wantText(t, send(r, newMessage("x@one.example")).Refusal.Error(), "451 4.7.1", "since 2026-03-01 12:00 UTC until 2026-03-01 13:00 UTC")
	store.save()
	if b := store.Blocks(); len(b) != 1 || b[0].Refused != 2 || b[0].By != "alice" {
		t.Errorf("%+v", b)
	}
	// Over a restart, and for others who read the folder.
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	clock.advance(59 * time.Minute)
	store = openStore(t, dir, clock)
	r = newRates(t, store)
	blocked(message.Tempfailed)
	store.save()
	blocks, orders, problems, err := ReadOrders(dir, clock.Now())
	if err != nil || len(problems) > 0 || len(blocks) != 1 || blocks[0].Refused != 3 || len(orders) != 1 {
		t.Errorf("%+v, %+v, %v, %v", blocks, orders, problems, err)
	}
	clock.advance(time.Minute)
	store.obey()
	blocked(message.Accepted)
	if b := store.Blocks(); len(b) != 0 {
		t.Errorf("it is over: %+v", b)
	}
	// Blocked again, it is counted again.
	tell(t, store, clock, DoBlock, "sender a@shop.example", nil)
	tell(t, store, clock, DoBlock, "sender b@shop.example", nil)
	blocked(message.Refused)
	if b := store.Blocks(); len(b) != 2 || b[0].Refused != 1 {
		t.Errorf("%+v", b)
	}
}

// A damaged database frees nobody, and neither does a line that can't be read.
func TestBlocksSurviveDamage(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	store := openStore(t, dir, clock)
	tell(t, store, clock, DoBlock, "client 10.0.0.7", nil)
	path := store.path
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	orders := filepath.Join(dir, ordersName)
	content, err := os.ReadFile(orders)
	if err != nil {
		t.Fatal(err)
	}
	content = append([]byte("what is this\n{\"do\":\"block\",\"kind\":\"host\"}\n"), content...)
	content = append(content, `{"at":"2026-`...) // somebody is writing
	if err := os.WriteFile(orders, content, 0o600); err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	store, err = open(context.Background(), dir, clock.Now, log.logger(), kindMemory)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	wantText(t, log.String(), "set aside", "line 1:", "line 2:")
	if strings.Contains(log.String(), "line 4") {
		t.Errorf("a line that is being written is told of: %s", log.String())
	}
	if o := send(newRates(t, store), newMessage("x@one.example")); o.Verdict != message.Refused {
		t.Errorf("got %v", o.Verdict)
	}
	// The next order does not run into the line that was cut off.
	tell(t, store, clock, DoBlock, "login shop", nil)
	if b := store.Blocks(); len(b) != 2 {
		t.Errorf("%+v", b)
	}
}

func TestOrdersThatCanNotBeReadStopTheStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ordersName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := open(context.Background(), dir, newClock().Now, (&logBuffer{}).logger(), kindMemory); err == nil {
		t.Error("whoever is blocked may send")
	}
}

func TestManyOrdersAtOnceAreAllKept(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			o := Order{At: time.Now(), Do: DoBlock, Kind: "login", Key: fmt.Sprintf("l%d", i), By: "x", Reason: strings.Repeat("r", 500)}
			if err := Tell(dir, o); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	orders, problems, err := readOrders(dir)
	if len(orders) != 50 || len(problems) > 0 || err != nil || len(orders[0].Reason) != longestReason {
		t.Errorf("%d orders, %v, %v", len(orders), problems, err)
	}
}

// A file that has grown keeps what holds, and what is not long over.
func TestOrdersAreTidied(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	var long strings.Builder
	at := clock.Now().Add(-100 * 24 * time.Hour).Format(time.RFC3339)
	fmt.Fprintf(&long, `{"at":%q,"by":"a","do":"block","kind":"login","key":"kept"}`+"\n", at)
	for long.Len() < tidyOrders {
		fmt.Fprintf(&long, `{"at":%q,"by":"a","do":"block","kind":"login","key":"gone"}`+"\n", at)
		fmt.Fprintf(&long, `{"at":%q,"by":"a","do":"unblock","kind":"login","key":"gone"}`+"\n", at)
	}
	if err := os.WriteFile(filepath.Join(dir, ordersName), []byte(long.String()), 0o640); err != nil {
		t.Fatal(err)
	}
	store := openStore(t, dir, clock)
	tell(t, store, clock, DoBlock, "login new", nil)
	orders, problems, err := readOrders(dir)
	if len(orders) != 2 || len(problems) > 0 || err != nil || orders[0].Key != "kept" || orders[1].Key != "new" {
		t.Errorf("%d orders, %v, %v", len(orders), problems, err)
	}
	if b := store.Blocks(); len(b) != 2 {
		t.Errorf("%+v", b)
	}
}

func TestNewOrderRefusesWhatIsNoKey(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1":                             "does not begin with",
		"host 10.0.0.1":                        "does not begin with",
		"client":                               "does not begin with",
		"client:":                              "empty",
		"client shop":                          "no address",
		"sender " + strings.Repeat("x", 10000): "10000 octets",
		"":                                     "does not begin with",
	} {
		if o, err := NewOrder(DoBlock, text, 64); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %+v, %v", text, o, err)
		}
	}
	for text, want := range map[string]string{"client 2001:db8::9": "2001:db8::/64", "client 2001:db8::/64": "2001:db8::/64",
		"client 10.0.0.1": "10.0.0.1", "sender_domain Example.ORG": "example.org"} {
		if o, err := NewOrder(DoReset, text, 64); err != nil || o.Key != want {
			t.Errorf("%q: %q, %v", text, o.Key, err)
		}
	}
	for _, text := range []string{"client 10.0.0.0/8", "client 2001:db8::/32", "sender example.org", "login *@example.org"} {
		if _, err := NewOrder(DoReset, text, 64); err == nil {
			t.Errorf("a reset of %q", text)
		}
	}
}

func TestResetFreesAKey(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	limits := []Limit{perHour("client", "messages", 2, "tempfail")}
	store := openStore(t, dir, clock)
	r := newRates(t, store, limits...)
	sent := func(want int) {
		t.Helper()
		n := 0
		for send(r, newMessage("x@one.example")).Verdict == message.Accepted {
			n++
			store.save()
		}
		if n != want {
			t.Fatalf("%d messages pass, want %d", n, want)
		}
	}
	sent(2)
	clock.advance(time.Minute)
	tell(t, store, clock, DoReset, "client 10.0.0.8", nil)
	sent(0)
	tell(t, store, clock, DoReset, "client 10.0.0.7", nil)
	clock.advance((obeyWithin + 1) * time.Second)
	sent(2)
	for range 2 { // the second time the log is rewritten
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		store = openStore(t, dir, clock)
		r = newRates(t, store, limits...)
		sent(0)
		store.rewrite = true
	}
	clock.advance(30 * time.Second)
	tell(t, store, clock, DoReset, "client 10.0.0.7", nil)
	clock.advance(time.Second)
	sent(2)
	// The report knows nothing of it: what was sent was sent.
	if got := store.report(t).row("client", "10.0.0.7").Hour.Messages; got != 6 {
		t.Errorf("%d messages are reported", got)
	}
	wantNothingReserved(t, r)
}

// A client that goes on trying while the order is on its way is freed all the same,
// also by a daemon that is restarted.
func TestAResetOfAKeyThatGoesOn(t *testing.T) {
	for _, restart := range []bool{false, true} {
		clock, dir := newClock(), t.TempDir()
		store := openStore(t, dir, clock)
		limit := perHour("client", "messages", 2, "tempfail")
		r := newRates(t, store, limit)
		for range 3 {
			send(r, newMessage("x@one.example"))
		}
		given := clock.Now()
		for range 3 {
			clock.advance(time.Second)
			send(r, newMessage("x@one.example")) // refused, and counted as such
		}
		tell(t, store, clock, DoReset, "client 10.0.0.7", func(o *Order) { o.At = given })
		if restart {
			store.rewrite = true
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			clock.advance(3 * time.Second)
			store = openStore(t, dir, clock)
			r = newRates(t, store, limit)
		}
		clock.advance(time.Second)
		if o := send(r, newMessage("x@one.example")); o.Verdict != message.Accepted {
			t.Errorf("restart %v: %v", restart, o.Refusal)
		}
	}
}

// An order from a clock that was ahead holds from when it is seen, and not again.
func TestAResetFromAClockThatWasAhead(t *testing.T) {
	clock := newClock()
	store := openStore(t, t.TempDir(), clock)
	r := newRates(t, store, perHour("client", "messages", 1, "tempfail"))
	send(r, newMessage("x@one.example"))
	tell(t, store, clock, DoReset, "client 10.0.0.7", func(o *Order) { o.At = o.At.Add(20 * time.Minute) })
	clock.advance(time.Second)
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Accepted {
		t.Errorf("after the reset: %v", o.Refusal)
	}
	clock.advance(time.Minute)
	tell(t, store, clock, DoReset, "client 10.0.0.8", nil)
	clock.advance(time.Second)
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
		t.Errorf("after an order for another: %v", o.Verdict)
	}
}

// Resets at any time against a list of all that happened: no limit lets more through
// since the last one, and nothing is refused that has room.
func TestResetsAgainstAReference(t *testing.T) {
	for name, restarts := range map[string]bool{"running": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(9, 4))
			clock, dir := newClock(), t.TempDir()
			limits := recipientLimits(15, 5*time.Minute, time.Hour, 5*time.Hour)
			store := openStore(t, dir, clock)
			r := newRates(t, store, limits...)
			var sent []event
			for i := range 600 {
				clock.advance(time.Duration(random.Int64N(int64(90 * time.Second))))
				if random.IntN(12) == 0 {
					tell(t, store, clock, DoReset, "client 10.0.0.7", nil)
					sent = nil
					clock.advance((obeyWithin + 1) * time.Second) // what is sent at a reset is of it
				}
				if restarts && random.IntN(10) == 0 {
					if err := store.Close(); err != nil {
						t.Fatal(err)
					}
					store = openStore(t, dir, clock)
					r = newRates(t, store, limits...)
				}
				n := random.IntN(5)
				o := send(r, newMessage(someRecipients(n)...))
				store.save()
				room := true
				for _, l := range limits {
					cell := time.Duration(limitWindow(int64(l.Every/time.Second)).width) * time.Second
					room = room && within(sent, clock.Now(), l.Every+cell)+uint64(n) <= uint64(l.Max)
					if o.Verdict == message.Accepted && within(sent, clock.Now(), l.Every)+uint64(n) > uint64(l.Max) {
						t.Fatalf("step %d: %d more pass %v", i, n, l)
					}
				}
				if o.Verdict != message.Accepted && (room || n == 0) {
					t.Fatalf("step %d: %d are refused although there is room: %v", i, n, o.Refusal)
				}
				if o.Verdict == message.Accepted {
					sent = append(sent, event{clock.Now(), uint64(n)})
				}
			}
		})
	}
}

func FuzzOrders(f *testing.F) {
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","by":"a","do":"block","kind":"client","key":"10.0.0.0/8"}` + "\n"))
	f.Add([]byte("{}\n\n[1]\n{\"do\":\"reset\"}"))
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","do":"reset","kind":"sender","key":"@"}` + "\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		orders, _ := parseOrders(content)
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		st := newStanding(orders, now)
		if len(st.all) > len(orders) {
			t.Errorf("%d orders make %d blocks", len(orders), len(st.all))
		}
		for _, b := range st.all {
			p, err := parsePattern(b.kind, b.what.text(b.kind), longestIPv6)
			if err != nil || p != b.what {
				t.Errorf("%v %q is written as %q: %v", b.kind, b.Key, b.what.text(b.kind), err)
			}
			if text := b.refusal().Text; strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("%q", text)
			}
		}
	})
}
