package baseline

import (
	"cmp"
	"slices"
	"time"
)

// What is a way to deviate.
type What string

// The ways.
const (
	Spike What = "spike"
	Drop  What = "drop"
	Mix   What = "mix" // of a part
)

// Deviation is a series that is not as usual. The figures are counts in the window;
// of a gauge its mean, of a mix shares between 0 and 1.
type Deviation struct {
	Kind, Key string
	What      What
	Part      string // with Mix
	Window    time.Duration
	Observed  float64
	Low       float64 // what is usual: least,
	Median    float64 // in the middle,
	High      float64 // and most
	Bound     float64 // that Observed passed
	Since     time.Time

	hour  int64   // with Drop: the last hour of the window
	since float64 // with Drop: what came after it
}

type openKey struct {
	kind, key string
	what      What
	part      string
}

// How sure a deviation has to be. Every series is judged hundreds of times a day.
const (
	sure       = 1e-6 // probability of a count as extreme by chance
	sureAbove  = 4.0  // standard deviations
	sureBelow  = 5.0  // the same downwards: a quiet hour does less harm than a false alarm
	leastDays  = 3    // days that have to be known,
	leastWeeks = 4    // and weeks, if the other days do not tell
	tenthOfLow = 0.1  // part of the least usual count that is still usual, if there are so few
	halfOfLow  = 0.5  // part of the least usual count that is still usual
	fastMinute = 20   // the window in which a fast drop is seen, minutes
	fastLeast  = 20.0 // what must be usual in it, at least
	fastPart   = 0.25 // and what part of that is still usual
)

// acceptAfter is how long a deviation lasts until it is taken for the new usual.
const acceptAfter = 48 * time.Hour

// Evaluate closes the minutes that are over and returns all series that deviate now,
// the first one first. It is to be called every minute: time for which it was not
// called was not seen, and is neither a drop nor a count of zero.
func (s *Set) Evaluate(now time.Time) []Deviation {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.minute
	s.advance(now)
	if s.minute == before {
		return s.deviations()
	}
	hour := s.minute/minutesPerHour - 1 // the last that is over
	s.referTo(hour + 1)                 // once for the fast judgements, which are about the hour under way
	for _, t := range s.tables {
		for key, x := range t.series {
			s.judgeNow(t, key, x, now)
		}
	}
	if s.minute%minutesPerHour == grace {
		s.referTo(hour)
		for _, t := range s.tables {
			for key, x := range t.series {
				s.judgeHours(t, key, x, hour, now)
			}
		}
	}
	s.accept(now)
	return s.deviations()
}

func (s *Set) deviations() []Deviation {
	all := make([]Deviation, 0, len(s.open))
	for _, d := range s.open {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b Deviation) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.What, b.What), cmp.Compare(a.Part, b.Part))
	})
	return all
}

// note begins a deviation, or brings it up to date; nil ends it.
func (s *Set) note(t *table, key string, what What, part string, d *Deviation, now time.Time) {
	k := openKey{t.Name, key, what, part}
	if d == nil {
		delete(s.open, k)
		return
	}
	d.Kind, d.Key, d.What, d.Part, d.Since = t.Name, key, what, part, now
	if old := s.open[k]; old != nil {
		d.Since, d.since = old.Since, old.since
	}
	if t.Gauge && what != Mix {
		minutes := d.Window.Minutes()
		for _, f := range []*float64{&d.Observed, &d.Low, &d.Median, &d.High, &d.Bound} {
			*f /= minutes
		}
	}
	s.open[k] = d
}

// accept takes what has deviated for long for what is usual now, and ends what is
// about a series that was forgotten.
func (s *Set) accept(now time.Time) {
	for k, d := range s.open {
		x := s.table(k.kind).series[k.key]
		if x == nil {
			delete(s.open, k)
			continue
		}
		if now.Sub(d.Since) < acceptAfter {
			continue
		}
		if d.What == Mix {
			x.mix.relearn()
		} else {
			x.relearn(s.minute / minutesPerHour)
		}
		delete(s.open, k)
	}
}

// judgeNow looks for what shows within minutes.
func (s *Set) judgeNow(t *table, key string, x *series, now time.Time) {
	s.note(t, key, Spike, "", s.spike(t, x), now)
	if x.mix != nil {
		for i, part := range s.parts {
			s.note(t, key, Mix, part, x.mix.judge(i, s.minute), now)
		}
	}
	if !t.Drops {
		s.note(t, key, Drop, "", nil, now)
		return
	}
	open := s.open[openKey{kind: t.Name, key: key, what: Drop}]
	if open != nil && s.recovered(x, open) {
		x.fine = s.minute / minutesPerHour
		s.note(t, key, Drop, "", nil, now)
	}
	if d := s.fastDrop(x); d != nil {
		s.note(t, key, Drop, "", d, now)
	}
}

// spike compares the last ten minutes with the highest ten minutes of like hours, and
// the last hour with like hours.
func (s *Set) spike(t *table, x *series) *Deviation {
	for _, w := range []struct {
		minutes int64
		of      func(cell) short
	}{
		{peakMinutes, func(c cell) short { return c.peak }},
		{minutesPerHour, func(c cell) short { return c.count }},
	} {
		n, _ := s.lastMinutes(x, w.minutes)
		if n < t.Least || s.minute-w.minutes < s.calm {
			continue
		}
		if d := s.spikeIn(x, n, w.of); d != nil {
			d.Window = time.Duration(w.minutes) * time.Minute
			d.Bound = max(d.Bound, t.Least)
			return d
		}
	}
	return nil
}

func (s *Set) spikeIn(x *series, n float64, of func(cell) short) *Deviation {
	hour := s.minute / minutesPerHour // under way
	like := s.around(x, hour, s.refs.daily, of)
	days := len(s.samples(x, hour-1, 1, s.refs.daily))
	if days < leastDays {
		return s.spikeWhileLearning(x, n, hour, of)
	}
	if len(like) == 0 {
		return nil
	}
	high := highest(like)
	if weekly := s.around(x, hour, s.refs.weekly, of); len(weekly) > 0 {
		high = max(high, highest(weekly))
	}
	bound := s.rules.SpikeFactor * high
	if n < bound || above(n, max(high, 1)) > sure || distance(n, like) < sureAbove {
		return nil
	}
	return &Deviation{Observed: n, Low: lowest(like), Median: median(like), High: high, Bound: bound}
}

// While a series is not known for long, only what is far beyond all that it ever was
// is a spike: the first Monday after a weekend is not.
const (
	learningHours  = 24
	learningFactor = 7 // times SpikeFactor
)

func (s *Set) spikeWhileLearning(x *series, n float64, hour int64, of func(cell) short) *Deviation {
	var all []float64
	for h := max(x.born, hour-7*24); h < hour; h++ {
		if s.known(h) {
			all = append(all, of(x.at(h)).value())
		}
	}
	if len(all) < learningHours {
		return nil
	}
	slices.Sort(all)
	high := all[len(all)-1]
	bound := learningFactor * s.rules.SpikeFactor * max(high, 1)
	if n < bound {
		return nil
	}
	return &Deviation{Observed: n, Low: lowest(all), Median: median(all), High: high, Bound: bound}
}
