package posture

import (
	"fmt"
	"net/netip"
	"strings"

	"pratique/posture/lookup"
)

// plural counts things in words.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// isFull reports whether a name is a full one, and not empty or that of a host alone.
func isFull(name string) bool { return strings.Contains(name, ".") }

func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, addr := range addrs {
		texts[i] = addr.String()
	}
	return strings.Join(texts, ", ")
}

// txtLine is the line of a zone file that gives a name a TXT record, in as many
// strings as it takes (RFC 1035 5.1).
func txtLine(name, text string) string {
	var strs []string
	for _, part := range lookup.Strings(text) {
		strs = append(strs, quoted(part))
	}
	value := strings.Join(strs, " ")
	if len(strs) > 1 {
		value = "( " + value + " )"
	}
	return name + ". IN TXT " + value
}

// quoted is a string as a zone file has it.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(text) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
