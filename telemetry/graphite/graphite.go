// Package graphite sends figures to Graphite, in the plain text that its carbon takes:
// a name, a value and a time a line. Each time it connects anew, within bounds: what
// could not be sent is not sent later, for it would be of the past by then.
//
// Which figures there are does not live here.
package graphite

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// patience bounds one sending, from the look-up of the host to the last line.
const patience = 10 * time.Second

// Pusher sends all figures that it gathers.
type Pusher struct {
	Addr     string // host:port
	Prefix   string // of every name, without a dot at its end
	Every    time.Duration
	Gatherer prometheus.Gatherer
	Now      func() time.Time
	Log      *slog.Logger
	Sent     func(err error) // told after each sending; may be nil
}

// Run sends until the context ends, and once more then. It says in the log when it
// fails for the first time, and when it works again.
func (p *Pusher) Run(ctx context.Context) {
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			p.push(context.WithoutCancel(ctx), failing)
			return
		case <-tick.C:
			failing = p.push(ctx, failing)
		}
	}
}

// push sends, and reports whether it fails.
func (p *Pusher) push(ctx context.Context, failing bool) bool {
	ctx, cancel := context.WithTimeout(ctx, min(patience, max(p.Every, time.Second)))
	defer cancel()
	err := p.Push(ctx)
	if p.Sent != nil {
		p.Sent(err)
	}
	switch {
	case err != nil && !failing:
		p.Log.Warn("figures can't be sent to graphite; it is tried again", "address", p.Addr, "every", p.Every, "error", err)
	case err == nil && failing:
		p.Log.Info("figures are sent to graphite again", "address", p.Addr)
	}
	return err != nil
}

// Push sends all figures as they are now.
func (p *Pusher) Push(ctx context.Context) error {
	families, err := p.Gatherer.Gather()
	if err != nil {
		return fmt.Errorf("gather the figures: %w", err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	out := bufio.NewWriter(conn)
	w := &writer{out: out, prefix: p.Prefix, at: p.Now().Unix()}
	for _, f := range families {
		w.family(f)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("send the figures: %w", err)
	}
	return conn.Close()
}

// writer writes lines. Errors are those of out.
type writer struct {
	out    *bufio.Writer
	prefix string
	at     int64
}

// family writes a metric: a figure for each set of its labels, and of a histogram its
// number and sum alone, from which follows the mean.
func (w *writer) family(f *dto.MetricFamily) {
	for _, m := range f.GetMetric() {
		name := name(f.GetName(), m.GetLabel())
		switch f.GetType() {
		case dto.MetricType_COUNTER:
			w.line(name, m.GetCounter().GetValue())
		case dto.MetricType_GAUGE:
			w.line(name, m.GetGauge().GetValue())
		case dto.MetricType_HISTOGRAM:
			w.line(name+".count", float64(m.GetHistogram().GetSampleCount()))
			w.line(name+".sum", m.GetHistogram().GetSampleSum())
		case dto.MetricType_SUMMARY:
			w.line(name+".count", float64(m.GetSummary().GetSampleCount()))
			w.line(name+".sum", m.GetSummary().GetSampleSum())
		case dto.MetricType_UNTYPED:
			w.line(name, m.GetUntyped().GetValue())
		}
	}
}

func (w *writer) line(name string, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return // carbon has no way to keep it
	}
	w.out.WriteString(w.prefix)
	w.out.WriteByte('.')
	w.out.WriteString(name)
	w.out.WriteByte(' ')
	w.out.WriteString(strconv.FormatFloat(value, 'f', -1, 64))
	w.out.WriteByte(' ')
	w.out.WriteString(strconv.FormatInt(w.at, 10))
	w.out.WriteByte('\n')
}

// name is the path of a figure: that of the metric without "pratique_", and the values
// of its labels, in the order of their names.
func name(metric string, labels []*dto.LabelPair) string {
	parts := []string{strings.TrimPrefix(metric, "pratique_")}
	for _, l := range labels {
		parts = append(parts, Part(l.GetValue()))
	}
	return strings.Join(parts, ".")
}

// Part makes a text one part of a path: dots part them, and carbon makes files of the names.
func Part(text string) string {
	if text == "" {
		return "none"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, text)
}
