package baseline

import (
	"math"
	"time"
)

// grace is how many minutes after an hour it is judged: what runs by a timer may be late.
const grace = 5

// fastDrop looks at the last twenty minutes of a series in which mail comes evenly.
func (s *Set) fastDrop(x *series) *Deviation {
	n, seen := s.lastMinutes(x, fastMinute)
	if !seen || x.active < leastDays {
		return nil
	}
	hour := s.minute / minutesPerHour
	if n >= fastPart*s.atMost(x, hour) {
		return nil
	}
	like := s.usual(x, hour, 1)
	if like == nil {
		return nil
	}
	before := s.usual(x, hour-1, 1)
	if before == nil {
		return nil
	}
	low := min(like.low, before.low) * fastMinute / minutesPerHour
	if low < fastLeast || n > fastPart*low || !s.even(x, hour) {
		return nil
	}
	if below(n, low) > sure || s.distance(x, hour, 1, minutesPerHour/fastMinute*n, like.daily) > -sureBelow ||
		s.holiday(x, hour-1, 1) {
		return nil
	}
	const share = float64(fastMinute) / minutesPerHour
	return &Deviation{Window: fastMinute * time.Minute, Observed: n, Low: low, Median: share * median(like.daily),
		High: share * highest(like.daily), Bound: fastPart * low, hour: hour}
}

// atMost is a bound that the least usual count of twenty minutes does not pass, at no
// cost: of any two counts of an hour one at least is not below it.
func (s *Set) atMost(x *series, hour int64) float64 {
	high := 0.0
	for _, lag := range s.refs.weekly[:2] {
		high = max(high, x.at(hour-lag).count.value())
	}
	return high * fastMinute / minutesPerHour
}

// even reports whether the counts of like hours came spread over the hour.
func (s *Set) even(x *series, hour int64) bool {
	uneven, all := 0, 0
	for _, lag := range s.refs.daily {
		if h := hour - lag; s.known(h) && h >= x.born {
			c := x.at(h)
			if all++; c.peak.value() > c.count.value()/2 {
				uneven++
			}
		}
	}
	return 4*uneven < all
}

// expected is what is usual in a window of hours.
type expected struct {
	weekly []float64 // sums on the same day of the week, sorted
	daily  []float64 // and on days like it
	low    float64   // the least that is usual on all of them
}

// usual returns nil if too little is known: days like this, and at least one of the
// same day of the week, since no two days of a week need to be alike.
func (s *Set) usual(x *series, hour, length int64) *expected {
	weekly := s.samples(x, hour, length, s.refs.weekly)
	least := 1
	if weekend(s.refs.weekday) || length > s.refs.ofDay+1 {
		least = 2 // Saturday is less like Sunday, and Friday's evening less like Monday's
	}
	if len(weekly) < least {
		return nil
	}
	daily := s.samples(x, hour, length, s.refs.daily)
	if len(daily) < leastDays {
		return nil
	}
	return &expected{weekly, daily, min(lowest(weekly), lowest(daily))}
}

// judgeHours looks for drops in the hours that are over.
func (s *Set) judgeHours(t *table, key string, x *series, hour int64, now time.Time) {
	if !t.Drops || x.active < leastDays {
		return
	}
	// In hours: what comes rarely is missed only in a long window.
	for _, length := range [...]int64{1, 3, 6, 12, 24} {
		if d := s.drop(x, hour, length); d != nil {
			s.note(t, key, Drop, "", d, now)
			return
		}
	}
}

func (s *Set) drop(x *series, hour, length int64) *Deviation {
	if hour-length < x.fine {
		return nil // a drop that is over lies in the window
	}
	var n float64
	var known int64
	for h := hour - length + 1; h <= hour; h++ {
		if s.known(h) {
			known++
			n += x.at(h).count.value()
		}
	}
	if 4*known < 3*length || length > 1 && s.offset(hour) != s.offset(hour-length) {
		return nil // too little was seen, or clocks were changed: hours do not match one by one
	}
	is := s.usual(x, hour, length)
	if is == nil {
		return nil
	}
	d := &Deviation{Window: time.Duration(length) * time.Hour, Observed: n, hour: hour}
	switch {
	case is.misses(n, func() float64 { return s.distance(x, hour, length, n, is.daily) }):
		d.Low, d.Median, d.High, d.Bound = is.low, median(is.daily), highest(is.daily), halfOfLow*is.low
	case is.missesWeekly(n):
		d.Low, d.Median, d.High = lowest(is.weekly), median(is.weekly), highest(is.weekly)
		d.Bound = tenthOfLow * d.Low
	default:
		return nil
	}
	if s.holiday(x, hour, length) {
		return nil
	}
	return d
}

// misses reports whether n is far below what is usual on days like this one: by the
// spread of the counts, or because a timer sends them, which fails to be late.
func (is *expected) misses(n float64, distance func() float64) bool {
	if is.low < 1 || n > halfOfLow*is.low {
		return false
	}
	byTimer := n == 0 && regularity(is.daily)*below(0, is.low) < sure
	return byTimer || below(n, is.low) < sure && distance() < -sureBelow
}

// besides is how many hours before and after one tell how much hours vary.
const besides = 3

// distance is how many standard deviations a sum of so many hours is from the median
// of sorted samples. What few samples say of their spread is not relied on: the
// hours beside that one vary as much, each around its own median.
func (s *Set) distance(x *series, hour, length int64, n float64, sorted []float64) float64 {
	var all []float64
	for beside := int64(-besides); beside <= besides; beside++ {
		if hours := s.samples(x, hour+beside, 1, s.refs.daily); len(hours) > 0 {
			all = deviations(all, hours)
		}
	}
	m := median(sorted)
	sigma := max(spread(deviations(nil, sorted)), 1/math.Sqrt(1+m))
	if len(all) > 0 {
		sigma = max(sigma, spread(all)/math.Sqrt(float64(length)))
	}
	return (math.Log1p(n) - math.Log1p(m)) / sigma
}

// offset is how far the zone is from UTC at an hour, in seconds.
func (s *Set) offset(hour int64) int {
	_, offset := s.local(hour).Zone()
	return offset
}

// missesWeekly is misses for what comes on this day of the week alone. There are so
// few of them that next to nothing must have come.
func (is *expected) missesWeekly(n float64) bool {
	if len(is.weekly) < leastWeeks {
		return false
	}
	low := lowest(is.weekly)
	return n <= tenthOfLow*low && below(n, low) < sure
}

// A working day that goes like a Sunday, and is not silent, is a holiday.
const (
	holidayPart  = 0.5 // of the least of Sundays
	holidayMore  = 1.6 // times the most of Sundays,
	holidayLeast = 3.0 // and so much more
)

// holiday reports whether the day of an hour that is over, or one that a window up
// to it reaches into, was like a Sunday from its midnight on.
func (s *Set) holiday(x *series, hour, length int64) bool {
	for h := hour; h > hour-length; {
		r := s.refs
		if r.hour != h {
			r = s.referencesOf(h)
		}
		if s.likeSunday(x, r) {
			return true
		}
		h -= r.ofDay + 1 // the last hour of the day before
	}
	return false
}

func (s *Set) likeSunday(x *series, r references) bool {
	if weekend(r.weekday) {
		return false
	}
	length := r.ofDay + 1
	sundays := s.samples(x, r.hour, length, r.sundays)
	if len(sundays) == 0 {
		return false
	}
	n := 0.0
	for h := r.hour - length + 1; h <= r.hour; h++ {
		n += x.at(h).count.value()
	}
	low, high := lowest(sundays), holidayMore*highest(sundays)+holidayLeast
	if n < max(1, holidayPart*low) || n > high {
		return false
	}
	working := s.samples(x, r.hour, length, r.daily)
	return len(working) > 0 && lowest(working) > high // else each day is like a Sunday
}

// recovered reports whether a drop is over: something came since, and in the last
// hour no less than half of what is usual.
func (s *Set) recovered(x *series, d *Deviation) bool {
	d.since += float64(x.minutes[(s.minute-1)%minutesPerHour])
	n, seen := s.lastMinutes(x, minutesPerHour)
	if d.since < 1 || !seen {
		return false
	}
	hour := s.minute / minutesPerHour
	is, before := s.usual(x, hour, 1), s.usual(x, hour-1, 1)
	if is == nil || before == nil {
		return true
	}
	return n >= math.Ceil(halfOfLow*min(is.low, before.low))
}
