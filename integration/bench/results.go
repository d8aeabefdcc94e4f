package main

import (
	"slices"
	"time"
)

// results are all that a run of the benchmarks found out.
type results struct {
	Machine machine    `json:"machine"`
	Rounds  int        `json:"rounds"`
	Tables  []table    `json:"tables"`
	Crowd   []crowd    `json:"crowd"`
	LeftOut []omission `json:"left_out"`
	Date    time.Time  `json:"date"`
}

// table is one experiment.
type table struct {
	Title string `json:"title"`
	Note  string `json:"note"`
	Ours  string `json:"ours"` // the subject that the others are compared to
	Rows  []row  `json:"rows"`
}

// row is one subject under one load, a sample for each round.
type row struct {
	Subject string   `json:"subject"`
	Point   point    `json:"point"`
	Samples []sample `json:"samples"`
}

// crowd is the memory of a subject at rest and under many large messages.
type crowd struct {
	Subject string `json:"subject"`
	Idle    int64  `json:"idle"`
	Memory  memory `json:"memory"`
}

// spread is the median of the rounds, with the least and the greatest value.
type spread struct{ median, least, greatest float64 }

func (r row) spread(value func(sample) float64) spread {
	var values []float64
	for _, s := range r.Samples {
		values = append(values, value(s))
	}
	return spread{quantile(values, 0.5), slices.Min(values), slices.Max(values)}
}

// rate is messages a second.
func rate(s sample) float64 { return float64(s.Messages) / s.Elapsed.Seconds() }

// cost is CPU milliseconds a message.
func cost(s sample) float64 { return milliseconds(s.CPU) / float64(s.Messages) }

// loadCost is what the load itself takes of the same cores.
func loadCost(s sample) float64 { return milliseconds(s.Load) / float64(s.Messages) }

func medianWait(s sample) float64 { return milliseconds(s.Median) }
func longWait(s sample) float64   { return milliseconds(s.P99) }
func peak(s sample) float64       { return float64(s.Memory.Peak) / (1 << 20) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ratios compares the rates of two subjects under the same load, round by round.
func ratios(of, to row) spread {
	var values []float64
	for i := range of.Samples {
		values = append(values, rate(of.Samples[i])/rate(to.Samples[i]))
	}
	return spread{quantile(values, 0.5), slices.Min(values), slices.Max(values)}
}
