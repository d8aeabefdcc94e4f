package redis

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pratique/rates"
)

// However many ask at once, at however many instances: never one more than the limit, and not one less.
func TestInstancesShareALimitExactly(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	a, b := openCounts(t, options(socketURL(r), "a")), openCounts(t, options(socketURL(r), "b"))
	const most = 200
	var passed atomic.Int64
	var wg sync.WaitGroup
	for n := range 8 {
		c := []*Counts{a, b}[n%2]
		wg.Go(func() {
			for range 60 {
				ok, err := send(c, "10.0.0.7", most)
				if err != nil {
					t.Error(err)
				}
				if ok {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != most {
		t.Errorf("%d messages passed a limit of %d", passed.Load(), most)
	}
	settled(t, a, b)
	for _, c := range []*Counts{a, b} {
		if n := used(t, c, "10.0.0.7"); n != most {
			t.Errorf("%d messages are counted", n)
		}
	}
	wantWhole(t, admin(t, r), false)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	c := openCounts(t, options(socketURL(r), "a"))
	daily := Window{Kind: rates.PerTotal, Count: rates.CountBytes, Every: 86400}
	c.SetWindows([]Window{hourly, daily})
	eventually(t, "the new window is told", func() bool {
		c.state.mu.Lock()
		defer c.state.mu.Unlock()
		return c.state.told[daily]
	})
	ask := func(n, octets uint64) []Ask {
		return []Ask{
			{Window: hourly, Key: "a", Since: Never, Amount: n, Bounds: []Bound{{Max: 10, Refuses: true}, {Max: 5}}},
			{Window: daily, Key: "total", Since: Never, Amount: octets, Bounds: []Bound{{Max: 1 << 40, Refuses: true}}},
		}
	}
	p, answers, err := c.Reserve(t.Context(), ask(6, 1<<39))
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	if answers[0].Used != 0 || answers[0].Frees[0] != NoExcess || answers[0].Frees[1] != 0 || answers[1].Frees[0] != NoExcess {
		t.Errorf("the first: %+v", answers)
	}
	c.Settle([]*Place{p}, []Counted{{hourly, "a", 6}, {daily, "total", 1 << 39}})
	settled(t, c)
	// Refused by one window, it takes nothing in the other.
	p, answers, err = c.Reserve(t.Context(), ask(5, 1))
	if err != nil || p != nil {
		t.Fatal(p, err)
	}
	if a := answers[0]; a.Used != 6 || a.Frees[0] < 3590 || a.Frees[0] > 3600+60 || a.Frees[1] < 3590 {
		t.Errorf("the second: %+v", answers)
	}
	if p, answers, err = c.Reserve(t.Context(), ask(4, 1<<39)); err != nil || p == nil || answers[1].Used != 1<<39 {
		t.Errorf("the third: %v, %+v, %v", p, answers, err)
	}
	// What is under way fills it: nobody knows for how long.
	if p, answers, err := c.Reserve(t.Context(), []Ask{{Window: daily, Key: "total", Amount: 1 << 40, Bounds: []Bound{{Max: 1<<40 - 1, Refuses: true}}}}); err != nil || p != nil || answers[0].Frees[0] != 0 {
		t.Errorf("the fourth: %v, %+v, %v", p, answers, err)
	}
	c.Settle([]*Place{p}, nil) // given up
	settled(t, c)
	if n := used(t, c, "a"); n != 6 {
		t.Errorf("%d are counted", n)
	}
	wantWhole(t, admin(t, r), false)
}

func TestOddKeys(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	c := openCounts(t, options(socketURL(r), "a"))
	keys := []string{"", "a b", "a\x00b", "a\x00c", "{x}", "\r\nFLUSHALL\r\n", "grüße@x.example", strings.Repeat("k", 10<<10), strings.Repeat("k", 10<<10) + "l", "#", "*"}
	for i, key := range keys {
		for range i + 1 {
			if ok, err := send(c, key, 1000); !ok || err != nil {
				t.Fatalf("%.20q: %v, %v", key, ok, err)
			}
		}
	}
	settled(t, c)
	for i, key := range keys {
		if n := used(t, c, key); n != uint64(i+1) {
			t.Errorf("%.20q has %d", key, n)
		}
	}
	names, err := admin(t, r).Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if len(name) > 400 || strings.ContainsAny(name, " \r\n\x00ü") || !strings.HasPrefix(name, "test:{counts}:") {
			t.Errorf("a key is %q", name)
		}
	}
}

// A reset at one instance holds for all, and for what is told later of the time before it.
func TestAReset(t *testing.T) {
	t.Parallel()
	lab, url := newLab(t)
	a, b := lab.open(t, url, "a", hourly), lab.open(t, url, "b", hourly)
	tell := func() { a.attend(t.Context()); b.attend(t.Context()) }
	underway, _, err := a.Reserve(t.Context(), one("k", 100))
	if err != nil {
		t.Fatal(err)
	}
	a.Settle(nil, took("k", 5))
	b.Settle(nil, took("other", 2))
	tell()
	lab.advance(t, 60)
	a.attend(t.Context())
	b.Settle(nil, took("k", 7)) // told only after the reset
	lab.advance(t, 60)
	a.attend(t.Context())
	ask := one("k", 100)
	for range 5 {
		ask[0].Since = 3
		p, answers, err := b.Reserve(t.Context(), ask)
		if err != nil || answers[0].Used != 1 {
			t.Fatalf("after the reset %+v, %v", answers, err)
		}
		b.Settle([]*Place{p}, nil)
		tell()
	}
	lab.advance(t, 100)
	a.Settle([]*Place{underway}, took("k", 1))
	tell()
	ask[0].Since = 104 // the same one, a second off
	if _, answers, err := b.Reserve(t.Context(), ask); err != nil || answers[0].Used != 1 {
		t.Errorf("long after the reset %+v, %v", answers, err)
	}
	if n := used(t, a, "other"); n != 2 {
		t.Errorf("another key has %d", n)
	}
	wantWhole(t, lab.client, true)
}

// Only Redis's clock counts: that of a machine may be a minute off, either way.
func TestAWrongClock(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	minutely := Window{Kind: rates.PerClient, Count: rates.CountMessages, Every: 60}
	ask := []Ask{{Window: minutely, Key: "k", Since: Never, Amount: 1, Bounds: []Bound{{Max: 3, Refuses: true}}}}
	for i, off := range []time.Duration{0, time.Minute, -time.Minute} {
		opts := options(socketURL(r), string(rune('a'+i)))
		opts.Now = func() time.Time { return time.Now().Add(off) }
		opts.Windows = []Window{minutely}
		c := openCounts(t, opts)
		p, answers, err := c.Reserve(t.Context(), ask)
		if err != nil || p == nil || answers[0].Used != uint64(i) {
			t.Fatalf("%v off: %v, %+v, %v", off, p, answers, err)
		}
		c.Settle([]*Place{p}, []Counted{{minutely, "k", 1}})
		settled(t, c)
		if i < 2 {
			continue
		}
		p, answers, err = c.Reserve(t.Context(), ask)
		if err != nil || p != nil || answers[0].Frees[0] < 50 || answers[0].Frees[0] > 62 {
			t.Errorf("the fourth: %v, %+v, %v", p, answers, err)
		}
	}
}

func TestScriptsAreLoadedAgain(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	c := openCounts(t, options(socketURL(r), "a"))
	for i := range 5 {
		if ok, err := send(c, "k", 10); !ok || err != nil {
			t.Fatal(ok, err)
		}
		settled(t, c)
		if n := used(t, c, "k"); n != uint64(i+1) {
			t.Errorf("%d are counted", n)
		}
		if err := admin(t, r).ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A restart of pratique neither forgets nor counts twice.
func TestARestart(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	past := []rates.Past{{Kind: rates.PerClient, Key: "k", Age: 100, Left: rates.Amounts{Messages: 4}}}
	opts := options(socketURL(r), "a")
	opts.History = func(seconds int64, each func(rates.Past)) {
		for _, p := range past {
			if p.Age <= seconds {
				each(p)
			}
		}
	}
	c := openCounts(t, opts) // the first time, it brings what it has counted before
	send(c, "k", 10)
	settled(t, c)
	if n := used(t, c, "k"); n != 5 {
		t.Errorf("%d are counted at first", n)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	past = append(past, rates.Past{Kind: rates.PerClient, Key: "k", Age: 0, Left: rates.Amounts{Messages: 1}})
	c = openCounts(t, opts)
	if n := used(t, c, "k"); n != 5 {
		t.Errorf("%d are counted after a restart", n)
	}
	// One that was killed before it could tell all: its file knows, of the last second.
	past = []rates.Past{{Kind: rates.PerClient, Key: "k", Age: 0, Left: rates.Amounts{Messages: 2}}}
	admin(t, r).HIncrBy(t.Context(), "test:{counts}:instance:a", "through", -10)
	kill(c)
	c = openCounts(t, opts)
	if n := used(t, c, "k"); n != 7 {
		t.Errorf("%d are counted after a kill", n)
	}
}

// Two machines with a copy of one state folder have one name, until one of them notices.
func TestACopiedName(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	var log logBuffer
	opts := options(socketURL(r), "a")
	opts.Log = slog.New(slog.NewTextHandler(&log, nil))
	first := openCounts(t, opts)
	send(first, "k", 100)
	settled(t, first)
	time.Sleep(1100 * time.Millisecond) // Redis's clock has seconds
	second := openCounts(t, opts)
	for range 10 {
		for _, c := range []*Counts{first, second} {
			eventually(t, "a message passes", func() bool {
				ok, err := send(c, "k", 100)
				return ok && err == nil
			})
			settled(t, c)
		}
	}
	if n := used(t, first, "k"); n != 21 {
		t.Errorf("%d are counted", n)
	}
	if first.keys.Load().instance == second.keys.Load().instance {
		t.Error("both still have one name")
	}
	if n := strings.Count(log.String(), "another machine has the name"); n != 1 {
		t.Errorf("%d times a name was changed: %s", n, log.String())
	}
	wantWhole(t, admin(t, r), false)
}

func TestAWrongPassword(t *testing.T) {
	t.Parallel()
	r := startRedis(t, "--requirepass", "secret")
	var log logBuffer
	opts := options("redis://:wrong@"+r.Addr()+"/0", "a")
	opts.Log = slog.New(slog.NewTextHandler(&log, nil))
	c := openCounts(t, opts)
	if _, err := send(c, "k", 1); err != ErrAway {
		t.Errorf("error %v", err)
	}
	if text := log.String(); !strings.Contains(text, "WRONGPASS") || strings.Contains(text, "redis://") {
		t.Errorf("log: %s", text)
	}
	c = openCounts(t, options("redis://:secret@"+r.Addr()+"/0", "a"))
	if ok, err := send(c, "k", 1); !ok || err != nil {
		t.Errorf("with the right one: %v, %v", ok, err)
	}
}

func TestOpenRefusesAnAddress(t *testing.T) {
	t.Parallel()
	_, err := Open(context.Background(), options("http://:secret@x", "a"))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}
