package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// markdown writes the results as the tables of docs/benchmarks.md.
func (r results) markdown(w io.Writer) error {
	var b strings.Builder
	r.Machine.write(&b, r)
	for _, t := range r.Tables {
		t.write(&b)
	}
	writeCrowd(&b, r.Crowd)
	for _, f := range r.LeftOut {
		fmt.Fprintf(&b, "\nLeft out: %s (%s).\n", f.Name, f.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (m machine) write(b *strings.Builder, r results) {
	fmt.Fprintf(b, "Measured on %s: %s, %d cores, %s, %s", r.Date.Format("2006-01-02"), m.CPU, m.Cores, m.Kernel, m.Go)
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		fmt.Fprintf(b, "; %s: %s", name, m.Versions[name])
	}
	fmt.Fprintf(b, ". Medians of %d rounds, in brackets the least and the greatest.\n", r.Rounds)
}

func (t table) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n", t.Title, t.Note)
	b.WriteString("| size | connections | subject | messages/s | CPU ms/message | wait ms, median | wait ms, p99 | peak MiB | rate against it |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range t.Rows {
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s | %.1f | %s | %s |\n", sizeName(r.Point.Size), r.Point.Connections, r.Subject,
			r.spread(rate).text(), r.spread(cost).text(), r.spread(medianWait).text(), r.spread(longWait).median, whole(r.spread(peak).median), t.against(r))
	}
}

// against is the rate of our subject, the first of the table under the same load, in relation to another.
func (t table) against(other row) string {
	ours := slices.IndexFunc(t.Rows, func(r row) bool { return r.Point == other.Point && r.Subject == t.Ours })
	if ours < 0 || other.Subject == t.Ours {
		return ""
	}
	return "× " + ratios(t.Rows[ours], other).text()
}

func (s spread) text() string {
	if s.greatest == 0 {
		return "–" // not measured
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.median), number(s.least), number(s.greatest))
}

// whole writes an amount without a fraction, and none as a dash.
func whole(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", v)
}

// number writes three significant digits or more.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func writeCrowd(b *strings.Builder, all []crowd) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### Memory, %d connections, %d messages of %s under way\n\n", crowdConnections, crowdMessages, sizeName(crowdSize))
	b.WriteString("| subject | idle MiB | peak MiB | more MiB |\n|---|---|---|---|\n")
	for _, c := range all {
		fmt.Fprintf(b, "| %s | %.1f | %.1f | %.1f |\n", c.Subject, mebibytes(c.Idle), mebibytes(c.Memory.Peak), mebibytes(c.Memory.Peak-c.Idle))
	}
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
