package rates

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"pratique/message"
)

// small is memory for about 600 keys of each kind.
const small = 128 << 10

func from(sender string) *message.Message {
	m := newMessage("x@one.example")
	m.Sender = sender
	return m
}

func flood(r *Rates, n int) {
	for i := range n {
		send(r, from(fmt.Sprintf("flood%d@flood%d.example", i, i)))
	}
}

// wantFileToKnow saves, and fails if the file says less of a key than memory does.
func wantFileToKnow(t *testing.T, store *Store) {
	t.Helper()
	rows := map[string]int64{}
	for _, row := range store.report(t).Rows {
		rows[row.Kind+" "+row.Key] = row.Day.Messages
	}
	for k := range store.tables {
		for i := range store.tables[k].shards {
			for key, e := range store.tables[k].shards[i].entries {
				known := e.series.sum(CountMessages, store.time.seconds()-day)
				if saved := rows[Kind(k).String()+" "+key]; saved < int64(known) {
					t.Fatalf("%v %s: %d messages, %d in the file", Kind(k), key, known, saved)
				}
			}
		}
	}
}

func TestMemoryIsBoundedUnderManyKeys(t *testing.T) {
	clock := newClock()
	const memory = small / 4
	store := openStoreSized(t, t.TempDir(), clock, memory)
	r := newRates(t, store, perHour("sender", "messages", 10, "tempfail"))
	for range 5 {
		flood(r, 250)
		wantFileToKnow(t, store)
		clock.advance(time.Minute)
		for k := range store.tables {
			keys, used := 0, 0
			for i := range store.tables[k].shards {
				used += store.tables[k].shards[i].used
				keys += len(store.tables[k].shards[i].entries)
			}
			if used > memory || keys > memory/entryCost {
				t.Fatalf("%v: %d keys in %d octets", Kind(k), keys, used)
			}
		}
	}
	if keys := len(store.tables[PerSender].shards[0].entries); keys < 15 {
		t.Errorf("only %d keys are left in a shard", keys)
	}
	wantNothingReserved(t, r)
	// What memory forgets, the file forgets too.
	store.rewrite = true
	if rows := len(store.report(t).Rows); rows > 3*memory/entryCost {
		t.Errorf("%d keys are in the file", rows)
	}
}

// A million keys take no more memory than they are reckoned to.
func TestReckonedMemoryIsTrue(t *testing.T) {
	const keys = 60_000
	store := openStore(t, "", newClock())
	before := heap()
	now := store.time.seconds()
	for i := range keys {
		store.settle(&Claim{Kind: PerSender, Key: fmt.Sprintf("user%d@shop.example", i), Done: oneMessage}, place{}, now)
	}
	took := int(heap() - before)
	reckoned := 0
	for i := range store.tables[PerSender].shards {
		reckoned += store.tables[PerSender].shards[i].used
	}
	if took > reckoned*5/4 {
		t.Errorf("%d octets a key are in use, %d are reckoned with", took/keys, reckoned/keys)
	}
	runtime.KeepAlive(store)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAFloodDoesNotPushOutWhoIsNearALimit(t *testing.T) {
	clock := newClock()
	store := openStoreSized(t, "", clock, small)
	r := newRates(t, store, perHour("sender", "messages", 4, "tempfail"))
	underway := from("underway@shop.example")
	if err := begin(r, underway, ""); err != nil {
		t.Fatal(err)
	}
	send(r, from("underway@shop.example"))
	for range 2 {
		send(r, from("half@shop.example"))
	}
	send(r, from("once@shop.example"))
	clock.advance(50 * time.Minute)
	store.sweep()
	flood(r, 5000)
	r.Observe(underway, message.Outcome{Verdict: message.Accepted})
	for sender, want := range map[string]uint64{"half@shop.example": 2, "once@shop.example": 0, "underway@shop.example": 2} {
		if got := store.sum(PerSender, sender, CountMessages); got != want {
			t.Errorf("%s has %d messages, want %d", sender, got, want)
		}
	}
	// Another kind has its own memory.
	if got := store.sum(PerClient, "10.0.0.7", CountMessages); got != 5005 {
		t.Errorf("the client has %d messages", got)
	}
	wantNothingReserved(t, r)

	// When its window has passed, it goes like any other.
	clock.advance(time.Hour + 2*time.Second)
	store.sweep()
	flood(r, 5000)
	if got := len(store.tables[PerSender].shard("half@shop.example").entries); store.tables[PerSender].shard("half@shop.example").entries["half@shop.example"] != nil {
		t.Errorf("a key that is idle stays, among %d", got)
	}
	wantNothingReserved(t, r)
}

func TestARestartDoesNotForgetWhoIsNearALimit(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	limit := perHour("sender", "messages", 4, "tempfail")
	store := openStoreSized(t, dir, clock, small)
	r := newRates(t, store, limit)
	send(r, from("half@shop.example"))
	send(r, from("half@shop.example"))
	count := func(from, to int) {
		for i := from; i < to; i++ {
			store.settle(&Claim{Kind: PerSender, Key: fmt.Sprint(i), Done: oneMessage}, place{}, store.time.seconds())
		}
		store.save()
	}
	count(0, 500)
	count(500, 1000) // some of the first ones are forgotten, and still in the log
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = openStoreSized(t, dir, clock, small)
	r = newRates(t, store, limit)
	count(1000, 3000)
	wantNothingReserved(t, r)
	for i := range store.tables[PerSender].shards {
		if s := &store.tables[PerSender].shards[i]; s.used > s.capacity {
			t.Errorf("%d octets of %d", s.used, s.capacity)
		}
	}
	if got := store.sum(PerSender, "half@shop.example", CountMessages); got != 2 {
		t.Errorf("it has %d messages", got)
	}
}

func TestAFullMemoryFailsClosed(t *testing.T) {
	cases := []struct {
		then string
		want message.Verdict
	}{{"tempfail", message.Tempfailed}, {"hold", message.Tempfailed}, {"observe", message.Accepted}}
	for _, c := range cases {
		t.Run(c.then, func(t *testing.T) {
			clock := newClock()
			store := openStoreSized(t, "", clock, small)
			// Every key that has sent anything is at its limit.
			r := newRates(t, store, perHour("sender", "messages", 1, c.then))
			flood(r, 5000)
			m := from("new@shop.example")
			if o := send(r, m); o.Verdict != c.want {
				t.Errorf("a new sender: %v", o.Verdict)
			}
			if c.want == message.Tempfailed && (len(m.Failures) != 1 || !errors.Is(m.Failures[0].Err, errFull)) {
				t.Errorf("failures: %+v", m.Failures)
			}
			wantNothingReserved(t, r)
			clock.advance(time.Hour + 2*time.Second)
			store.sweep()
			if o := send(r, from("new@shop.example")); o.Verdict != message.Accepted {
				t.Errorf("a window later: %v, %v", o.Verdict, o.Refusal)
			}
			wantNothingReserved(t, r)
		})
	}
}

// Mail that is refused may not push out the counts of mail that was sent.
func TestRefusedMailForgetsNobody(t *testing.T) {
	store := openStoreSized(t, "", newClock(), small)
	r := newRates(t, store, perHour("sender", "messages", 100, "tempfail"))
	send(r, from("once@shop.example"))
	for i := range 5000 {
		r.Observe(from(fmt.Sprintf("flood%d@else.example", i)), message.Outcome{Verdict: message.Refused})
	}
	if got := store.sum(PerSender, "once@shop.example", CountMessages); got != 1 {
		t.Errorf("it has %d messages", got)
	}
	wantNothingReserved(t, r)
}

// With no memory left for another bucket, counts get coarser and are never less.
func TestOneKeyStaysWithinItsMemory(t *testing.T) {
	for buckets, most := range map[int]uint64{1: 300, 8: 92} { // messages counted for the last minute, which has 60
		clock := newClock()
		store := openStoreSized(t, "", clock, shardCount*(entryCost+len("10.0.0.7")+buckets*bucketCost))
		r := newRates(t, store, Limit{Per: "client", Count: "messages", Max: 1_000_000, Every: time.Minute, Then: "tempfail"})
		shard := store.tables[PerClient].shard("10.0.0.7")
		for sent := uint64(1); sent <= 300; sent++ {
			send(r, newMessage())
			got := shard.entries["10.0.0.7"].series.sum(CountMessages, store.time.seconds()-59)
			if got < min(sent, 60) || got > most {
				t.Fatalf("%d buckets: %d of %d messages count for a minute", buckets, got, sent)
			}
			clock.advance(time.Second)
		}
		wantNothingReserved(t, r)
		if shard.used > shard.capacity {
			t.Errorf("%d octets of %d", shard.used, shard.capacity)
		}
	}
}

// What is not saved yet belongs to keys that come and go.
func TestUnsavedFollowsItsKey(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	store := openStoreSized(t, t.TempDir(), newClock(), small/8)
	shard := store.tables[PerSender].shard("x")
	want := map[string]uint32{}
	for range 5000 {
		key := fmt.Sprint(random.IntN(40))
		if err := shard.settle(key, place{}, store.time.seconds(), rule{windows: reportWindows}, bucket{messages: 1}); err != nil {
			t.Fatal(err)
		}
		want[key]++
		if random.IntN(50) == 0 {
			shard.collect(nil, PerSender)
			clear(want)
		}
		for key, n := range want {
			e := shard.entries[key]
			if e == nil {
				delete(want, key)
				continue
			}
			if e.unsaved == 0 || shard.unsaved[e.unsaved-1].entry != e || shard.unsaved[e.unsaved-1].bucket.messages != n {
				t.Fatalf("%s should have %d unsaved: %+v", key, n, shard.unsaved)
			}
		}
		if len(shard.unsaved) != len(want) {
			t.Fatalf("%d keys are unsaved, want %d", len(shard.unsaved), len(want))
		}
	}
}

func TestIdleKeysGo(t *testing.T) {
	clock := newClock()
	store := openStore(t, "", clock)
	r := newRates(t, store, perHour("sender", "messages", 2, "tempfail"))
	flood(r, 100)
	clock.advance(24*time.Hour - time.Second)
	store.sweep()
	if got := store.sum(PerClient, "10.0.0.7", CountMessages); got != 0 || store.tables[PerClient].shard("10.0.0.7").entries["10.0.0.7"] == nil {
		t.Errorf("within a day it is forgotten already, or counts for an hour still: %d", got)
	}
	clock.advance(2 * time.Second)
	store.sweep()
	for k := range store.tables {
		for i := range store.tables[k].shards {
			if s := &store.tables[k].shards[i]; s.used != 0 || len(s.entries)+len(s.unsaved) != 0 {
				t.Errorf("%v: %d octets, %d keys are left", Kind(k), s.used, len(s.entries))
			}
		}
	}
	// A message that was given up leaves no key behind.
	m := from("gone@shop.example")
	if err := begin(r, m, ""); err != nil {
		t.Fatal(err)
	}
	r.Observe(m, message.Outcome{Verdict: message.Aborted})
	if n := len(store.tables[PerSender].shard("gone@shop.example").entries); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}
