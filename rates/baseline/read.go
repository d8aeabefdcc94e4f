package baseline

import (
	"cmp"
	"slices"
	"time"
)

// Band is an hour of a series, beside what is usual in it.
type Band struct {
	At     time.Time `json:"at"`    // its beginning
	Known  bool      `json:"known"` // whether it was seen; the hour under way is not over
	Count  float64   `json:"count"`
	Usual  bool      `json:"usual"` // whether the rest is known
	Low    float64   `json:"low"`
	Median float64   `json:"median"`
	High   float64   `json:"high"`
}

// Bands returns the hours of a series from one time to another, at most six weeks
// back; hours to come have what is usual alone. Nothing is known of a series that
// the set has not.
func (s *Set) Bands(kind, key string, from, to time.Time) []Band {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table(kind)
	if t == nil || t.series[key] == nil {
		return nil
	}
	x := t.series[key]
	refs := s.refs
	defer func() { s.refs = refs }()
	first := max(from.Unix()/3600, s.minute/minutesPerHour-hoursKept)
	var all []Band
	for h := first; h*3600 < to.Unix() && len(all) < 2*hoursKept; h++ {
		all = append(all, s.band(t, x, h))
	}
	return all
}

func (s *Set) band(t *table, x *series, hour int64) Band {
	s.refs.hour = -1
	s.referTo(hour)
	b := Band{At: time.Unix(hour*3600, 0).In(s.zone), Known: s.known(hour) && hour >= x.born, Count: x.at(hour).count.value()}
	if hour == s.minute/minutesPerHour {
		b.Count, _ = s.lastMinutes(x, s.minute%minutesPerHour)
		b.Count += float64(x.now)
	}
	like := s.like(x, hour)
	if len(like) > 0 {
		b.Usual, b.Low, b.Median, b.High = true, lowest(like), median(like), highest(like)
	}
	if t.Gauge {
		for _, f := range []*float64{&b.Count, &b.Low, &b.Median, &b.High} {
			*f /= minutesPerHour
		}
	}
	return b
}

// like are the counts at the same hour of the week, or, while too few weeks are
// known, of days like this one, or of all hours before.
func (s *Set) like(x *series, hour int64) []float64 {
	for _, lags := range [][]int64{s.refs.weekly, s.refs.daily} {
		var all []float64
		for _, lag := range lags {
			if h := hour - lag; s.known(h) && h >= x.born {
				all = append(all, x.at(h).count.value())
			}
		}
		if len(all) >= leastDays {
			slices.Sort(all)
			return all
		}
	}
	var all []float64
	for h := max(x.born, hour-7*24); h < hour; h++ {
		if s.known(h) {
			all = append(all, x.at(h).count.value())
		}
	}
	slices.Sort(all)
	if len(all) < learningHours {
		return nil
	}
	return all
}

// Key is a series and how much came in it.
type Key struct {
	Key  string  `json:"key"`
	Last float64 `json:"last"` // in the last 24 hours that are over
}

// Keys returns the series of a kind, the busiest first.
func (s *Set) Keys(kind string) []Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table(kind)
	if t == nil {
		return nil
	}
	all := make([]Key, 0, len(t.series))
	now := s.minute / minutesPerHour
	for key, x := range t.series {
		k := Key{Key: key}
		for h := now - 24; h < now; h++ {
			k.Last += x.at(h).count.value()
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Key) int { return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(a.Key, b.Key)) })
	return all
}
