package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"pratique/lint"
)

// Text writes reports for people.
type Text struct {
	pen
	names map[string]string // of the rules
}

// NewText returns a Text. Colour is for terminals.
func NewText(out io.Writer, rules []lint.Rule, colour bool) *Text {
	return &Text{pen{out, colour}, names(rules)}
}

// Close has nothing left to write.
func (t *Text) Close() error { return nil }

// maxShown is the most of a line that is shown, in characters.
const maxShown = 100

// Letter writes what was found in a message: a line with its name and what would
// become of it, then each finding with the line that it means.
func (t *Text) Letter(l *Letter) error {
	var b strings.Builder
	action := l.Action()
	fmt.Fprintf(&b, "%s: %s\n", visible(l.Name), t.paint(lint.Action(action), action))
	for _, f := range l.Findings {
		detail := ""
		if f.Detail != "" {
			detail = ": " + f.Detail
		}
		action := t.paint(lint.Action(f.Action), fmt.Sprintf("%-7s", f.Action))
		fmt.Fprintf(&b, "  %s %s %s, at %s%s\n", action, t.bold(f.Rule), t.names[f.Rule], f.Where, detail)
		t.snippet(&b, l, l.Locate(f), lint.Action(f.Action))
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// snippet writes a line of the source with the place underlined.
func (t *Text) snippet(b *strings.Builder, l *Letter, p Place, action lint.Action) {
	if p.Length == 0 {
		return
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(l.lines[p.Line-l.FirstLine]), "\n"), "\r")
	if line == "" {
		return
	}
	from, to := window(line, p)
	before, meant, after := visible(line[from:p.Column-1]), visible(line[p.Column-1:max(to, p.Column-1)]), ""
	end := min(len(line), from+maxShown)
	if to < end {
		after = visible(line[to:end])
	}
	lead, trail := "", ""
	if from > 0 {
		lead = "…"
	}
	if max(to, end) < len(line) {
		trail = "…"
	}
	number := strconv.Itoa(p.Line)
	fmt.Fprintf(b, "    %8s │ %s%s%s%s%s\n", number, lead, before, meant, after, trail)
	under := strings.Repeat(" ", width(lead+before)) + t.paint(action, strings.Repeat("^", max(width(meant), 1)))
	fmt.Fprintf(b, "    %8s │ %s\n", "", under)
}

// window returns the part of a line that is shown, and where the underlined part ends in it.
func window(line string, p Place) (from, to int) {
	const before = maxShown / 3
	if p.Column-1+p.Length > maxShown {
		from = max(0, p.Column-1-before)
	}
	to = min(p.Column-1+p.Length, from+maxShown, len(line))
	for from > 0 && !utf8.RuneStart(line[from]) {
		from--
	}
	for to < len(line) && to > p.Column && !utf8.RuneStart(line[to]) {
		to--
	}
	return from, to
}

// visible returns text with everything escaped that a terminal might obey or hide:
// messages are written by strangers.
func visible(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsGraphic(r) && !unicode.Is(unicode.Mn, r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// width returns how many cells visible text takes: wide East Asian characters take two.
func width(text string) int {
	n := 0
	for _, r := range text {
		n++
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || 0xff01 <= r && r <= 0xff60 || 0x1f300 <= r && r <= 0x1faff {
			n++
		}
	}
	return n
}
