package rates

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// The marks of a bar, from nothing to the most.
var (
	unicodeBars = []rune("·▁▂▃▄▅▆▇█")
	asciiBars   = []rune("_.:-=+*%#")
)

// bars draws one mark for each figure, the largest one as the highest.
func bars(figures []int64, ascii bool) string {
	marks := unicodeBars
	if ascii {
		marks = asciiBars
	}
	most := slices.Max(figures)
	drawn := make([]rune, len(figures))
	for i, n := range figures {
		step := 0.
		if n > 0 { // rounded up: what is there can be seen
			step = math.Ceil(float64(len(marks)-1) * float64(n) / float64(most))
		}
		drawn[i] = marks[int(step)]
	}
	return string(drawn)
}

// Write writes the report as a table for each kind, with the recipients of the last
// 24 hours drawn by the hour; ascii leaves out what a plain terminal can't show.
func (r Report) Write(w io.Writer, ascii bool) error {
	out := &strings.Builder{}
	if len(r.Rows) == 0 {
		fmt.Fprintln(out, "nothing was sent or refused in the last 24 hours")
	}
	for rows := r.Rows; len(rows) > 0; {
		n := 1
		for n < len(rows) && rows[n].Kind == rows[0].Kind {
			n++
		}
		r.writeKind(out, rows[:n], ascii)
		rows = rows[n:]
	}
	r.writeNear(out)
	r.writeBlocks(out)
	if !r.Saved.IsZero() {
		fmt.Fprintf(out, "latest mail: %s\n", r.Saved.Format(time.DateTime+" MST"))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// titles are those of the columns of figures.
const titles = "messages 1h\t24h\trecipients 1h\t24h\tnew 24h\tbytes 24h\trefused 24h\ttempfailed 24h\t"

func (r Report) writeKind(w io.Writer, rows []Row, ascii bool) {
	figures := &strings.Builder{}
	table := tabwriter.NewWriter(figures, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, titles)
	names := []string{"per " + rows[0].Kind}
	width := len(names[0])
	for _, row := range rows {
		h, d := row.Hour, row.Day
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%s\t%s\t%d\t%d\t\n", h.Messages, d.Messages, h.Recipients, d.Recipients,
			newRecipients(row), octets(d.Bytes), d.Refused, d.Tempfailed)
		name := Printable(row.Key)
		names = append(names, name)
		width = min(max(width, len([]rune(name))), 48)
	}
	table.Flush() // to memory
	for i, line := range strings.Split(strings.TrimSuffix(figures.String(), "\n"), "\n") {
		drawn, limit := "recipients by the hour", ""
		if i > 0 {
			drawn = bars(rows[i-1].Hourly.Recipients[:], ascii)
			if full := rows[i-1].Fullest; full != nil {
				limit = fmt.Sprintf("  %.0f %% of %d %s", 100*full.Share, full.Max, full.Limit)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-*s%s  %-24s%s", width, names[i], line, drawn, limit), " "))
	}
	if n := r.LeftOut[rows[0].Kind]; n > 0 {
		fmt.Fprintf(w, "and %d more\n", n)
	}
	fmt.Fprintln(w)
}

// newRecipients is "-" where they may not be counted.
func newRecipients(row Row) string {
	n := row.Day.NewRecipients
	switch Kind(index(kindNames[:], row.Kind)) {
	case PerLogin, PerSender, PerTotal:
	default:
		if n == 0 {
			return "-"
		}
	}
	return strconv.FormatInt(n, 10)
}

// shownNear bounds the limits that are shown as near.
const shownNear = 50

func (r Report) writeNear(w io.Writer) {
	if len(r.Near) == 0 {
		return
	}
	fmt.Fprintln(w, "near their limits, or over them:")
	for _, v := range r.Near[:min(len(r.Near), shownNear)] {
		fmt.Fprintf(w, "  %3.0f %%  %s %s: %d of %d %s in %s, then %s", 100*v.Share, v.Kind, Printable(v.Key), v.Used, v.Max,
			strings.ReplaceAll(v.Count, "_", " "), span(v.Every), v.Then)
		if v.Frees > 0 {
			fmt.Fprintf(w, "; more room in %s", wait(v.Frees))
		}
		fmt.Fprintln(w)
	}
	if n := len(r.Near) - shownNear; n > 0 {
		fmt.Fprintf(w, "  and %d more\n", n)
	}
	fmt.Fprintln(w)
}

func (r Report) writeBlocks(w io.Writer) {
	if len(r.Blocks) == 0 {
		return
	}
	fmt.Fprintln(w, "blocked:")
	for _, b := range r.Blocks {
		fmt.Fprintf(w, "  %s since %s by %s, %d refused", b.Name(), minute(b.At), Printable(b.By), b.Refused)
		if b.Reason != "" {
			fmt.Fprintf(w, ": %s", Printable(b.Reason))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}
