package dashboard

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"
)

// The drawing, in its own units; the style sheet makes it as wide as there is room.
const (
	chartWidth  = 960
	chartHeight = 240
	plotLeft    = 56
	plotTop     = 12
	plotBottom  = chartHeight - 28
	plotRight   = chartWidth - 8
)

// chart is the traffic, drawn.
type chart struct {
	Width, Height int
	Bars          []drawnBar
	Band, Median  string // points of the polygon and the line of what is usual; "": it is not known
	Rows          []tick // of the axis of counts
	Columns       []tick // of the axis of time
	Left, Right   int
	Top, Bottom   int
}

// drawnBar is one bar: its parts from below, and where it leads.
type drawnBar struct {
	X, Width float64
	Parts    []drawnPart
	Title    string
	Link     string
}

type drawnPart struct {
	Class     string
	Y, Height float64
}

// tick is a mark on an axis.
type tick struct {
	At    float64
	Label string
}

// draw lays out bars and what is usual in their time.
func draw(list []bar, usual []Band, step time.Duration, zone *time.Location) *chart {
	c := &chart{Width: chartWidth, Height: chartHeight, Left: plotLeft, Right: plotRight, Top: plotTop, Bottom: plotBottom}
	if len(list) == 0 {
		return c
	}
	highest := 0.0
	for _, b := range list {
		highest = max(highest, float64(b.total()))
	}
	band := bandFor(list, usual, step)
	for _, b := range band {
		highest = max(highest, b.High)
	}
	top, stride := roundScale(highest)
	y := func(n float64) float64 { return plotBottom - (plotBottom-plotTop)*n/top }
	width := float64(plotRight-plotLeft) / float64(len(list))
	for i, b := range list {
		c.Bars = append(c.Bars, drawBar(b, plotLeft+float64(i)*width, width, y, zone))
	}
	c.Band, c.Median = outline(band, width, y)
	for n := 0.0; n <= top; n += stride {
		c.Rows = append(c.Rows, tick{y(n), count(int64(n))})
	}
	c.Columns = columns(list, width, step, zone)
	return c
}

func drawBar(b bar, x, width float64, y func(float64) float64, zone *time.Location) drawnBar {
	const gap = 0.15 // of the width, between bars
	d := drawnBar{X: x + width*gap/2, Width: width * (1 - gap), Link: messagesLink(between(b.Start, b.End)),
		Title: fmt.Sprintf("%s to %s: %s accepted, %s held, %s refused, %s tempfailed", b.Start.In(zone).Format("Mon 2 Jan 15:04"),
			b.End.In(zone).Format("15:04"), count(b.Accepted), count(b.Held), count(b.Refused), count(b.Tempfailed))}
	below := 0.0
	for _, part := range []struct {
		class string
		n     int64
	}{{"accepted", b.Accepted}, {"held", b.Held}, {"tempfailed", b.Tempfailed}, {"refused", b.Refused}} {
		if part.n == 0 {
			continue
		}
		from, to := y(below), y(below+float64(part.n))
		d.Parts = append(d.Parts, drawnPart{part.class, to, max(from-to, 1)})
		below += float64(part.n)
	}
	return d
}

// bandFor returns what is usual for each bar: hours are divided or added up.
func bandFor(list []bar, usual []Band, step time.Duration) []Band {
	byHour := make(map[int64]Band, len(usual))
	for _, b := range usual {
		byHour[b.At.Unix()/3600] = b
	}
	var band []Band
	for _, b := range list {
		sum, known := Band{At: b.Start}, true
		share := min(1, step.Hours()) // of an hour that a bar has
		for at := b.Start; at.Before(b.End); at = at.Add(time.Hour) {
			hour, ok := byHour[at.Unix()/3600]
			known = known && ok
			sum.Low += share * hour.Low
			sum.Median += share * hour.Median
			sum.High += share * hour.High
		}
		if !known {
			return nil // of half a band nothing can be read
		}
		band = append(band, sum)
	}
	return band
}

// outline draws a band through the middles of the bars.
func outline(band []Band, width float64, y func(float64) float64) (polygon, line string) {
	if len(band) == 0 {
		return "", ""
	}
	var upper, lower, middle []string
	for i, b := range band {
		x := plotLeft + (float64(i)+0.5)*width
		upper = append(upper, fmt.Sprintf("%.1f,%.1f", x, y(b.High)))
		lower = append([]string{fmt.Sprintf("%.1f,%.1f", x, y(b.Low))}, lower...)
		middle = append(middle, fmt.Sprintf("%.1f,%.1f", x, y(b.Median)))
	}
	return strings.Join(append(upper, lower...), " "), strings.Join(middle, " ")
}

// roundScale returns the top of the axis and the distance of its marks, in round numbers.
func roundScale(highest float64) (top, stride float64) {
	const marks = 4
	raw := max(highest, marks) / marks
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if stride = m * unit; stride >= raw && stride == math.Floor(stride) {
			break
		}
	}
	return stride * math.Ceil(max(highest, 1)/stride), stride
}

// columns marks hours of a day, or the days of a week.
func columns(list []bar, width float64, step time.Duration, zone *time.Location) []tick {
	var ticks []tick
	for i, b := range list {
		at := b.Start.In(zone)
		x := plotLeft + float64(i)*width
		switch {
		case step < time.Hour && at.Minute() == 0 && at.Hour()%3 == 0:
			ticks = append(ticks, tick{x, at.Format("15:04")})
		case step >= time.Hour && at.Hour() < int(step.Hours()):
			ticks = append(ticks, tick{x, at.Format("Mon 2 Jan")})
		}
	}
	return ticks
}

// withRange returns the address of the overview over another span.
func withRange(s span) string { return "/?" + url.Values{"range": {s.Name}}.Encode() }
