package rates

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func TestLimitWindowKeepsCellsWithinASixtieth(t *testing.T) {
	for length := int64(1); length <= 7*day; length += 1 + length/7 {
		w := limitWindow(length)
		if w.length != length || w.width < 1 || (w.width > 1 && w.width*60 > length) {
			t.Errorf("%d s: %+v", length, w)
		}
		if length/w.width > 7*60 && w.width < hour {
			t.Errorf("%d s: %+v makes too many buckets", length, w)
		}
	}
}

func TestWindowsKeepTheFinestThatAnyNeeds(t *testing.T) {
	got := reportWindows.with(limitWindow(60), limitWindow(2*hour), limitWindow(7*day), limitWindow(60))
	want := windows{{60, 1}, {hour, 60}, {2 * hour, 60}, {day, hour}, {7 * day, hour}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for age, width := range map[int64]int64{-5: 1, 0: 1, 60: 1, 61: 60, 7200: 60, 7201: hour, 7 * day: hour, 7*day + 1: 0} {
		if got.width(age) != width {
			t.Errorf("at age %d: width %d, want %d", age, got.width(age), width)
		}
	}
}

func TestSaturate(t *testing.T) {
	if saturate(math.MaxUint64-1, 3) != math.MaxUint64 || saturate(1, 2) != 3 {
		t.Error("a sum wraps around")
	}
}

// Merging may move what happened to a later time, and never loses any of it.
func TestMergingOnlyMovesToLater(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	ws := reportWindows.with(limitWindow(60), limitWindow(hour))
	for range 300 {
		now := int64(1_700_000_000)
		at := now - day
		var s series
		for at < now {
			s = append(s, bucket{last: second(at), messages: 1, recipients: uint32(random.IntN(5)), bytes: 7})
			at += 1 + random.Int64N(1<<random.IntN(14))
		}
		for name, merge := range map[string]func(series) series{
			"thin":    func(s series) series { return s.thin(now, ws, 0) },
			"coarsen": func(s series) series { return s.coarsen(now, ws, 0, 3) },
		} {
			merged := merge(append(series(nil), s...))
			for _, c := range []Count{CountMessages, CountRecipients, CountBytes} {
				if all := s.sum(c, now-day); merged.sum(c, now-day) != all {
					t.Fatalf("%s: %d %v of %d", name, merged.sum(c, now-day), c, all)
				}
				for length := int64(0); length < day; length += 1 + length/3 {
					if merged.sum(c, now-length) < s.sum(c, now-length) {
						t.Fatalf("%s: some of the last %d s is lost", name, length)
					}
				}
			}
		}
	}
}

// event is something that truly happened, at its exact time.
type event struct {
	at time.Time
	n  uint64
}

// within sums up what happened in the span of this length that ends now.
func within(events []event, now time.Time, length time.Duration) uint64 {
	var sum uint64
	for _, e := range events {
		if e.at.After(now.Add(-length)) {
			sum += e.n
		}
	}
	return sum
}

// checkAgainstReference plays steps of (nanoseconds passed, recipients wanted)
// against limits and against a list of all that happened: no limit ever lets
// more through in any true window, and nothing is refused that has room in the
// window and one cell. Now and then the counts go through a file.
func checkAgainstReference(t *testing.T, limits []Limit, restart func(step int) bool, steps []event) {
	t.Helper()
	clock := newClock()
	dir := ""
	if restart != nil {
		dir = t.TempDir()
	}
	store := openStore(t, dir, clock)
	r := newRates(t, store, limits...)
	var sent []event
	for i, step := range steps {
		clock.advance(time.Duration(step.at.UnixNano()))
		if restart != nil {
			store.save()
			if restart(i) {
				if err := store.Close(); err != nil {
					t.Fatal(err)
				}
				store = openStore(t, dir, clock)
				r = newRates(t, store, limits...)
			}
		}
		claims := []Claim{{Kind: PerClient, Key: "10.0.0.7", Bounds: r.limits[PerClient].bounds, Want: Amounts{Messages: 1, Recipients: step.n}}}
		reserved, over, err := store.Reserve(t.Context(), claims)
		if err != nil {
			t.Fatal(err)
		}
		room := true
		for _, l := range limits {
			length := l.Every
			if reserved != nil && within(sent, clock.Now(), length)+step.n > uint64(l.Max) {
				t.Fatalf("step %d: %v lets %d more through", i, l, step.n)
			}
			cell := time.Duration(limitWindow(int64(length/time.Second)).width) * time.Second
			room = room && within(sent, clock.Now(), length+cell)+step.n <= uint64(l.Max)
		}
		if reserved == nil {
			if room {
				t.Fatalf("step %d: %d are refused although there is room: %+v", i, step.n, over)
			}
			continue
		}
		claims[0].Done = Figures{Amounts: claims[0].Want}
		reserved.Settle(claims)
		sent = append(sent, event{clock.Now(), step.n})
	}
}

func recipientLimits(maximum int64, lengths ...time.Duration) []Limit {
	var limits []Limit
	for _, l := range lengths {
		limits = append(limits, Limit{Per: "client", Count: "recipients", Max: maximum, Every: l, Then: "tempfail"})
		maximum *= 3
	}
	return limits
}

func TestWindowsAgainstAReference(t *testing.T) {
	sets := map[string][]Limit{
		"second":          recipientLimits(5, time.Second),
		"seven seconds":   recipientLimits(9, 7*time.Second),
		"five minutes":    recipientLimits(30, 5*time.Minute),
		"hour":            recipientLimits(40, time.Hour),
		"minute and hour": recipientLimits(20, time.Minute, time.Hour),
		"everything":      recipientLimits(20, 90*time.Second, time.Hour, 5*time.Hour, 24*time.Hour),
		"week":            recipientLimits(50, 7*24*time.Hour),
	}
	for name, limits := range sets {
		for _, restarts := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(7, uint64(len(name))))
				shortest := int64(limits[0].Every)
				steps := make([]event, 1500)
				var restart func(int) bool
				if restarts {
					steps = steps[:150]
					restart = func(int) bool { return random.IntN(10) == 0 }
				}
				for i := range steps {
					// bursts, and pauses of about a window
					passed := random.Int64N(shortest/8 + 1)
					if random.IntN(20) == 0 {
						passed = random.Int64N(3 * shortest)
					}
					steps[i] = event{time.Unix(0, passed), uint64(random.IntN(4))}
				}
				checkAgainstReference(t, limits, restart, steps)
			})
		}
	}
}

func FuzzWindow(f *testing.F) {
	f.Add([]byte("\x00\x01\x80\x02\xff\x03\x40\x01"), uint16(60), uint8(4))
	f.Add([]byte("aaaaaaaaaaaaaaaaaaaa"), uint16(3600), uint8(10))
	f.Fuzz(func(t *testing.T, moves []byte, length uint16, maximum uint8) {
		every := time.Duration(length)*time.Second + time.Second
		var steps []event
		for ; len(moves) >= 2; moves = moves[2:] {
			// quarters of a second for small bytes, up to a window and a half for large ones
			passed := time.Duration(moves[0]) * time.Second / 4
			if moves[0] >= 128 {
				passed = every * time.Duration(moves[0]-128) / 84
			}
			steps = append(steps, event{time.Unix(0, int64(passed)), uint64(moves[1] % 8)})
		}
		checkAgainstReference(t, recipientLimits(int64(maximum)+1, every, 4*every), nil, steps)
	})
}
