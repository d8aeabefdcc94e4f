package bounce

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// decodeUTF8Address puts characters in the place of "\x{…}", their form in 7 bits
// (RFC 6533 3: utf-8-addr-xtext, utf-8-addr-unitext). What is malformed stays.
func decodeUTF8Address(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, `\x{`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		hex, after, closed := strings.Cut(rest, "}")
		code, err := strconv.ParseUint(hex, 16, 32)
		if !closed || err != nil || !utf8.ValidRune(rune(code)) || code < 0x20 {
			b.WriteString(`\x{`)
			text = rest
			continue
		}
		b.WriteRune(rune(code))
		text = after
	}
}
