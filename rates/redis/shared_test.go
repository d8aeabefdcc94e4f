package redis

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pratique/message"
	"pratique/rates"
)

// machine is the rates of one machine, with a store of its own.
type machine struct {
	*rates.Rates
	store  *rates.Store
	counts *Counts
	events events
}

func startMachine(t testing.TB, url, name, state string, limits ...rates.Limit) *machine {
	t.Helper()
	m := &machine{}
	var err error
	if m.store, err = rates.Open(t.Context(), state, time.Now, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.store.Close() })
	opts := rates.DefaultOptions()
	opts.Store, opts.Limits = url, limits
	o := options(url, name)
	o.Windows, o.History, o.Events = Windows(opts), m.store.Past, m.events.events()
	m.counts = openCounts(t, o)
	if m.Rates, err = rates.New(m.store, NewShared(m.store, m.counts), opts); err != nil {
		t.Fatal(err)
	}
	return m
}

func letter(sender string, recipients int) *message.Message {
	m := &message.Message{Client: message.Client{Addr: netip.MustParseAddr("10.0.0.7")}, Sender: sender}
	for range recipients {
		m.Recipients = append(m.Recipients, message.Recipient{Addr: "x@dest.example"})
	}
	return m
}

// begin runs a message up to its end through a chain.
func (m *machine) begin(letter *message.Message, body string) error {
	i, err := message.NewChain(message.Link{Check: m}).Begin(context.Background(), letter)
	if err != nil {
		return err
	}
	defer i.Close()
	if err := i.Header(); err != nil {
		return err
	}
	if _, err := i.Write([]byte(body)); err != nil {
		return err
	}
	return i.End()
}

func (m *machine) send(letter *message.Message, body string) message.Outcome {
	o := message.OutcomeOf(letter, m.begin(letter, body))
	m.Observe(letter, o)
	return o
}

func (m *machine) settled(t testing.TB) { settled(t, m.counts) }

func limit(per, count string, most int64, then string) rates.Limit {
	return rates.Limit{Per: per, Count: count, Max: most, Every: time.Hour, Then: then}
}

// Two machines under load, with several limits: what leaves is never more than the
// limit, and what is refused gives back all that it had reserved.
func TestMachinesShareLimits(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	limits := []rates.Limit{
		limit("sender", "recipients", 90, "tempfail"),
		limit("sender", "messages", 1000, "observe"),
		limit("client", "messages", 1000, "reject"),
		limit("total", "recipients", 100, "tempfail"),
	}
	machines := []*machine{startMachine(t, socketURL(r), "a", "", limits...), startMachine(t, socketURL(r), "b", "", limits...)}
	var left [2]atomic.Int64
	var wg sync.WaitGroup
	for n := range 6 {
		m := machines[n%2]
		sender := []string{"a@shop.example", "b@shop.example"}[n/2%2]
		wg.Go(func() {
			for range 40 {
				if o := m.send(letter(sender, 3), "hello"); o.Verdict == message.Accepted {
					left[n/2%2].Add(3)
				} else if o.Verdict != message.Tempfailed || !strings.Contains(o.Refusal.Text, "recipients in the last 1h") {
					t.Errorf("%v: %+v", o.Verdict, o.Refusal)
				}
			}
		})
	}
	wg.Wait()
	if a, b := left[0].Load(), left[1].Load(); a > 90 || b > 90 || a+b != 99 {
		t.Errorf("%d and %d recipients were let through", a, b)
	}
	for _, m := range machines {
		m.settled(t)
	}
	wantWhole(t, admin(t, r), false)
	// The other machine's mail is in the words of the refusal.
	o := machines[0].send(letter("c@shop.example", 2), "hello")
	if o.Refusal == nil || !strings.Contains(o.Refusal.Text, "all clients together sent 99 recipients in the last 1h, this message has 2 more, limit 100; room again in") {
		t.Errorf("%+v", o.Refusal)
	}
}

func TestOctetsAreSharedAsTheyTrulyAre(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	l := limit("client", "bytes", 10_000, "tempfail")
	a, b := startMachine(t, socketURL(r), "a", "", l), startMachine(t, socketURL(r), "b", "", l)
	announced := letter("a@shop.example", 1)
	announced.SenderArgs = []string{"SIZE=100"}
	if o := a.send(announced, strings.Repeat("x", 6000)); o.Verdict != message.Accepted {
		t.Fatal(o)
	}
	a.settled(t)
	small := letter("a@shop.example", 1)
	if o := b.send(small, strings.Repeat("x", 5000)); o.Verdict != message.Tempfailed || !strings.Contains(o.Refusal.Text, "sent 6002 bytes") {
		t.Errorf("%v: %+v", o.Verdict, o.Refusal)
	}
	if o := b.send(letter("a@shop.example", 1), strings.Repeat("x", 3000)); o.Verdict != message.Accepted {
		t.Errorf("%v: %+v", o.Verdict, o.Refusal)
	}
	large := letter("a@shop.example", 1)
	large.SenderArgs = []string{"SIZE=100"}
	if o := b.send(large, strings.Repeat("x", 10_001)); o.Verdict != message.Refused || !strings.Contains(o.Refusal.Text, "this message alone has 1000") {
		t.Errorf("%v: %+v", o.Verdict, o.Refusal)
	}
	a.settled(t)
	b.settled(t)
	wantWhole(t, admin(t, r), false)
}

// While Redis is away each machine holds to the limit by itself: n machines let through
// at most n times as much. After it all of it counts for all of them.
func TestEachMachineCountsAloneWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	l := limit("client", "messages", 10, "tempfail")
	a, b := startMachine(t, socketURL(r), "a", "", l), startMachine(t, socketURL(r), "b", "", l)
	for range 3 {
		a.send(letter("a@shop.example", 1), "hello")
		b.send(letter("a@shop.example", 1), "hello")
	}
	a.settled(t)
	b.settled(t)
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	for _, m := range []*machine{a, b} {
		accepted := 0
		for range 20 {
			if o := m.send(letter("a@shop.example", 1), "hello"); o.Verdict == message.Accepted {
				accepted++
			}
		}
		if accepted != 7 {
			t.Errorf("%d more were let through", accepted)
		}
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.settled(t)
	b.settled(t)
	if n := a.used(t); n != 20 {
		t.Errorf("%d are counted", n)
	}
	if o := a.send(letter("a@shop.example", 1), "hello"); o.Verdict != message.Tempfailed {
		t.Errorf("after it: %v", o.Verdict)
	}
	wantWhole(t, admin(t, r), false)
}

// The counts of before are there when a machine begins to share them, and after it was
// killed, from its own file.
func TestTheFileOfAMachineIsTold(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	l := limit("client", "messages", 100, "tempfail")
	state := t.TempDir()
	alone := startMachine(t, "redis://127.0.0.1:1", "a", state, l)
	for range 5 {
		alone.send(letter("a@shop.example", 1), "hello")
	}
	kill(alone.counts)
	alone.store.Close()
	time.Sleep(1100 * time.Millisecond)
	a := startMachine(t, socketURL(r), "a", state, l)
	a.send(letter("a@shop.example", 1), "hello")
	a.settled(t)
	a.counts.Close()
	a.store.Close()
	a = startMachine(t, socketURL(r), "a", state, l)
	if n := a.used(t); n != 6 {
		t.Errorf("%d are counted", n)
	}
}

// used asks for the client's messages.
func (m *machine) used(t testing.TB) uint64 { return used(t, m.counts, "10.0.0.7") }

// What one machine allows, another one may have used up: the message is held, and the
// record of the fullest bound is that of all machines.
func TestHoldAndFullest(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	l := []rates.Limit{limit("client", "messages", 2, "hold"), limit("client", "messages", 1, "observe")}
	a, b := startMachine(t, socketURL(r), "a", "", l...), startMachine(t, socketURL(r), "b", "", l...)
	for range 2 {
		a.send(letter("a@shop.example", 1), "hello")
	}
	a.settled(t)
	held := letter("a@shop.example", 1)
	o := b.send(held, "hello")
	if o.Verdict != message.Held || len(held.Findings) != 1 || !strings.Contains(held.Findings[0].Detail, "sent 2 messages") {
		t.Errorf("%v: %+v", o.Verdict, held.Findings)
	}
	claims := []rates.Claim{{Kind: rates.PerClient, Key: "10.0.0.7", Want: rates.Amounts{Messages: 1},
		Bounds: []rates.Bound{{Kind: rates.PerClient, Count: rates.CountMessages, Max: 12, Every: 3600}}}}
	b.settled(t)
	reserved, _, err := NewShared(b.store, b.counts).Reserve(t.Context(), claims)
	if err != nil || claims[0].Fullest.Used != 4 {
		t.Errorf("%+v, %v", claims[0].Fullest, err)
	}
	reserved.Settle(claims)
}
