package baseline

import "math/bits"

// series is what is known of one key.
type series struct {
	now     float32                 // in the minute under way
	minutes [minutesPerHour]float32 // of the last hour, by the minute of the hour
	days    [daysKept]*day          // by the day, which begins at midnight UTC; nil: nothing came
	mix     *shares                 // nil: never told
	born    int64                   // the hour of the first count that is worth anything
	used    int64                   // the hour of the last count
	active  uint16                  // hours in which something came
	fine    int64                   // the hour in which the last drop was over; 0: there was none
}

// day is what came in the hours of one day.
type day struct {
	day   int64
	hours [24]cell
}

// cell is an hour: its count, and the most in ten minutes in a row.
type cell struct{ count, peak short }

// peakMinutes is the length of the window in which fast spikes are seen.
const peakMinutes = 10

// closeHour keeps the hour that is over. If a part of it was not seen, the rest
// stands for the whole; if too much was not, the hour is not known at all.
func (x *series) closeHour(hour int64, seen uint8, gauge bool) {
	if x.mix != nil {
		x.mix.closeHour(hour)
	}
	var sum, peak, window float64
	for i, n := range x.minutes {
		sum += float64(n)
		window += float64(n)
		if i >= peakMinutes {
			window -= float64(x.minutes[i-peakMinutes])
		}
		peak = max(peak, window)
	}
	d := x.days[hour/24%daysKept]
	here := d != nil && d.day == hour/24
	if here {
		d.hours[hour%24] = cell{} // of a clock that was put back
	}
	if sum == 0 || seen < leastCovered {
		return
	}
	x.used = hour
	if x.active < ^uint16(0) {
		x.active++
	}
	if !gauge { // a level that was not told is not a level of zero
		sum *= minutesPerHour / float64(seen)
	}
	if !here {
		d = &day{day: hour / 24}
		x.days[hour/24%daysKept] = d
	}
	d.hours[hour%24] = cell{shorten(sum), shorten(peak)}
}

func (x *series) at(hour int64) cell {
	if d := x.days[hour/24%daysKept]; d != nil && d.day == hour/24 {
		return d.hours[hour%24]
	}
	return cell{}
}

// relearn forgets what was usual before an hour.
func (x *series) relearn(hour int64) { x.born = hour }

// short is a count in two octets: exact up to 2,047, and beyond to a part in a thousand.
type short uint16

const mantissaBits = 11

func shorten(n float64) short {
	if !(n > 0) { // not even a number
		return 0
	}
	v := uint64(min(n, 1<<41) + 0.5)
	shift := max(0, bits.Len64(v)-mantissaBits)
	return short(uint16(shift)<<mantissaBits | uint16(v>>shift))
}

func (s short) value() float64 {
	return float64(uint64(s&(1<<mantissaBits-1)) << (s >> mantissaBits))
}
