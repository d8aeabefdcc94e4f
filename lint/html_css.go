package lint

import (
	"bytes"
	"strconv"
	"strings"
)

// eachDeclaration hands over the declarations of a style attribute or of a block
// of a stylesheet, in order: the property in lower case, the value trimmed. style
// is changed: its properties are turned to lower case.
func eachDeclaration(style []byte, do func(property, value []byte)) {
	if bytes.Contains(style, []byte("/*")) {
		style = withoutCSSComments(style)
	}
	for len(style) > 0 {
		n := declarationLength(style)
		property, value, ok := bytes.Cut(style[:n], []byte(":"))
		if ok {
			do(lowered(bytes.TrimSpace(property)), bytes.TrimSpace(value))
		}
		style = style[min(n+1, len(style)):]
	}
}

// declarationLength is the length up to the next semicolon outside of quotes and parentheses.
func declarationLength(style []byte) int {
	var quote byte
	depth := 0
	for i, c := range style {
		switch {
		case c > '\'' && c != '(' && c != ')' && c != ';': // what nearly all are
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth = max(depth-1, 0)
		case c == ';' && depth == 0:
			return i
		}
	}
	return len(style)
}

func withoutCSSComments(style []byte) []byte {
	var out []byte
	for {
		before, rest, found := bytes.Cut(style, []byte("/*"))
		out = append(out, before...)
		if !found {
			return out
		}
		_, style, _ = bytes.Cut(rest, []byte("*/"))
	}
}

// colour is one of 24 bits, and a bit more that tells it from noColour.
type colour uint32

const (
	noColour   colour = 0 // none that is known
	colourBits int    = 25
)

func newColour(rgb uint32) colour { return colour(1<<24 | rgb) }

// parseColour reads a colour of CSS or of an attribute of html. It turns it to lower case.
func parseColour(b []byte) colour {
	b = lowered(bytes.TrimSpace(b))
	if digits, ok := bytes.CutPrefix(b, []byte("#")); ok {
		return hexColour(digits)
	}
	if inner, ok := bytes.CutPrefix(b, []byte("rgb(")); ok {
		return rgbColour(string(bytes.TrimSuffix(inner, []byte(")"))))
	}
	if rgb, ok := namedColour(b); ok {
		return newColour(rgb)
	}
	return hexColour(b)
}

// namedColour knows the names of CSS Color 4 6.1 that mail is written with.
func namedColour(name []byte) (uint32, bool) {
	switch string(name) {
	case "black":
		return 0x000000, true
	case "white":
		return 0xffffff, true
	case "gray", "grey":
		return 0x808080, true
	case "silver":
		return 0xc0c0c0, true
	case "whitesmoke":
		return 0xf5f5f5, true
	case "red":
		return 0xff0000, true
	case "green":
		return 0x008000, true
	case "blue":
		return 0x0000ff, true
	case "navy":
		return 0x000080, true
	case "yellow":
		return 0xffff00, true
	}
	return 0, false
}

// hexColour reads three or six hexadecimal digits.
func hexColour(s []byte) colour {
	if len(s) != 3 && len(s) != 6 {
		return noColour
	}
	var rgb uint32
	for i := range len(s) {
		d := hexDigit(s[i])
		if d < 0 {
			return noColour
		}
		rgb = rgb<<4 | uint32(d)
		if len(s) == 3 {
			rgb = rgb<<4 | uint32(d)
		}
	}
	return newColour(rgb)
}

// rgbColour reads three numbers from 0 to 255.
func rgbColour(s string) colour {
	numbers := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	if len(numbers) != 3 {
		return noColour
	}
	var rgb uint32
	for _, number := range numbers {
		n, err := strconv.ParseUint(number, 10, 8)
		if err != nil {
			return noColour
		}
		rgb = rgb<<8 | uint32(n)
	}
	return newColour(rgb)
}
