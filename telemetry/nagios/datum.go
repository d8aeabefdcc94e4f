package nagios

import (
	"math"
	"strconv"
	"strings"
)

// Datum is one figure of the performance data.
type Datum struct {
	Label      string
	Value      float64 // NaN: not known
	Unit       Unit
	Thresholds Thresholds
	Min, Max   *float64 // nil: there is none
}

// A Unit is what a figure is counted in.
type Unit string

// The units that the guidelines know.
const (
	None     Unit = ""  // a number of things
	Seconds  Unit = "s" // a time
	Percent  Unit = "%" // a share
	Bytes    Unit = "B" // octets
	Counting Unit = "c" // a counter that only rises
)

// String returns 'label'=value[unit];[warn];[crit];[min];[max], without the semicolons
// at its end.
func (d Datum) String() string {
	fields := []string{
		label(d.Label) + "=" + value(d.Value, d.Unit),
		optional(d.Thresholds.Warning), optional(d.Thresholds.Critical),
		bound(d.Min), bound(d.Max),
	}
	return strings.TrimRight(strings.Join(fields, ";"), ";")
}

// label quotes a label. An equals sign is not allowed in one, quoted or not, and a
// control character or a bar would end the line for some of the readers.
func label(text string) string {
	text = strings.ReplaceAll(line(text), "=", "_")
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

func value(v float64, unit Unit) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "U"
	}
	return strconv.FormatFloat(v, 'f', -1, 64) + string(unit)
}

func optional(r *Range) string {
	if r == nil {
		return ""
	}
	return r.String()
}

func bound(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}
