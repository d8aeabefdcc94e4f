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
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	dst = append(dst, ':')
	value = bytes.TrimSuffix(value, crlf)
	start, space := len(dst), false
	for len(value) > 0 {
		switch {
		case len(value) > 2 && bytes.HasPrefix(value, crlf) && isSpace(value[2]): // folding
			value = value[1:]
		case isSpace(value[0]):
			space = true
		default:
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, value[0])
		}
		value = value[1:]
	}
	return append(dst, '\r', '\n')
}

// isSpace reports WSP (RFC 5234 B.1).
func isSpace(c byte) bool { return c == ' ' || c == '\t' }
