package baseline

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The traces are synthetic: what comes is drawn from a known rate, minute by minute,
// so that what happened, and when, is known.

var update = flag.Bool("update", false, "write the table of traces into docs/alerts.md")

// start is a Thursday; in Berlin clocks go back on 25 October and ahead on 28 March.
var start = time.Date(2026, 9, 3, 0, 0, 0, 0, berlin)

var berlin = mustZone("Europe/Berlin")

func mustZone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return z
}

const (
	dayLong  = 24 * time.Hour
	weekLong = 7 * dayLong
)

// source says how much comes in the minute that begins at a time.
type source func(r *rand.Rand, at time.Time) float64

func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 50 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	n, p, limit := 0.0, r.Float64(), math.Exp(-mean)
	for ; p > limit; n++ {
		p *= r.Float64()
	}
	return n
}

// office is people at work: busy from Monday to Friday, quiet at night.
func office(perHour float64) source {
	return func(r *rand.Rand, at time.Time) float64 { return poisson(r, officeRate(perHour, at)/60) }
}

func officeRate(perHour float64, at time.Time) float64 {
	h := float64(at.Hour()) + float64(at.Minute())/60
	rate := perHour * (0.03 + math.Exp(-math.Pow(h-10.5, 2)/6) + 0.8*math.Exp(-math.Pow(h-15, 2)/5))
	if weekend(at.Weekday()) {
		rate *= 0.1
	}
	return rate
}

func steady(perHour float64) source {
	return func(r *rand.Rand, _ time.Time) float64 { return poisson(r, perHour/60) }
}

// moody changes its rate every hour, by factors (log-normal).
func moody(perHour, sigma float64) source {
	hour, rate := -1, 0.0
	return func(r *rand.Rand, at time.Time) float64 {
		if at.Hour() != hour {
			hour, rate = at.Hour(), perHour*math.Exp(sigma*r.NormFloat64())
		}
		return poisson(r, rate/60)
	}
}

// cron sends n at a time of the day.
func cron(n float64, hour, minute int, days ...time.Weekday) source {
	return func(r *rand.Rand, at time.Time) float64 {
		if at.Hour() != hour || at.Minute() != minute || len(days) > 0 && !slices.Contains(days, at.Weekday()) {
			return 0
		}
		return n
	}
}

func every(minutes int, n float64) source {
	return func(_ *rand.Rand, at time.Time) float64 {
		if at.Minute()%minutes == 0 {
			return n
		}
		return 0
	}
}

func plus(sources ...source) source {
	return func(r *rand.Rand, at time.Time) float64 {
		sum := 0.0
		for _, s := range sources {
			sum += s(r, at)
		}
		return sum
	}
}

// times multiplies the rate from a moment on. Each of what comes then comes so often.
func times(s source, from time.Time, factor float64) source {
	return func(r *rand.Rand, at time.Time) float64 {
		if at.Before(from) {
			return s(r, at)
		}
		if factor < 1 { // thin it out
			kept := 0.0
			for range int(s(r, at)) {
				if r.Float64() < factor {
					kept++
				}
			}
			return kept
		}
		sum := 0.0
		for range int(factor) {
			sum += s(r, at)
		}
		return sum
	}
}

// growing multiplies the rate by a factor each week.
func growing(perHour, weekly float64) source {
	return func(r *rand.Rand, at time.Time) float64 {
		return poisson(r, officeRate(perHour, at)/60*math.Pow(weekly, at.Sub(start).Hours()/168))
	}
}

// trace is a scenario.
type trace struct {
	name  string
	what  string // in words, for the table
	make  func() source
	want  What      // "": nothing
	event time.Time // zero: none
	watch time.Time // from when on what is said counts
	until time.Time
	gaps  []gap
	begin time.Time // when the series begins; zero: with the set
	may   int       // false alarms that are known and stated
}

// gap is a time in which the daemon does not run. What comes meanwhile is lost, or
// comes right afterwards.
type gap struct {
	from, to time.Time
	flushed  bool
}

const seeds = 6

// outcome is what was said in a trace.
type outcome struct {
	delays []time.Duration // of those that saw the event
	false  int             // deviations that nothing was behind
	weeks  float64         // that were watched, all seeds together
}

func (c trace) play(more uint64) outcome {
	set := New([]Kind{{Name: "k", Max: 100, Least: 50, Drops: true}}, nil, Rules{SpikeFactor: 3}, berlin)
	var sources []source
	var dice []*rand.Rand
	for i := range seeds {
		sources = append(sources, c.make())
		dice = append(dice, rand.New(rand.NewPCG(uint64(i), 7+more)))
	}
	backlog := make([]float64, seeds)
	keys := make([]string, seeds)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	seen := map[string]bool{}
	found := map[string]time.Duration{}
	o := outcome{weeks: seeds * c.until.Sub(c.watch).Hours() / 168}
	for at := start; at.Before(c.until); at = at.Add(time.Minute) {
		away := slices.ContainsFunc(c.gaps, func(g gap) bool { return !at.Before(g.from) && at.Before(g.to) })
		flushed := slices.ContainsFunc(c.gaps, func(g gap) bool { return g.flushed })
		for i, s := range sources {
			n := s(dice[i], at)
			switch {
			case at.Before(c.begin):
				continue
			case away:
				backlog[i] += n
				continue
			case flushed:
				n += math.Ceil(backlog[i] / 5) // what waits comes within some minutes
				backlog[i] -= math.Ceil(backlog[i] / 5)
			}
			if n != 0 {
				set.Observe("k", keys[i], at, n)
			}
		}
		if away {
			continue
		}
		now := at.Add(time.Minute)
		if now.Before(c.watch) {
			set.mu.Lock()
			set.advance(now)
			set.mu.Unlock()
			continue
		}
		o.judge(c, set.Evaluate(now), now, seen, found)
	}
	for _, d := range found {
		o.delays = append(o.delays, d)
	}
	slices.Sort(o.delays)
	return o
}

// judge counts what is new in what is said.
func (o *outcome) judge(c trace, said []Deviation, now time.Time, seen map[string]bool, found map[string]time.Duration) {
	open := map[string]bool{}
	for _, d := range said {
		id := d.Key + string(d.What)
		open[id] = true
		if seen[id] {
			continue
		}
		seen[id] = true
		if c.want == d.What && !now.Before(c.event) {
			if _, ok := found[d.Key]; !ok {
				found[d.Key] = now.Sub(c.event)
			}
			continue
		}
		o.false++
		if os.Getenv("TRACE") != "" {
			fmt.Printf("%s: %s %+v\n", c.name, now.In(berlin).Format("Mon 01-02 15:04"), d)
		}
	}
	for id := range seen {
		if !open[id] {
			delete(seen, id)
		}
	}
}

func (o outcome) median() time.Duration {
	if len(o.delays) == 0 {
		return 0
	}
	return o.delays[len(o.delays)/2]
}

// at is a time in week w of the traces (from 0), on a day from Thursday (0) on.
func at(week, day int, clock time.Duration) time.Time {
	return start.AddDate(0, 0, 7*week+day).Add(clock)
}

func quiet(name, what string, make func() source) trace {
	return trace{name: name, what: what, make: make, watch: at(4, 0, 0), until: at(8, 0, 0)}
}

func happens(name, what string, want What, event time.Time, make func() source) trace {
	return trace{name: name, what: what, make: make, want: want, event: event, watch: event.Add(-dayLong), until: event.Add(2 * dayLong)}
}

func (c trace) maybe(falseAlarms int) trace {
	c.may = falseAlarms
	return c
}

func traces() []trace {
	wed11 := at(5, 6, 11*time.Hour)
	wed2 := at(5, 6, 2*time.Hour)
	return []trace{
		quiet("office", "people at work, 600 an hour at most, Poisson", func() source { return office(600) }),
		quiet("few", "3 an hour, Poisson", func() source { return steady(3) }),
		quiet("very few", "5 a day, Poisson", func() source { return steady(0.2) }),
		quiet("moody", "100 an hour on average; the rate changes each hour by factors (log-normal, σ 0.5)", func() source { return moody(88, 0.5) }).maybe(5),
		quiet("job", "a job that sends 20 each night", func() source { return cron(20, 3, 5) }),
		quiet("newsletter", "office, and each Tuesday 5,000 within ten minutes", func() source {
			return plus(office(600), func(r *rand.Rand, t time.Time) float64 {
				if t.Weekday() == time.Tuesday && t.Hour() == 10 && t.Minute() < 10 {
					return 500
				}
				return 0
			})
		}),
		{name: "growth", what: "office, a tenth more each week", make: func() source { return growing(300, 1.1) }, watch: at(4, 0, 0), until: at(12, 0, 0)},
		{name: "decline", what: "office, a tenth less each week", make: func() source { return growing(900, 0.9) }, watch: at(4, 0, 0), until: at(12, 0, 0)},
		{name: "first weeks", what: "office, from its first hour on", make: func() source { return office(600) }, watch: start, until: at(3, 0, 0)},
		{name: "new service", what: "a client that begins with 1,000 an hour", make: func() source { return office(1000) },
			begin: at(3, 4, 9*time.Hour), watch: at(3, 0, 0), until: at(6, 0, 0)},
		{name: "clocks go back", what: "office, and a nightly job of 20, over the end of daylight saving", make: func() source { return plus(office(600), cron(20, 3, 5)) },
			watch: time.Date(2026, 10, 23, 0, 0, 0, 0, berlin), until: time.Date(2026, 11, 6, 0, 0, 0, 0, berlin)},
		{name: "job, clocks go back", what: "only a nightly job of 20, over the end of daylight saving", make: func() source { return cron(20, 3, 5) },
			watch: time.Date(2026, 10, 23, 0, 0, 0, 0, berlin), until: time.Date(2026, 11, 6, 0, 0, 0, 0, berlin)},
		{name: "holiday", what: "office; a Wednesday is like a Sunday", make: func() source {
			o := office(600)
			return func(r *rand.Rand, t time.Time) float64 {
				if day := at(5, 6, 0); !t.Before(day) && t.Before(day.Add(dayLong)) {
					t = t.AddDate(0, 0, -3)
				}
				return o(r, t)
			}
		}, watch: at(5, 5, 0), until: at(6, 2, 0), may: 2},
		{name: "our own outage", what: "office; the daemon is away for 3 hours, and the mail of that time comes afterwards", make: func() source { return office(600) },
			gaps: []gap{{wed11, wed11.Add(3 * time.Hour), true}}, watch: at(5, 5, 0), until: at(6, 2, 0)},
		{name: "our own restart", what: "a nightly job of 20; the daemon is away while it runs", make: func() source { return cron(20, 3, 5) },
			gaps: []gap{{at(5, 6, 2*time.Hour+50*time.Minute), at(5, 6, 3*time.Hour+20*time.Minute), false}}, watch: at(5, 5, 0), until: at(6, 2, 0)},

		happens("all stops", "office; nothing comes from Wednesday 11:00 on", Drop, wed11, func() source { return times(office(600), wed11, 0) }),
		happens("all stops, few", "3 an hour; nothing comes any more", Drop, wed11, func() source { return times(steady(3), wed11, 0) }),
		happens("all stops, very few", "60 a day; nothing comes any more", Drop, wed11, func() source { return times(steady(2.5), wed11, 0) }),
		happens("a fifth is left", "office; four fifths are missing from Wednesday 11:00 on", Drop, wed11, func() source { return times(office(600), wed11, 0.2) }),
		happens("a job stops", "a job that sends 20 each night at 3:05 does not run", Drop, at(5, 6, 3*time.Hour+5*time.Minute), func() source { return times(cron(20, 3, 5), wed2, 0) }),
		happens("a single mail is missing", "one mail each night at 3:05", Drop, at(5, 6, 3*time.Hour+5*time.Minute), func() source { return times(cron(1, 3, 5), wed2, 0) }),
		happens("an hourly mail is missing", "one mail each hour", Drop, wed11, func() source { return times(every(60, 1), wed11, 0) }),
		happens("a weekly job stops", "200 each Wednesday at 6:00", Drop, at(5, 6, 6*time.Hour), func() source { return times(cron(200, 6, 0, time.Wednesday), wed2, 0) }),
		happens("ten times, at work", "office; ten times as much from Wednesday 11:00 on", Spike, wed11, func() source { return times(office(600), wed11, 10) }),
		happens("ten times, at night", "office; ten times as much from Wednesday 2:00 on", Spike, wed2, func() source { return times(office(600), wed2, 10) }),
		happens("ten times, moody", "100 an hour, log-normal; ten times as much", Spike, wed11, func() source { return times(moody(88, 0.5), wed11, 10) }),
		happens("a login is stolen", "3 an hour; from Wednesday 2:00 on 600 an hour", Spike, wed2, func() source {
			return plus(steady(3), times(steady(0), wed2, 1), func(r *rand.Rand, t time.Time) float64 {
				if t.Before(wed2) {
					return 0
				}
				return poisson(r, 10)
			})
		}),
	}
}

// TestTraces plays all traces, and holds the table in docs/alerts.md to what they show.
func TestTraces(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector it takes minutes, and runs in one goroutine")
	}
	all := traces()
	outcomes := make([]outcome, len(all))
	t.Run("play", func(t *testing.T) {
		for i, c := range all {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				outcomes[i] = c.play(0)
				if o := outcomes[i]; o.false > c.may {
					t.Errorf("%d false alarms, more than %d", o.false, c.may)
				} else if c.want != "" && len(o.delays) < seeds {
					t.Errorf("seen in %d of %d", len(o.delays), seeds)
				}
			})
		}
	})
	var table strings.Builder
	table.WriteString("| what happens | seen | after (median, longest) | false alarms |\n|---|---|---|---|\n")
	for i, c := range all {
		table.WriteString(c.row(outcomes[i]))
	}
	document(t, "../../docs/alerts.md", "traces", table.String())
}

// document holds a part of a document, between two marks, to a text, or puts it there.
func document(t *testing.T, path, mark, text string) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	from, to := "<!-- "+mark+" -->\n", "<!-- end of "+mark+" -->"
	head, rest, ok := strings.Cut(string(whole), from)
	is, tail, whole2 := strings.Cut(rest, to)
	if !ok || !whole2 {
		t.Fatalf("%s has no marks %q and %q", path, from, to)
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+from+text+to+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if is != text {
		t.Errorf("%s does not say what the traces show (go test -update writes it):\n%s", path, text)
	}
}

func (c trace) row(o outcome) string {
	seen, after := "–", "–"
	if c.want != "" {
		seen = fmt.Sprintf("%d of %d", len(o.delays), seeds)
		if len(o.delays) > 0 {
			after = fmt.Sprintf("%s, %s", length(o.median()), length(o.delays[len(o.delays)-1]))
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %d in %.0f weeks |\n", c.what, seen, after, o.false, o.weeks)
}

func length(d time.Duration) string {
	if d < 2*time.Hour {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

// TestOtherDice plays the traces with dice that the rules were not made with. It
// takes a minute, so it is asked for by PRATIQUE_DICE=1.
func TestOtherDice(t *testing.T) {
	if os.Getenv("PRATIQUE_DICE") == "" {
		t.Skip("PRATIQUE_DICE is not set")
	}
	for _, c := range traces() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var o outcome
			for dice := uint64(1); dice <= 4; dice++ {
				more := c.play(dice)
				o.delays = append(o.delays, more.delays...)
				o.false, o.weeks = o.false+more.false, o.weeks+more.weeks
			}
			slices.Sort(o.delays)
			t.Log(c.row(o))
		})
	}
}
