package redis

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"pratique/rates"
)

// lab has Redis's clock, and those of instances, in its hands.
type lab struct {
	client *goredis.Client
	mu     sync.Mutex
	second int64
}

const labClock = "test:{counts}:clock"

func newLab(t testing.TB) (*lab, string) {
	r := startRedis(t)
	l := &lab{client: admin(t, r), second: 1_800_000_000}
	l.advance(t, 0)
	return l, socketURL(r)
}

func (l *lab) advance(t testing.TB, seconds int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.second += seconds
	if err := l.client.Set(t.Context(), labClock, l.second, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

// now is the clock of an instance, which is half an hour off.
func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Unix(l.second, 0).Add(-30 * time.Minute)
}

// open opens an instance that tells Redis only what attend is called for, and joins it.
func (l *lab) open(t testing.TB, url, name string, windows ...Window) *Counts {
	t.Helper()
	opts := options(url, name)
	opts.Windows, opts.Now = windows, l.now
	opts.Timeout = 5 * time.Second
	tamed := strings.Replace(windowsLua, "redis.call('TIME')[1]", "redis.call('GET', '"+labClock+"')", 1)
	if tamed == windowsLua {
		t.Fatal("the scripts have another clock now")
	}
	c, err := open(opts, usualPace(), newScripts(tamed))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.attend(t.Context())
	if !c.Joined() {
		t.Fatal("redis was not joined")
	}
	return c
}

// exact is the reference: every message by itself.
type exact struct {
	at     int64
	amount uint64
}

// Whatever happens in whatever order: nothing passes that has no room, and nothing is
// refused that has had room for a sixtieth of the window and two seconds.
func TestWindowsAgainstTheExactReference(t *testing.T) {
	t.Parallel()
	for _, every := range []int64{1, 30, 60, 299, 300, 3600, 86400, 7 * 86400} {
		t.Run(fmt.Sprint(every), func(t *testing.T) {
			t.Parallel()
			playAgainstReference(t, every, 600)
		})
	}
}

func playAgainstReference(t *testing.T, every int64, steps int) {
	lab, url := newLab(t)
	w := Window{Kind: rates.PerSender, Count: rates.CountRecipients, Every: every}
	instances := []*Counts{lab.open(t, url, "a", w), lab.open(t, url, "b", w)}
	random := rand.New(rand.NewPCG(uint64(every), 7))
	const most = 20
	type underway struct {
		place  *Place
		on     *Counts
		amount uint64
		began  int64
	}
	var left []exact
	var open []underway
	settle := func(i int, leaves bool) {
		u := open[i]
		open = append(open[:i], open[i+1:]...)
		var counted []Counted
		if leaves {
			counted = []Counted{{Window: w, Key: "k", Amount: u.amount}}
			left = append(left, exact{lab.second, u.amount})
		}
		u.on.Settle([]*Place{u.place}, counted)
		u.on.attend(t.Context())
	}
	passed, refused := 0, 0
	for range steps {
		c := instances[random.IntN(2)]
		switch n := random.IntN(10); {
		case n < 5:
			amount := 1 + random.Uint64N(5)
			least, largest := amount, amount
			for _, u := range open {
				least, largest = least+u.amount, largest+u.amount
			}
			for _, e := range left {
				if age := lab.second - e.at; age <= every {
					least += e.amount
					largest += e.amount
				} else if age <= every+w.width()+2 {
					largest += e.amount
				}
			}
			p, answers, err := c.Reserve(t.Context(), []Ask{{Window: w, Key: "k", Since: Never, Amount: amount, Bounds: []Bound{{Max: most, Refuses: true}}}})
			if err != nil {
				t.Fatal(err)
			}
			if p != nil {
				passed++
				open = append(open, underway{p, c, amount, lab.second})
				if least > most {
					t.Fatalf("a message passed at %d of %d: %+v", least, most, answers)
				}
				continue
			}
			refused++
			if largest <= most {
				t.Fatalf("a message was refused at %d of %d: %+v", largest, most, answers)
			}
			if frees := answers[0].Frees[0]; frees < 0 || frees > every+w.width() {
				t.Fatalf("it frees in %d s", frees)
			}
		case n < 8 && len(open) > 0:
			settle(random.IntN(len(open)), random.IntN(4) > 0)
		default:
			lab.advance(t, 1+random.Int64N(max(1, every/6)))
			for i := len(open) - 1; i >= 0; i-- { // a message is not under way for longer than its place is kept
				if lab.second-open[i].began >= inSeconds(lease)-inSeconds(renewEvery) {
					settle(i, true)
				}
			}
		}
	}
	if passed < 20 || refused < 10 {
		t.Errorf("%d passed, %d refused: the test shows little", passed, refused)
	}
	for len(open) > 0 {
		settle(0, false)
	}
	wantWhole(t, lab.client, false)
}

// What an instance has reserved lapses when it dies, and not while it lives.
func TestPlacesLapse(t *testing.T) {
	t.Parallel()
	lab, url := newLab(t)
	alive, dead := lab.open(t, url, "a", hourly), lab.open(t, url, "b", hourly)
	for _, c := range []*Counts{alive, dead} {
		if p, _, err := c.Reserve(t.Context(), one("k", 10)); err != nil || p == nil {
			t.Fatal(p, err)
		}
	}
	for range 20 {
		lab.advance(t, 20)
		alive.attend(t.Context())
	}
	if n := used(t, alive, "k"); n != 1 {
		t.Errorf("%d are reserved", n)
	}
	// It was only asleep: what left counts, though its place has lapsed.
	for p := range dead.state.live {
		dead.Settle([]*Place{p}, took("k", 1))
	}
	dead.attend(t.Context())
	if n := used(t, alive, "k"); n != 2 {
		t.Errorf("%d are counted", n)
	}
	wantWhole(t, lab.client, true)
}

// What left during an outage is as old as it is when Redis hears of it.
func TestAnOutageKeepsAges(t *testing.T) {
	t.Parallel()
	lab, url := newLab(t)
	c := lab.open(t, url, "a", hourly)
	c.broke(ErrAway)
	for range 30 { // one every two minutes
		c.Settle(nil, took("k", 1))
		lab.advance(t, 120)
	}
	c.attend(t.Context())
	for minutes, want := 0, uint64(30); minutes <= 62; minutes += 2 {
		n := used(t, c, "k")
		if n < want-min(want, 1) || n > want+1 {
			t.Errorf("after %d minutes %d count, not %d", minutes, n, want)
		}
		lab.advance(t, 120)
		want -= min(want, 1)
	}
	lab.advance(t, 600)
	if n := used(t, c, "k"); n != 0 {
		t.Errorf("%d are counted long after", n)
	}
}

// An outage that lasts takes no more memory than the bound, and nothing is lost by it.
func TestTheBacklogIsBounded(t *testing.T) {
	t.Parallel()
	lab, url := newLab(t)
	c := lab.open(t, url, "a", hourly)
	keys := maxBacklog + 5000
	c.opts.History = func(_ int64, each func(rates.Past)) {
		for i := range keys {
			each(rates.Past{Kind: rates.PerClient, Key: fmt.Sprint(i), Left: rates.Amounts{Messages: 1}})
		}
	}
	lab.advance(t, 60)
	c.broke(ErrAway)
	for i := range keys {
		c.Settle(nil, took(fmt.Sprint(i), 1))
	}
	if n := c.Backlog(); n > maxBacklog {
		t.Errorf("%d counts are kept", n)
	}
	c.attend(t.Context())
	for _, key := range []string{"0", fmt.Sprint(maxBacklog), fmt.Sprint(keys - 1)} {
		if n := used(t, c, key); n != 1 {
			t.Errorf("%s has %d", key, n)
		}
	}
}
