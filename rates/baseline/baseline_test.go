package baseline

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// played is a set with one series per source, and the time that it is in.
type played struct {
	*Set
	t    testing.TB
	now  time.Time
	dice *rand.Rand
	feed map[string]source
}

func newPlayed(t testing.TB, feed map[string]source) *played {
	kinds := []Kind{{Name: "k", Max: 1000, Least: 50, Drops: true}, {Name: "queue", Max: 5, Least: 100, Gauge: true}, {Name: "tank", Max: 5, Least: 100, Gauge: true, Drops: true}}
	return &played{Set: New(kinds, []string{"new", "bounces"}, Rules{SpikeFactor: 3}, berlin), t: t,
		now: start, dice: rand.New(rand.NewPCG(1, 2)), feed: feed}
}

// run plays some time and returns what was said in it, each deviation once.
func (p *played) run(d time.Duration) string {
	var said []string
	seen := map[string]bool{}
	for until := p.now.Add(d); p.now.Before(until); {
		for key, s := range p.feed {
			if n := s(p.dice, p.now.In(berlin)); n != 0 {
				p.Observe("k", key, p.now, n)
			}
		}
		p.now = p.now.Add(time.Minute)
		for _, d := range p.Evaluate(p.now) {
			line := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", d.Kind, d.Key, d.What, d.Part))
			if !seen[line] {
				seen[line] = true
				said = append(said, line)
			}
		}
	}
	return strings.Join(said, "; ")
}

func (p *played) wants(d time.Duration, want string) {
	p.t.Helper()
	if got := p.run(d); got != want {
		p.t.Errorf("said %q, want %q", got, want)
	}
}

// threeWeeks is what a set knows after three weeks of an office, and of a nightly job.
var threeWeeks = sync.OnceValue(func() []byte {
	p := newPlayed(nil, map[string]source{"office": office(600), "job": cron(20, 3, 5)})
	if said := p.run(3 * weekLong); said != "" {
		panic("while it learned it said " + said)
	}
	text, err := p.Marshal()
	if err != nil {
		panic(err)
	}
	return text
})

// learned is a set that knows that.
func learned(t testing.TB) *played {
	p := newPlayed(t, map[string]source{"office": office(600), "job": cron(20, 3, 5)})
	if err := p.Unmarshal(threeWeeks()); err != nil {
		t.Fatal(err)
	}
	p.now = p.now.Add(3 * weekLong)
	return p
}

func TestADropIsOverWhenMailComesAgain(t *testing.T) {
	p := learned(t) // it is Thursday, midnight
	p.run(11 * time.Hour)
	p.feed["office"] = steady(0)
	p.wants(12*time.Hour, "k office drop")
	p.feed["office"] = office(600)
	p.run(10 * time.Hour) // Friday 9:00, with as much as always
	p.wants(2*dayLong, "")
}

func TestWhatLastsIsTheNewUsual(t *testing.T) {
	p := learned(t)
	delete(p.feed, "job")
	p.wants(5*time.Hour, "k job drop")
	p.wants(acceptAfter, "k job drop")
	p.wants(weekLong, "")
}

// The clock is put back or ahead, by little and by much, and nothing is said of it.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-time.Minute, -time.Hour, -3 * time.Hour, -dayLong, -10 * 365 * dayLong,
		10 * time.Minute, 3 * time.Hour, dayLong, 365 * dayLong} {
		p := learned(t)
		p.run(10 * time.Hour)
		p.now = p.now.Add(jump)
		got := p.run(6 * time.Hour)
		p.now = p.now.Add(-jump) // it is put right
		if more := p.run(dayLong); got != "" || more != "" {
			t.Errorf("%v: said %q, then %q", jump, got, more)
		}
	}
}

func TestWhatIsNotSeenIsNotZero(t *testing.T) {
	for _, away := range []time.Duration{2 * time.Minute, 20 * time.Minute, 5 * time.Hour, 3 * dayLong} {
		p := learned(t)
		p.run(2*time.Hour + 50*time.Minute)
		p.now = p.now.Add(away) // the job ran meanwhile
		if got := p.run(10 * time.Hour); got != "" {
			t.Errorf("away for %v: said %q", away, got)
		}
		// It learns from what it saw.
		x := p.table("k").series["office"]
		if n, ok := p.sum(x, p.minute/minutesPerHour-1, 1, 0); !ok || n < 5 {
			t.Errorf("away for %v: the last hour has %v, known %v", away, n, ok)
		}
	}
}

func TestRestart(t *testing.T) {
	p := learned(t)
	p.run(11 * time.Hour)
	for range 300 {
		p.Share("k", "office", p.now, true)
	}
	text, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again := newPlayed(t, map[string]source{"office": steady(0), "job": cron(20, 3, 5)})
	if err := again.Unmarshal(text); err != nil {
		t.Fatal(err)
	}
	if got, want := again.snapshot(), p.snapshot(); !reflect.DeepEqual(sorted(got), sorted(want)) {
		t.Error("what was read is not what was written")
	}
	again.now = p.now.Add(10 * time.Minute)
	again.wants(25*time.Minute, "k office drop")
}

// sorted brings the series of a snapshot into one order.
func sorted(k kept) map[string]keptSeries {
	all := map[string]keptSeries{}
	for kind, series := range k.Kinds {
		for _, x := range series {
			all[kind+" "+x.Key] = x
		}
	}
	return all
}

func TestDamage(t *testing.T) {
	p := newPlayed(t, nil)
	p.Observe("k", "a", start, 1)
	good, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(good)
	changed[len(changed)/2] ^= 1
	for name, text := range map[string][]byte{"empty": nil, "cut": good[:len(good)-1], "changed": changed, "other": []byte("SQLite format 3\x00"), "head alone": []byte(magic)} {
		if err := p.Unmarshal(text); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(p.Keys("k")) != 1 {
		t.Error("what can't be read took what was known")
	}
}

func FuzzDecode(f *testing.F) {
	p := newPlayed(f, nil)
	p.Observe("k", "a", start, 1)
	p.Share("k", "a", start, true)
	good, err := p.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, err := decode(text); err == nil {
			s := newPlayed(t, nil)
			s.restore(k)
			s.Evaluate(start)
		}
	})
}

// TestRestoreTakesAnything: a file that is whole may still be of another version, or made by hand.
func TestRestoreTakesAnything(t *testing.T) {
	s := newPlayed(t, nil)
	s.restore(kept{Minute: -5, Covered: []keptCover{{-1, 60}, {math.MaxInt64, 60}}, Kinds: map[string][]keptSeries{
		"k":     {{Key: "a", Born: -1, Days: []keptDay{{Day: -3}, {Day: math.MaxInt64 / 2}}, Mix: []mixDay{{1, nil}}, MixNow: []float64{1}}},
		"other": {{Key: "b"}},
	}})
	for i := range 100 {
		s.Evaluate(start.Add(time.Duration(i) * time.Minute))
	}
	if len(s.Keys("k")) != 1 || s.Keys("other") != nil {
		t.Errorf("%v, %v", s.Keys("k"), s.Keys("other"))
	}
}

func TestMix(t *testing.T) {
	p := newPlayed(t, nil)
	day := func(messages, fresh int) string {
		said := map[string]bool{}
		for i := range 24 * 60 {
			for n := range messages {
				if (n*7919+i)%(24*60) == 0 {
					p.Share("k", "login shop", p.now, p.dice.IntN(100) < fresh, false)
				}
			}
			p.now = p.now.Add(time.Minute)
			for _, d := range p.Evaluate(p.now) {
				said[fmt.Sprintf("%s %s %s", d.Key, d.What, d.Part)] = true
				if d.Observed < d.Bound || d.High > 0.3 {
					p.t.Errorf("%+v", d)
				}
			}
		}
		var all []string
		for s := range said {
			all = append(all, s)
		}
		return strings.Join(all, "; ")
	}
	for range 10 {
		if got := day(500, 10); got != "" {
			t.Fatalf("said %q", got)
		}
	}
	if got := day(500, 90); got != "login shop mix new" {
		t.Errorf("said %q", got)
	}
	for range 5 {
		day(500, 10)
	}
	if got := day(500, 10); got != "" {
		t.Errorf("later %q", got)
	}
}

// level plays a gauge of so much and up to 20 more, and returns what deviates at its end.
func (p *played) level(kind string, least float64, d time.Duration) (all []Deviation) {
	for until := p.now.Add(d); p.now.Before(until); {
		p.Observe(kind, "deferred", p.now, least+float64(p.dice.IntN(20)))
		p.now = p.now.Add(time.Minute)
		all = p.Evaluate(p.now)
	}
	return all
}

func TestGauge(t *testing.T) {
	p := newPlayed(t, nil)
	if got := p.level("queue", 40, 2*weekLong); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	got := p.level("queue", 400, 30*time.Minute)
	if len(got) != 1 || got[0].What != Spike || got[0].Observed < 150 || got[0].Observed > 420 || got[0].High < 40 || got[0].High > 60 {
		t.Errorf("%+v", got)
	}
	if got := p.level("queue", 0, 3*time.Hour); len(got) != 0 {
		t.Errorf("a queue that is empty: %+v", got)
	}
}

// A level that is never low, and then is: somebody emptied the queue, or nothing comes in.
func TestGaugeDrops(t *testing.T) {
	p := newPlayed(t, nil)
	if got := p.level("tank", 40, 2*weekLong); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	got := p.level("tank", -9, 3*time.Hour) // 0 on the average
	if len(got) != 1 || got[0].What != Drop || math.Abs(got[0].Observed) > 5 || got[0].Median < 40 || got[0].Median > 60 {
		t.Errorf("%+v", got)
	}
	if got := p.level("tank", 40, 4*time.Hour); len(got) != 0 {
		t.Errorf("it is as before: %+v", got)
	}
}

func TestBands(t *testing.T) {
	p := learned(t)
	p.run(10*time.Hour + 30*time.Minute)
	bands := p.Bands("k", "office", p.now.Add(-24*time.Hour), p.now.Add(12*time.Hour))
	if len(bands) != 37 && len(bands) != 36 {
		t.Fatalf("%d hours", len(bands))
	}
	for _, b := range bands {
		over := b.At.Add(time.Hour).Before(p.now) || b.At.Add(time.Hour).Equal(p.now)
		want := officeRate(600, b.At.Add(30*time.Minute))
		if b.Known != over || !b.Usual || b.Low > b.Median || b.Median > b.High || math.Abs(b.Median-want) > 0.3*want+10 {
			t.Errorf("%+v, wanted about %.0f", b, want)
		}
		if over && (b.Count < b.Low/2 || b.Count > 2*b.High) {
			t.Errorf("%+v", b)
		}
	}
	if p.Bands("k", "nobody", start, p.now) != nil || p.Bands("none", "a", start, p.now) != nil {
		t.Error("there is a band of nothing")
	}
	if got := p.Bands("k", "office", time.Time{}, p.now); len(got) > hoursKept+1 {
		t.Errorf("%d hours", len(got))
	}
	if keys := p.Keys("k"); len(keys) != 2 || keys[0].Key != "office" || keys[1].Last != 20 {
		t.Errorf("%+v", keys)
	}
}

// A flood of names does not drive out what is known well, and memory is bounded.
func TestFlood(t *testing.T) {
	p := learned(t)
	for range 60 {
		for range 2000 {
			p.Observe("k", fmt.Sprint("flood", p.dice.Uint64()), p.now, 1)
		}
		p.run(time.Minute)
	}
	all := p.table("k").series
	if len(all) != 1000 || all["office"] == nil || all["job"] == nil {
		t.Errorf("%d series, office %v, job %v", len(all), all["office"] != nil, all["job"] != nil)
	}
}

// TestMemory states what a series costs, for docs/alerts.md.
func TestMemory(t *testing.T) {
	before := heap()
	p := newPlayed(t, nil)
	for h := range int64(weeksKept * 7 * 24) {
		for i := range 1000 {
			x := p.find("k", fmt.Sprint("client 10.0.0.", i), start)
			x.shares(2)
			x.minutes[0] = 5
			x.closeHour(start.Unix()/3600+h, 60, false)
			x.minutes[0] = 0
		}
	}
	perSeries := (heap() - before) / 1000
	t.Logf("%d octets for each busy series", perSeries)
	if perSeries > 10_000 {
		t.Errorf("%d octets for each busy series", perSeries)
	}
	runtime.KeepAlive(p)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestShort(t *testing.T) {
	for n := range 2048 {
		if got := shorten(float64(n)).value(); got != float64(n) {
			t.Errorf("%d is kept as %v", n, got)
		}
	}
	for n := 2048.0; n < 1<<41; n *= 1.37 {
		if got := shorten(n).value(); math.Abs(got-n) > n/1000 {
			t.Errorf("%v is kept as %v", n, got)
		}
	}
	if shorten(-1) != 0 || shorten(math.Inf(1)).value() < 1<<40 || shorten(math.NaN()) != 0 {
		t.Error("the extremes")
	}
}

// TestPoisson holds the tails to sums of their terms (two of them made in Python), and
// to what is known in closed form.
func TestPoisson(t *testing.T) {
	for _, c := range []struct{ got, want float64 }{
		{below(10, 20), 0.01081172}, {below(0, 16), math.Exp(-16)}, {above(100, 60), 1.4815e-6}, {above(0, 5), 1}, {below(5, 0), 1},
		{gammaP(1, 2), 1 - math.Exp(-2)}, {gammaP(0.5, 0.5), math.Erf(math.Sqrt(0.5))}, {gammaP(0.5, 8), math.Erf(math.Sqrt(8))},
	} {
		if math.Abs(c.got-c.want) > 0.002*c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	sum := 0.0
	for n := 0.0; n <= 30; n++ {
		lg, _ := math.Lgamma(n + 1)
		sum += math.Exp(n*math.Log(25) - 25 - lg)
		if math.Abs(below(n, 25)-sum) > 1e-9 || math.Abs(above(n+1, 25)-(1-sum)) > 1e-9 {
			t.Errorf("%v of 25: below %v, above %v, the sum is %v", n, below(n, 25), above(n+1, 25), sum)
		}
	}
}

// TestOneBadDay: an outage in the past does not make the next one usual, nor a spike
// the next spike.
func TestOneBadDay(t *testing.T) {
	p := newPlayed(t, map[string]source{"office": office(600)})
	p.run(3*weekLong + 11*time.Hour)
	p.feed["office"] = steady(0)
	p.wants(4*time.Hour, "k office drop")
	p.feed["office"] = office(600)
	p.run(2*weekLong - 4*time.Hour)
	p.feed["office"] = steady(0)
	p.wants(4*time.Hour, "k office drop")
}

func BenchmarkObserve(b *testing.B) {
	p := newPlayed(b, nil)
	keys := make([]string, 500)
	for i := range keys {
		keys[i] = fmt.Sprint("client 10.0.0.", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Observe("k", keys[i%len(keys)], start, 1)
	}
}

// BenchmarkEvaluate is a minute of a thousand busy series that have learned.
func BenchmarkEvaluate(b *testing.B) {
	p := newPlayed(b, nil)
	for h := range int64(hoursKept - 24) {
		hour := start.Unix()/3600 + h
		p.covered[hour%hoursKept] = cover{hour, 60}
		for i := range 1000 {
			x := p.find("k", fmt.Sprint(i), start)
			x.minutes[0], x.minutes[30] = 60, 60
			x.closeHour(hour, 60, false)
		}
		p.now = time.Unix((hour+1)*3600, 0)
		p.minute = p.now.Unix() / 60
	}
	for b.Loop() {
		p.now = p.now.Add(time.Minute)
		for i := range 1000 {
			p.Observe("k", fmt.Sprint(i), p.now, 2)
		}
		p.Evaluate(p.now)
	}
}
