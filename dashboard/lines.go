package dashboard

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// lines is something drawn over time, as one line each.
type lines struct {
	Width, Height            int
	Left, Right, Top, Bottom int
	Lines                    []drawnLine
	Rows, Columns            []tick
}

type drawnLine struct {
	Name   string
	Class  string
	Points string
}

// drawQueue draws the size of each of the MTA's queues.
func drawQueue(samples []Queue, since, until time.Time, zone *time.Location, step time.Duration) *lines {
	c := &lines{Width: chartWidth, Height: chartHeight, Left: plotLeft, Right: plotRight, Top: plotTop, Bottom: plotBottom}
	names := map[string]bool{}
	highest := 0
	for _, s := range samples {
		for name, n := range s.Size {
			names[name] = true
			highest = max(highest, n)
		}
	}
	top, stride := roundScale(float64(highest))
	span := until.Sub(since).Seconds()
	x := func(at time.Time) float64 { return plotLeft + (plotRight-plotLeft)*at.Sub(since).Seconds()/span }
	y := func(n float64) float64 { return plotBottom - (plotBottom-plotTop)*n/top }
	for i, name := range slices.Sorted(maps.Keys(names)) {
		var points []string
		for _, s := range samples {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(s.At), y(float64(s.Size[name]))))
		}
		c.Lines = append(c.Lines, drawnLine{name, fmt.Sprintf("line%d", i%lineClasses), strings.Join(points, " ")})
	}
	for n := 0.0; n <= top; n += stride {
		c.Rows = append(c.Rows, tick{y(n), count(int64(n))})
	}
	steps := make([]bar, 0, int(until.Sub(since)/step)+1)
	for at := since; at.Before(until); at = at.Add(step) {
		steps = append(steps, bar{Start: at})
	}
	c.Columns = columns(steps, float64(plotRight-plotLeft)/float64(max(len(steps), 1)), step, zone)
	return c
}

// lineClasses is how many looks of lines the style sheet has.
const lineClasses = 6
