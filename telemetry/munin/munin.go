// Package munin draws figures of /metrics as a plugin of munin-node: several graphs in
// one plugin (multigraph), each with its configuration and its values.
//
// Which figures there are does not live here, nor how they are asked for.
package munin

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Figures are metrics by name.
type Figures map[string]*dto.MetricFamily

// Read reads what /metrics answers.
func Read(r io.Reader) (Figures, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	return families, nil
}

// graph is one graph. Its fields are those that stand there, and one for each value
// that a label has.
type graph struct {
	name, title, vertical string
	options               []string // more lines of the configuration
	fields                []field
	each                  *each
}

// field is one line of a graph.
type field struct {
	name, label string
	metric      string
	value       func(*dto.MetricFamily) float64
	derive      bool     // the value only rises: what is drawn is its growth
	options     []string // such as "draw AREASTACK", "warning 0:0"
}

// each stands for a field for every value of a label.
type each struct {
	metric, label string
	skip          string // a value that is not drawn
	options       []string
}

// WriteConfig writes the configuration of all graphs that there are figures for.
func (f Figures) WriteConfig(w io.Writer) error {
	return f.write(w, func(b *strings.Builder, g *graph, fields []field) {
		fmt.Fprintf(b, "graph_title %s\ngraph_vlabel %s\ngraph_category mail\n", g.title, g.vertical)
		for _, o := range g.options {
			fmt.Fprintln(b, o)
		}
		for _, d := range fields {
			fmt.Fprintf(b, "%s.label %s\n", d.name, d.label)
			if d.derive {
				fmt.Fprintf(b, "%s.type DERIVE\n%s.min 0\n", d.name, d.name)
			}
			for _, o := range d.options {
				fmt.Fprintf(b, "%s.%s\n", d.name, o)
			}
		}
	})
}

// WriteValues writes their values.
func (f Figures) WriteValues(w io.Writer) error {
	return f.write(w, func(b *strings.Builder, _ *graph, fields []field) {
		for _, d := range fields {
			fmt.Fprintf(b, "%s.value %s\n", d.name, text(d.value(f[d.metric]), d.derive))
		}
	})
}

func (f Figures) write(w io.Writer, each func(*strings.Builder, *graph, []field)) error {
	var b strings.Builder
	for _, g := range graphs() {
		fields := f.fields(&g)
		if len(fields) == 0 {
			continue
		}
		fmt.Fprintf(&b, "multigraph %s\n", g.name)
		each(&b, &g, fields)
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fields returns the fields of a graph that there are figures for.
func (f Figures) fields(g *graph) []field {
	var all []field
	for _, d := range g.fields {
		if f[d.metric] != nil {
			all = append(all, d)
		}
	}
	if g.each != nil && f[g.each.metric] != nil {
		all = append(all, g.each.fields(f[g.each.metric])...)
	}
	return all
}

func (e *each) fields(family *dto.MetricFamily) []field {
	var all []field
	for _, m := range family.GetMetric() {
		value := label(m, e.label)
		name := fieldName(value)
		if value == e.skip || slices.ContainsFunc(all, func(d field) bool { return d.name == name }) {
			continue
		}
		all = append(all, field{name: name, label: strings.ReplaceAll(value, "#", ""), metric: e.metric,
			value: sumOf(e.label, value), derive: true, options: e.options})
	}
	return all
}

// fieldName makes a text fit for the name of a field: a letter or underscore, then
// those and digits.
func fieldName(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, text)
	if name == "" || name[0] >= '0' && name[0] <= '9' || name == "root" { // munin has a use for "root"
		return "_" + name
	}
	return name
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// sumOf adds up the metrics whose label has a value; name "": all of them.
func sumOf(name, value string) func(*dto.MetricFamily) float64 {
	return func(f *dto.MetricFamily) float64 {
		var sum float64
		for _, m := range f.GetMetric() {
			if name == "" || label(m, name) == value {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
			}
		}
		return sum
	}
}

func count(f *dto.MetricFamily) float64 {
	return float64(f.GetMetric()[0].GetHistogram().GetSampleCount())
}

// milliseconds are whole ones: rrdtool takes no others where growth is drawn.
func milliseconds(f *dto.MetricFamily) float64 {
	return f.GetMetric()[0].GetHistogram().GetSampleSum() * 1000
}

func text(v float64, whole bool) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "U"
	}
	if whole {
		v = math.Floor(v)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
