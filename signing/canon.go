package signing

import (
	"bytes"
	"fmt"
)

// canonicalization is the pair of algorithms in c= (RFC 6376 3.4).
type canonicalization struct{ relaxedHeader, relaxedBody bool }

func parseCanonicalization(text string) (canonicalization, error) {
	for _, c := range []canonicalization{{true, true}, {true, false}, {false, true}, {false, false}} {
		if c.String() == text {
			return c, nil
		}
	}
	return canonicalization{}, fmt.Errorf("%q is none of relaxed/relaxed, relaxed/simple, simple/relaxed, simple/simple (header/body)", text)
}

func (c canonicalization) String() string {
	return algorithm(c.relaxedHeader) + "/" + algorithm(c.relaxedBody)
}

func algorithm(relaxed bool) string {
	if relaxed {
		return "relaxed"
	}
	return "simple"
}

var crlf = []byte("\r\n")

// appendHeader appends a field, given with its final CRLF, as the signature
// covers it. Simple takes it as it stands (RFC 6376 3.4.1).
func (c canonicalization) appendHeader(dst, field []byte) []byte {
	if c.relaxedHeader {
		return appendRelaxed(dst, field)
	}
	return append(dst, field...)
}

// appendRelaxed appends a field in the relaxed form: the name in lower case, the
// value unfolded, each run of white space one space, none at its ends (RFC 6376
// 3.4.2). What is no folding, such as a bare CR or LF, stays.
func appendRelaxed(dst, field []byte) []byte {
	name, value, _ := bytes.Cut(field, []byte(":"))
	for _, c := range bytes.TrimRight(name, " \t") {
		dst = append(dst, lowerCase(c))
	}
	dst = append(dst, ':')
	value = bytes.TrimSuffix(value, crlf)
	start, space := len(dst), false
	for i := 0; i < len(value); {
		switch {
		case isFolding(value[i:]):
			i += len(crlf)
		case isSpace(value[i]):
			space = true
			i++
		default:
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			end := i + 1
			for end < len(value) && !isSpace(value[end]) && value[end] != '\r' {
				end++
			}
			dst = append(dst, value[i:end]...)
			i = end
		}
	}
	return append(dst, '\r', '\n')
}

// isFolding reports that white space follows a line end.
func isFolding(p []byte) bool { return len(p) > 2 && p[0] == '\r' && p[1] == '\n' && isSpace(p[2]) }

// isSpace reports WSP (RFC 5234 B.1).
func isSpace(c byte) bool { return c == ' ' || c == '\t' }
