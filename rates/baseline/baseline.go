// Package baseline learns how much is usual at an hour of the week, for any number
// of series, and says when one is far above or below that, or is made up of other
// things than before. What is counted, and what is done about a deviation, is for
// those who feed it and ask it; it knows neither limits nor alerts.
//
// A series is the hourly counts of six weeks, and the highest ten minutes of each
// hour. What is usual at an hour are the counts at the same hour of the same day of
// the week, and of the days like it; of these the extremes are left out, so that one
// bad day teaches nothing. docs/alerts.md has the rules, and how they do on traces.
package baseline

import (
	"sync"
	"time"
)

// Kind is a kind of series, such as one for each client.
type Kind struct {
	Name  string
	Max   int     // series that are kept; of more the least used are forgotten
	Least float64 // what is below that, in ten minutes or an hour, is no spike
	Drops bool    // whether too little is worth telling
	Gauge bool    // it is a level, told once a minute, and not a count
}

// Rules are what may be set about the judgement.
type Rules struct {
	SpikeFactor float64 // how many times the highest usual count is a spike
}

// Bounds of what is kept.
const (
	weeksKept = 6
	daysKept  = 7*weeksKept + 1
	hoursKept = 24 * daysKept
)

const (
	minutesPerHour = 60
	leastCovered   = 50 // minutes of an hour that must have been seen for it to count
)

// Set is the series of some kinds. It is safe for concurrent use.
type Set struct {
	zone  *time.Location
	rules Rules
	parts []string // the names of the parts that shares are kept of

	mu      sync.Mutex
	tables  []*table
	minute  int64 // the minute under way, since 1970; 0: nothing was seen yet
	seen    [minutesPerHour]bool
	covered [hoursKept]cover
	calm    int64 // the minute from which on spikes are judged again
	refs    references
	open    map[openKey]*Deviation
}

// cover is how much of an hour was seen.
type cover struct {
	hour    int64
	minutes uint8
}

// table is the series of a kind.
type table struct {
	Kind
	series map[string]*series
}

// New returns an empty set. The zone is where hours of the week are told; parts name
// what Share tells.
func New(kinds []Kind, parts []string, rules Rules, zone *time.Location) *Set {
	s := &Set{zone: zone, rules: rules, parts: parts, open: map[openKey]*Deviation{}, refs: references{hour: -1}}
	for _, k := range kinds {
		s.tables = append(s.tables, &table{Kind: k, series: map[string]*series{}})
	}
	return s
}

func (s *Set) table(kind string) *table {
	for _, t := range s.tables {
		if t.Name == kind {
			return t
		}
	}
	return nil
}

// Observe counts n for a series, or, if it is a gauge, tells its level. It does not
// wait. A kind that the set has not is left out.
func (s *Set) Observe(kind, key string, at time.Time, n float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.find(kind, key, at); x != nil {
		x.now += float32(n)
	}
}

// Share counts one for the whole of a series, and one for those of its parts that are true.
func (s *Set) Share(kind, key string, at time.Time, parts ...bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.find(kind, key, at); x != nil {
		x.shares(len(s.parts)).add(parts)
	}
}

// find returns a series, which is begun if there is none.
func (s *Set) find(kind, key string, at time.Time) *series {
	t := s.table(kind)
	if t == nil {
		return nil
	}
	if s.minute == 0 {
		s.minute = at.Unix() / 60
	}
	x := t.series[key]
	if x == nil {
		if len(t.series) >= t.Max {
			t.forget()
		}
		x = &series{born: s.minute / minutesPerHour}
		t.series[key] = x
	}
	return x
}

// forgetAmong is how many series are looked at to find one that is little used.
const forgetAmong = 8

// forget drops the series that was used in the fewest hours, of some that a map
// happens to give first: newcomers drive out each other, not what is well known.
func (t *table) forget() {
	var worst string
	var least *series
	looked := 0
	for key, x := range t.series {
		if least == nil || x.active < least.active || x.active == least.active && x.used < least.used {
			worst, least = key, x
		}
		if looked++; looked >= forgetAmong {
			break
		}
	}
	delete(t.series, worst)
}

// longestStep is how many minutes may pass between two calls of Evaluate for the
// time between them to count as seen.
const longestStep = 3

// longestStill is by how many minutes the clock may be put back without more than
// standing still: beyond that the time that was is taken for a mistake.
const longestStill = 2

// advance closes the minutes, and hours, that are over.
func (s *Set) advance(now time.Time) {
	m := now.Unix() / 60
	passed := m - s.minute
	switch {
	case s.minute == 0 || passed < -longestStill || passed > longestStep:
		s.jump(m)
		// Those who waited come all at once now; it is not judged as a spike.
		s.calm = m + min(max(passed, 10), minutesPerHour)
	case passed <= 0:
	default:
		for range passed {
			s.closeMinute()
		}
	}
}

// jump goes on at another minute. What is between was not seen, and what seems to
// come later was a mistake of the clock.
func (s *Set) jump(m int64) {
	s.minute = m
	s.seen = [minutesPerHour]bool{}
	for i := range s.covered {
		if s.covered[i].hour >= m/minutesPerHour {
			s.covered[i] = cover{}
		}
	}
	for _, t := range s.tables {
		for _, x := range t.series {
			x.minutes, x.now = [minutesPerHour]float32{}, 0
			x.born = min(x.born, m/minutesPerHour)
		}
	}
}

func (s *Set) closeMinute() {
	i := s.minute % minutesPerHour
	s.seen[i] = true
	for _, t := range s.tables {
		for _, x := range t.series {
			x.minutes[i], x.now = x.now, 0
		}
	}
	s.minute++
	if s.minute%minutesPerHour == 0 {
		s.closeHour(s.minute/minutesPerHour - 1)
	}
}

func (s *Set) closeHour(hour int64) {
	var minutes uint8
	for i, seen := range s.seen {
		if seen {
			minutes++
		}
		s.seen[i] = false
	}
	s.covered[hour%hoursKept] = cover{hour, minutes}
	for _, t := range s.tables {
		for _, x := range t.series {
			x.closeHour(hour, minutes, t.Gauge)
		}
	}
}

// known reports whether enough of an hour was seen.
func (s *Set) known(hour int64) bool {
	c := s.covered[hour%hoursKept]
	return hour > 0 && c.hour == hour && c.minutes >= leastCovered
}

// lastMinutes sums the last n minutes of a series that are over; all is false if
// some of them were not seen.
func (s *Set) lastMinutes(x *series, n int64) (sum float64, all bool) {
	for i := s.minute - n; i < s.minute; i++ {
		sum += float64(x.minutes[i%minutesPerHour])
	}
	return sum, s.sawLast(n)
}

// sawLast reports whether the last n minutes were seen. The marks of an hour are
// gone once it is closed, and its coverage stands for them.
func (s *Set) sawLast(n int64) bool {
	for i := s.minute - n; i < s.minute; i++ {
		if i/minutesPerHour == s.minute/minutesPerHour {
			if !s.seen[i%minutesPerHour] {
				return false
			}
		} else if !s.known(i / minutesPerHour) {
			return false
		}
	}
	return true
}
