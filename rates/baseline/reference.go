package baseline

import (
	"slices"
	"time"
)

// references are the hours that an hour is held against, each by how many hours it
// lies back. They are the same for all series.
type references struct {
	hour    int64
	weekday time.Weekday
	ofDay   int64   // the hour of the day
	weekly  []int64 // the same hour of the same day of the week
	daily   []int64 // the same hour of days like it: Monday to Friday, or the weekend; weekly among them
	sundays []int64 // the same hour of Sundays
}

// mostDaily bounds how many days like this one are looked at: four weeks.
const mostDaily = 20

// referTo finds the references of an hour by the calendar of the zone, so that the
// same hour is the same on the clock, also where clocks were changed meanwhile.
func (s *Set) referTo(hour int64) {
	if s.refs.hour != hour {
		s.refs = s.referencesOf(hour)
	}
}

func (s *Set) referencesOf(hour int64) references {
	at := s.local(hour)
	year, month, date := at.Date()
	r := references{hour: hour, weekday: at.Weekday(), ofDay: int64(at.Hour())}
	for back := 1; back <= 7*weeksKept; back++ {
		then := time.Date(year, month, date-back, at.Hour(), at.Minute(), 0, 0, s.zone)
		lag := hour - then.Unix()/3600
		if back%7 == 0 {
			r.weekly = append(r.weekly, lag)
		}
		if weekend(then.Weekday()) == weekend(at.Weekday()) && len(r.daily) < mostDaily {
			r.daily = append(r.daily, lag)
		}
		if then.Weekday() == time.Sunday {
			r.sundays = append(r.sundays, lag)
		}
	}
	return r
}

// local is the middle of an hour, where it is told: zones may be off by half an hour.
func (s *Set) local(hour int64) time.Time { return time.Unix(hour*3600+1800, 0).In(s.zone) }

func weekend(d time.Weekday) bool { return d == time.Saturday || d == time.Sunday }

// sum adds the counts of the hours up to and with one, of which those that are over
// and not known are left out; ok is false if one of the others was not known then, or
// there are no others.
func (s *Set) sum(x *series, hour, length, lag int64) (sum float64, ok bool) {
	for h := hour - length + 1; h <= hour; h++ {
		if h < s.minute/minutesPerHour && !s.known(h) {
			continue
		}
		if !s.known(h-lag) || h-lag < x.born {
			return 0, false
		}
		sum, ok = sum+x.at(h-lag).count.value(), true
	}
	return sum, ok
}

// samples are the sums at the references, sorted.
func (s *Set) samples(x *series, hour, length int64, lags []int64) []float64 {
	all := make([]float64, 0, len(lags))
	for _, lag := range lags {
		if sum, ok := s.sum(x, hour, length, lag); ok {
			all = append(all, sum)
		}
	}
	slices.Sort(all)
	return all
}

// around are the counts, or the peaks, of the references of an hour and of the hours
// beside them, sorted: what comes an hour early or late is usual too.
func (s *Set) around(x *series, hour int64, lags []int64, of func(cell) short) []float64 {
	all := make([]float64, 0, 3*len(lags))
	for _, lag := range lags {
		for beside := int64(-1); beside <= 1; beside++ {
			h := hour - lag + beside
			if s.known(h) && h >= x.born {
				all = append(all, of(x.at(h)).value())
			}
		}
	}
	slices.Sort(all)
	return all
}
