package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"pratique/lint"
)

// Tree writes the structure of messages, an entity a line, with the rules that
// found something at it.
type Tree struct{ pen }

// NewTree returns a Tree. Colour is for terminals.
func NewTree(out io.Writer, colour bool) *Tree { return &Tree{pen{out, colour}} }

// Close has nothing left to write.
func (t *Tree) Close() error { return nil }

// Letter writes the structure of a message.
func (t *Tree) Letter(l *Letter) error {
	l.split()
	entities := l.Outline()
	branches := branches(entities)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", visible(l.Name))
	for i, e := range entities {
		fmt.Fprintf(&b, "%s%s%s\n", branches[i], t.describe(e, l), t.at(l, e))
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// describe says what an entity is: its path, type and size as it is stored.
func (t *Tree) describe(e lint.Entity, l *Letter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", t.faint(e.Path), t.bold(visible(e.Type)))
	for _, s := range []string{e.Charset, e.Encoding, e.Disposition} {
		if s != "" {
			b.WriteString(" " + visible(s))
		}
	}
	if e.FileName != "" {
		b.WriteString(" " + strconv.Quote(e.FileName))
	}
	first := min(l.body+e.First-1, len(l.lines))
	last := min(l.body+e.Last, len(l.lines))
	octets := 0
	for _, line := range l.lines[first:max(first, last)] {
		octets += len(line)
	}
	fmt.Fprintf(&b, ", %d octets", octets)
	return b.String()
}

// at lists the rules with findings at an entity, the header of the message included.
func (t *Tree) at(l *Letter, e lint.Entity) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, f := range l.Findings {
		path, _, _ := strings.Cut(f.Where, " ")
		if !isPath(path) {
			path = "body"
		}
		if path == e.Path && !seen[f.Rule] {
			seen[f.Rule] = true
			b.WriteString("  " + t.paint(lint.Action(f.Action), f.Rule))
		}
	}
	return b.String()
}

// branches returns what is drawn before each entity.
func branches(entities []lint.Entity) []string {
	drawn := make([]string, len(entities))
	for i, e := range entities {
		var b strings.Builder
		for depth := 1; depth <= e.Depth; depth++ {
			more := goesOn(entities[i+1:], depth)
			switch {
			case depth == e.Depth && more:
				b.WriteString("├─ ")
			case depth == e.Depth:
				b.WriteString("└─ ")
			case more:
				b.WriteString("│  ")
			default:
				b.WriteString("   ")
			}
		}
		drawn[i] = b.String()
	}
	return drawn
}

// goesOn reports whether another entity of this depth follows before its parent ends.
func goesOn(rest []lint.Entity, depth int) bool {
	for _, e := range rest {
		if e.Depth < depth {
			return false
		}
		if e.Depth == depth {
			return true
		}
	}
	return false
}
