package report

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"pratique/message"
)

// Place is where a finding stands in the file.
type Place struct {
	Line   int // from 1; 0: nowhere, as with a field that is missing
	Column int // octet in the line, from 1
	Length int // octets that the finding means; 0: the whole message or header
}

// Locate finds the place of a finding (see package lint) in the source.
func (l *Letter) Locate(f message.Finding) Place {
	l.split()
	if f.Where == "header" || f.Where == "message" {
		return l.named(f.Detail)
	}
	index, ok := l.lineIndex(f.Where)
	if !ok || index >= len(l.lines) {
		return Place{}
	}
	column, length := l.mark(l.lines[index], f)
	return Place{Line: l.FirstLine + index, Column: column, Length: length}
}

// named is the place of a finding on the whole header, which may quote the beginning of a line.
func (l *Letter) named(detail string) Place {
	for i, line := range l.lines[:min(l.body, len(l.lines))] {
		if at, n := quotedIn(line, detail); n > 0 && at == 0 {
			return Place{Line: l.FirstLine + i, Column: 1, Length: n}
		}
	}
	return Place{Line: l.FirstLine}
}

// isLine reports whether a place is a line of the body rather than a field.
func isLine(where string) bool { return strings.Contains(where, " line ") }

// lineIndex returns the index in l.lines of the line that where means.
func (l *Letter) lineIndex(where string) (int, bool) {
	path, rest, inside := strings.Cut(where, " ")
	switch {
	case isLine(where):
		n, err := strconv.Atoi(rest[strings.LastIndexByte(rest, ' ')+1:])
		return l.body + n - 1, err == nil && n > 0
	case path == "body" && !inside:
		if i, ok := l.fieldIndex(0, l.body, "Content-Type"); ok {
			return i, true
		}
		return l.body, l.body < len(l.lines)
	case path == "body":
		return l.fieldIndex(0, l.body, rest)
	case isPath(path):
		return l.entityIndex(path, rest)
	}
	return l.fieldIndex(0, l.body, where)
}

func isPath(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == ""
}

// entityIndex returns the line on which an entity begins, or that of one of its fields.
func (l *Letter) entityIndex(path, field string) (int, bool) {
	for _, e := range l.Outline() {
		if e.Path != path {
			continue
		}
		begins, ends := l.body+e.Header-1, l.body+e.First-1
		if field == "" {
			return begins, true
		}
		if i, ok := l.fieldIndex(begins, ends, field); ok {
			return i, true
		}
		return begins, true
	}
	return 0, false
}

// fieldIndex returns the first line of a field such as "Received[2]" between two lines.
func (l *Letter) fieldIndex(begin, end int, field string) (int, bool) {
	name, number, _ := strings.Cut(strings.TrimSuffix(field, "]"), "[")
	n, err := strconv.Atoi(number)
	if err != nil {
		n = 1
	}
	for i := begin; i < min(end, len(l.lines)); i++ {
		line := l.lines[i]
		colon := bytes.IndexByte(line, ':')
		if colon < 0 || line[0] == ' ' || line[0] == '\t' || !strings.EqualFold(string(bytes.TrimRight(line[:colon], " \t")), name) {
			continue
		}
		if n--; n == 0 {
			return i, true
		}
	}
	return 0, false
}

// mark returns the octets of a line that a finding means: a value that it
// quotes, an octet that may not be there, what is beyond the longest line, or all of it.
func (l *Letter) mark(line []byte, f message.Finding) (column, length int) {
	text, ended := bytes.CutSuffix(line, []byte("\n"))
	text, crlf := bytes.CutSuffix(text, []byte("\r"))
	if i, n := quotedIn(text, f.Detail); n > 0 {
		return i + 1, n
	}
	if i := bytes.IndexAny(text, "\x00\r"); i >= 0 {
		return i + 1, 1
	}
	if ended && !crlf && l.CRLF() {
		return len(text) + 1, 1
	}
	if i, n := eightBit(text); n > 0 && (f.Rule == "H17" || f.Rule == "M10") {
		return i + 1, n
	}
	if len(text) > maxLine {
		return maxLine + 1, len(text) - maxLine
	}
	begin := 0
	if colon := bytes.IndexByte(text, ':'); !isLine(f.Where) && colon >= 0 && colon+1 < len(text) {
		begin = colon + 1
	}
	rest := text[begin:]
	begin += len(rest) - len(bytes.TrimLeft(rest, " \t"))
	return begin + 1, max(len(text)-begin, 1)
}

// eightBit finds the first run of octets above 127.
func eightBit(text []byte) (index, length int) {
	isASCII := func(r rune) bool { return r < utf8.RuneSelf }
	begin := bytes.IndexFunc(text, func(r rune) bool { return !isASCII(r) })
	if begin < 0 {
		return 0, 0
	}
	if n := bytes.IndexFunc(text[begin:], isASCII); n >= 0 {
		return begin, n
	}
	return begin, len(text) - begin
}

// maxLine is the longest line, without its end (RFC 5322 2.1.1).
const maxLine = 998

// quotedIn finds the first value that a detail quotes, in whole or cut short, in the text.
func quotedIn(text []byte, detail string) (index, length int) {
	for rest := detail; ; {
		start := strings.IndexByte(rest, '"')
		if start < 0 {
			return 0, 0
		}
		quoted, err := strconv.QuotedPrefix(rest[start:])
		if err != nil {
			return 0, 0
		}
		value, err := strconv.Unquote(quoted)
		if i := bytes.Index(text, []byte(value)); err == nil && value != "" && i >= 0 {
			return i, len(value)
		}
		rest = rest[start+len(quoted):]
	}
}
