package baseline

import (
	"slices"
	"time"
)

// shares are how much of a series is of which kind: of each part, and of the whole,
// by the day, and in the last two hours.
type shares struct {
	now, last []float64 // the hour under way and the one before it: the whole, then each part
	days      []mixDay  // the newest last
}

// mixDay is the whole and the parts of one day (UTC).
type mixDay struct {
	Day    int64
	Counts []float64
}

const mixDays = 28

func (x *series) shares(parts int) *shares {
	if x.mix == nil {
		x.mix = &shares{now: make([]float64, 1+parts), last: make([]float64, 1+parts)}
	}
	return x.mix
}

func (m *shares) add(parts []bool) {
	m.now[0]++
	for i, is := range parts {
		if is && i+1 < len(m.now) {
			m.now[i+1]++
		}
	}
}

// closeHour moves what an hour brought to its day. It is not known whether all of the
// hour was seen, and does not matter: these are shares.
func (m *shares) closeHour(hour int64) {
	if m.now[0] > 0 {
		if n := len(m.days); n == 0 || m.days[n-1].Day != hour/24 {
			m.days = append(m.days, mixDay{hour / 24, make([]float64, len(m.now))})
			m.days = m.days[max(0, len(m.days)-mixDays):]
		}
		for i, n := range m.now {
			m.days[len(m.days)-1].Counts[i] += n
		}
	}
	m.last, m.now = m.now, m.last
	clear(m.now)
}

func (m *shares) relearn() { m.days = nil }

// Bounds of a judgement about shares.
const (
	mixLeastWhole = 20.0 // of the last hours, and of a day that is to teach something
	mixLeastPart  = 10.0
	mixFactor     = 2.0 // times the highest usual share,
	mixMore       = 0.2 // and so much more than it
)

// judge compares the share of a part in the last hours with that of the days before.
func (m *shares) judge(part int, minute int64) *Deviation {
	whole, n := m.now[0]+m.last[0], m.now[part+1]+m.last[part+1]
	if whole < mixLeastWhole || n < mixLeastPart {
		return nil
	}
	var usual []float64
	today := minute / minutesPerHour / 24
	for _, d := range m.days {
		if d.Day < today && d.Counts[0] >= mixLeastWhole {
			usual = append(usual, d.Counts[part+1]/d.Counts[0])
		}
	}
	if len(usual) < leastDays {
		return nil
	}
	slices.Sort(usual)
	high := highest(usual)
	bound := max(mixFactor*high, high+mixMore)
	// At least one of the whole: that a part never was does not make it impossible.
	if n/whole < bound || above(n, max(high*whole, 1)) > sure {
		return nil
	}
	minutes := minutesPerHour + minute%minutesPerHour
	return &Deviation{Window: time.Duration(minutes) * time.Minute, Observed: n / whole,
		Low: lowest(usual), Median: median(usual), High: high, Bound: bound}
}
