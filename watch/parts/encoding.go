package parts

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// Decoded returns the body without its transfer encoding. Where that is broken, it
// is what could be decoded.
func (p *Part) Decoded() []byte {
	switch strings.ToLower(strings.TrimSpace(p.Header.Get("Content-Transfer-Encoding"))) {
	case "base64":
		return decodeBase64(p.Body)
	case "quoted-printable":
		return decodeQuotedPrintable(p.Body)
	}
	return p.Body
}

// decodeQuotedPrintable leaves what is malformed as it stands (RFC 2045 6.7 advises that).
func decodeQuotedPrintable(body []byte) []byte {
	out := make([]byte, 0, len(body))
	for at := 0; at < len(body); {
		line, next := cutLine(body, at)
		end := body[at+len(line) : next]
		line = bytes.TrimRight(line, " \t")
		if bytes.HasSuffix(line, []byte("=")) {
			line, end = line[:len(line)-1], nil
		}
		for i := 0; i < len(line); i++ {
			if high, low := hexAt(line, i+1), hexAt(line, i+2); line[i] == '=' && high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low))
				i += 2
			} else {
				out = append(out, line[i])
			}
		}
		out = append(out, end...)
		at = next
	}
	return out
}

// hexAt returns the value of a hexadecimal digit, or -1.
func hexAt(line []byte, at int) int {
	if at >= len(line) {
		return -1
	}
	switch c := line[at]; {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// decodeBase64 passes over what is none of the alphabet. Behind padding it goes on where
// whole lines of base64 follow, as of a body that was encoded piece by piece; anything
// else there is a footer.
func decodeBase64(body []byte) []byte {
	var out []byte
	clean := make([]byte, 0, len(body))
	padded := false
	for at := 0; at < len(body); {
		var line []byte
		line, at = cutLine(body, at)
		if padded && !wholeBase64(line) {
			break
		}
		for _, c := range line {
			if inBase64(c) {
				clean = append(clean, c)
			} else if c == '=' {
				padded = true
				out = appendBase64(out, clean)
				clean = clean[:0]
			}
		}
	}
	return appendBase64(out, clean)
}

func inBase64(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
}

func wholeBase64(line []byte) bool {
	line = bytes.TrimRight(line, " \t")
	for _, c := range bytes.TrimRight(line, "=") {
		if !inBase64(c) {
			return false
		}
	}
	return len(line)%4 == 0
}

// appendBase64 decodes what is of the alphabet only; what is short at the end is lost.
func appendBase64(out, clean []byte) []byte {
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	out, _ = base64.RawStdEncoding.AppendDecode(out, clean)
	return out
}
