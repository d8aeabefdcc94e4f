package mta

import (
	"fmt"
	"strings"
)

// parameter is one setting of main.cf, or a default.
type parameter struct {
	value string
	line  int // in main.cf, from 1; 0: a default
}

// logicalLine is a line of main.cf or master.cf with what continues it.
type logicalLine struct {
	text string
	line int
}

// logicalLines joins lines that begin with white space to the one before, and
// leaves out comments and empty lines, which do not end a logical line (postconf(5)).
func logicalLines(data []byte) []logicalLine {
	var lines []logicalLine
	number := 0
	for text := range strings.Lines(string(data)) {
		number++
		text = strings.TrimRight(text, "\r\n")
		bare := strings.TrimSpace(text)
		switch {
		case bare == "" || bare[0] == '#':
		case (text[0] == ' ' || text[0] == '\t') && len(lines) > 0:
			lines[len(lines)-1].text += " " + bare
		default:
			lines = append(lines, logicalLine{bare, number})
		}
	}
	return lines
}

// parseMain reads main.cf, or what "postconf -n" prints. The last setting of a name wins.
func parseMain(data []byte) (map[string]parameter, error) {
	set := map[string]parameter{}
	for _, l := range logicalLines(data) {
		name, value, ok := strings.Cut(l.text, "=")
		if !ok {
			return nil, fmt.Errorf("line %d: %.60q is no \"name = value\"", l.line, l.text)
		}
		set[strings.TrimSpace(name)] = parameter{strings.TrimSpace(value), l.line}
	}
	return set, nil
}

// maxExpansion bounds what $name may grow to: a parameter that names itself would never end.
const (
	maxExpansionDepth = 20
	maxExpansionSize  = 1 << 20
)

// expander replaces $name, ${name}, ${name?text}, ${name:text},
// ${name?{text}:{text}} and ${{a} op {b} ? {text} : {text}} (postconf(5)).
type expander struct {
	lookup  func(name string) string
	grown   int
	endless bool // something refers to itself
}

// expand returns a text with all references replaced; one that would never end stays as it is.
func expand(text string, lookup func(name string) string) string {
	expanded, _ := expandAll(text, lookup)
	return expanded
}

// expandAll reports as well whether it came to an end.
func expandAll(text string, lookup func(name string) string) (expanded string, ends bool) {
	e := &expander{lookup: lookup}
	if expanded = e.expand(text, 0); e.endless {
		return text, false
	}
	return expanded, true
}

func (e *expander) expand(text string, depth int) string {
	if depth > maxExpansionDepth {
		e.endless = true
	}
	var b strings.Builder
	for text != "" && e.grown < maxExpansionSize && !e.endless {
		i := strings.IndexByte(text, '$')
		if i < 0 || i == len(text)-1 {
			b.WriteString(text)
			break
		}
		b.WriteString(text[:i])
		text = text[i+1:]
		var inner string
		switch c := text[0]; {
		case c == '$':
			inner, text = "$", text[1:]
			b.WriteString(inner)
			continue
		case c == '{' || c == '(':
			inner, text = bracketed(text)
			b.WriteString(e.reference(inner, depth))
		default:
			n := nameLength(text)
			if n == 0 {
				b.WriteByte('$')
				continue
			}
			inner, text = text[:n], text[n:]
			b.WriteString(e.value(inner, depth))
		}
	}
	e.grown += b.Len()
	return b.String()
}

func (e *expander) value(name string, depth int) string {
	return e.expand(e.lookup(name), depth+1)
}

// reference expands what stands within ${ }.
func (e *expander) reference(inner string, depth int) string {
	inner = strings.TrimSpace(inner)
	if strings.HasPrefix(inner, "{") {
		holds, rest := e.condition(inner, depth)
		return e.choose(holds, rest, depth)
	}
	n := nameLength(inner)
	name, rest := inner[:n], strings.TrimSpace(inner[n:])
	if rest == "" {
		return e.value(name, depth)
	}
	return e.choose(e.value(name, depth) != "", rest, depth)
}

// choose takes the branch of "?text", ":text" or "?{text}:{text}" that applies.
func (e *expander) choose(holds bool, branches string, depth int) string {
	branches = strings.TrimSpace(branches)
	if branches == "" {
		return ""
	}
	sign, text := branches[0], strings.TrimSpace(branches[1:])
	first, rest := text, ""
	if strings.HasPrefix(text, "{") {
		first, rest = bracketed(text)
		first = strings.TrimSpace(first)
	}
	switch {
	case sign == '?' && holds, sign == ':' && !holds:
		return e.expand(first, depth+1)
	case sign == '?':
		return e.choose(false, rest, depth)
	}
	return ""
}

// condition evaluates "{a} op {b}" and returns what follows it.
func (e *expander) condition(text string, depth int) (holds bool, rest string) {
	left, rest := bracketed(text)
	op, rest := cutOperator(strings.TrimSpace(rest))
	if !strings.HasPrefix(rest, "{") {
		return false, rest
	}
	right, rest := bracketed(rest)
	a := strings.TrimSpace(e.expand(left, depth+1))
	b := strings.TrimSpace(e.expand(right, depth+1))
	return compare(a, op, b), rest
}

func cutOperator(text string) (op, rest string) {
	i := strings.IndexByte(text, '{')
	if i < 0 {
		return "", ""
	}
	return strings.TrimSpace(text[:i]), text[i:]
}

// compare compares numbers as numbers and everything else as text; the level
// operators compare versions such as "3.6", part by part.
func compare(a, op, b string) bool {
	order := compareVersions(a, b)
	if bare, level := strings.CutSuffix(op, "level"); level {
		op = bare
	} else if !isNumber(a) || !isNumber(b) {
		order = strings.Compare(a, b)
	}
	switch op {
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	return false
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// compareVersions orders "3.6" before "3.11". A part that is no number counts as 0.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		if d := part(as, i) - part(bs, i); d != 0 {
			return d
		}
	}
	return 0
}

func part(parts []string, i int) int {
	if i >= len(parts) {
		return 0
	}
	n := 0
	for _, c := range []byte(parts[i]) {
		if c < '0' || c > '9' || n > 1<<20 {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// bracketed splits text that begins with "{" or "(" into what stands within the
// pair and what follows it. Without the closing one all of it stands within.
func bracketed(text string) (inner, rest string) {
	opening, closing := text[0], byte('}')
	if opening == '(' {
		closing = ')'
	}
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case opening:
			depth++
		case closing:
			if depth--; depth == 0 {
				return text[1:i], text[i+1:]
			}
		}
	}
	return text[1:], ""
}

func nameLength(text string) int {
	n := 0
	for n < len(text) && isNameByte(text[n]) {
		n++
	}
	return n
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// words splits a list at white space and commas, but not within { } (postconf(5)),
// which may begin in the middle of a word: "inline:{ a = b, c = d }".
func words(text string) []string { return splitOutside(text, " \t,\r\n") }

// splitOutside splits at runs of separators that are not within { }.
func splitOutside(text, separators string) []string {
	var list []string
	for {
		text = strings.TrimLeft(text, separators)
		if text == "" {
			return list
		}
		end := 0
		for depth := 0; end < len(text) && (depth > 0 || strings.IndexByte(separators, text[end]) < 0); end++ {
			switch text[end] {
			case '{':
				depth++
			case '}':
				depth--
			}
		}
		list, text = append(list, text[:end]), text[end:]
	}
}

// unbraced takes one pair of braces off.
func unbraced(text string) string {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		text = strings.TrimSuffix(inner, "}")
	}
	return strings.TrimSpace(text)
}
