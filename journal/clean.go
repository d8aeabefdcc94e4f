package journal

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// The longest that is kept of a text, in octets.
const (
	longName = 255 // of a host, login, address or id
	longText = 500 // of a reason or a reply
)

// clean returns a text that a client may have chosen so that it can do nothing to
// a terminal, a log or a page: at most so many octets, and what can't be printed
// written as an escape. What it has cleaned it leaves as it is.
func clean(s string, longest int) string {
	if len(s) <= longest && plain(s) {
		return s
	}
	out := make([]byte, 0, min(len(s), longest)+len(ellipsis))
	fits := 0 // so much may stay if the rest has to go
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, s[i])
		case !printable(r):
			piece = escape(r)
		}
		if len(out)+len(piece) > longest {
			return string(out[:fits]) + ellipsis
		}
		if out = append(out, piece...); len(out) <= longest-len(ellipsis) {
			fits = len(out)
		}
		i += size
	}
	return string(out)
}

// ellipsis stands for what was cut off.
const ellipsis = "…"

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// printable takes letters and signs, but none that changes the order or the place
// of others (Unicode's formats, of which bidirectional overrides are some).
func printable(r rune) bool { return r == ' ' || unicode.IsPrint(r) }

func escape(r rune) string {
	switch {
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}
