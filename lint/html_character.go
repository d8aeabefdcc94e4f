package lint

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// unescaped replaces the character references.
func unescaped(b []byte) string {
	if bytes.IndexByte(b, '&') < 0 {
		return string(b)
	}
	return html.UnescapeString(string(b))
}

// withoutReferences is unescaped for octets.
func withoutReferences(b []byte) []byte {
	if bytes.IndexByte(b, '&') < 0 {
		return b
	}
	return appendUnescaped(nil, b)
}

// withoutReferences is borrowed until it is called again.
func (d *document) withoutReferences(b []byte) []byte {
	if bytes.IndexByte(b, '&') < 0 {
		return b
	}
	d.plain = appendUnescaped(d.plain[:0], b)
	return d.plain
}

// appendUnescaped appends b with its character references replaced, as
// html.UnescapeString does, which allocates twice for each text.
func appendUnescaped(to, b []byte) []byte {
	for {
		n := indexOrEnd(b, '&')
		to = append(to, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			return to
		}
		if r, length := commonReference(b); length > 0 {
			to = utf8.AppendRune(to, r)
			b = b[length:]
			continue
		}
		n = 1 + indexOrEnd(b[1:], '&')
		to = append(to, html.UnescapeString(string(b[:n]))...)
		b = b[n:]
	}
}

// commonReference reads the character reference that b begins with, if it is one of
// those that nearly all are. Their length is 0 otherwise.
func commonReference(b []byte) (r rune, length int) {
	n := bytes.IndexByte(b[:min(len(b), maxReference)], ';')
	if n < 0 {
		return 0, 0
	}
	switch name := b[1:n]; string(name) {
	case "nbsp":
		return '\u00a0', n + 1
	case "amp":
		return '&', n + 1
	case "lt":
		return '<', n + 1
	case "gt":
		return '>', n + 1
	case "quot":
		return '"', n + 1
	case "zwnj":
		return '\u200c', n + 1
	default:
		if len(name) < 2 || name[0] != '#' || !digit(name[1]) {
			return 0, 0
		}
		code, err := strconv.ParseUint(string(name[1:]), 10, 16)
		// Below there are codes that stand for others, above are surrogates.
		if err != nil || code < ' ' || code > '~' && code < 0xA0 || code >= 0xD800 {
			return 0, 0
		}
		return rune(code), n + 1
	}
}
