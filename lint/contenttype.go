package lint

import (
	"cmp"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// contentType is a Content-Type or Content-Disposition value, read as tolerantly
// as mail programs do. The standard library's mime.ParseMediaType gives a value
// up at the first fault (an unquoted "=" or "/", a parameter that comes twice, an
// empty one), and with it the boundary that every mail program still finds.
type contentType struct {
	value  string // lower case, comments and white space removed, e.g. "text/plain"
	params []parameter
	cut    bool // there are more parameters
}

type parameter struct {
	name  string // lower case, as it stands: "filename*0*"
	value string // unquoted
}

// maxParams bounds what is kept of one field; further parameters are ignored.
const maxParams = 64

// parseContentType splits a value at the semicolons outside of quotes and comments.
func parseContentType(s string) contentType {
	cutter := parameterCutter{rest: s, comments: true}
	var c contentType
	c.first(cutter.next())
	for cutter.rest != "" && len(c.params) < maxParams {
		if name, value, ok := strings.Cut(cutter.next(), "="); ok {
			c.add(strings.TrimSpace(stripComments(name)), value)
		}
	}
	c.cut = strings.TrimSpace(cutter.rest) != ""
	return c
}

func (c *contentType) add(name, value string) {
	c.params = append(c.params, parameter{name: strings.ToLower(name), value: parameterValue(value)})
}

// first takes what stands before the first semicolon: the type, which may be
// missing, and then perhaps a parameter that no semicolon sets off from it. Of a
// media type programs read that differently, so there it is no parameter.
func (c *contentType) first(piece string) {
	piece = stripComments(piece)
	before, value, ok := strings.Cut(piece, "=")
	words := strings.Fields(before)
	if last := len(words) - 1; ok && last >= 0 && !strings.Contains(before, "/") {
		c.add(words[last], value)
		words = words[:last]
	} else {
		words = strings.Fields(piece)
	}
	c.value = strings.ToLower(strings.Join(words, ""))
}

// parameterCutter cuts a value into its parameters.
type parameterCutter struct {
	rest string
	// comments holds until one has no end. From there on a parenthesis is a mere
	// character: to look for the end of each would take quadratic time.
	comments bool
}

// next cuts at the first semicolon outside of quotes and comments. A quote or
// parenthesis in the middle of an unquoted value is a mere character.
func (p *parameterCutter) next() string {
	s := p.rest
	begin := true // a quoted string or a comment may begin here
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ';':
			p.rest = s[i+1:]
			return s[:i]
		case c == '"' && begin:
			n, err := enclosed(s[i:], '"', errOpenQuote)
			if err != nil {
				p.rest = ""
				return s
			}
			i += n - 1
		case c == '(' && begin && p.comments:
			if n := commentLength(s[i:]); n > 0 {
				i += n - 1
			} else {
				p.comments = false
			}
		default:
			begin = c == ' ' || c == '\t' || c == '='
		}
	}
	p.rest = ""
	return s
}

func parameterValue(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "(") {
		if rest, err := skipComments(s); err == nil {
			s = rest
		}
	}
	if strings.HasPrefix(s, `"`) {
		n, err := enclosed(s, '"', errOpenQuote)
		if err != nil {
			return unescape(s[1:])
		}
		return unescape(s[1 : n-1])
	}
	// A comment behind an unquoted value is set off by white space.
	if i := strings.Index(s, " ("); i >= 0 {
		if rest, err := skipComments(s[i:]); err == nil && rest == "" {
			return strings.TrimSpace(s[:i])
		}
	}
	return s
}

// unescape removes the backslashes of quoted pairs.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// stripComments removes every comment outside of quoted strings. From a quoted
// string or comment that has no end all is kept.
func stripComments(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexAny(s, `("`)
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		if s[0] == '(' {
			n := commentLength(s)
			if n < 0 {
				break
			}
			s = s[n:]
			continue
		}
		n, err := enclosed(s, '"', errOpenQuote)
		if err != nil {
			break
		}
		b.WriteString(s[:n])
		s = s[n:]
	}
	b.WriteString(s)
	return strings.TrimSpace(b.String())
}

// param returns a parameter, put together from its RFC 2231 pieces if it comes in
// such, and whether there is one. What is percent-encoded is decoded to its
// octets; the charset is not applied.
func (c *contentType) param(name string) (value string, ok bool) {
	for _, p := range c.params {
		if p.name == name {
			return p.value, true
		}
		if p.name == name+"*" {
			return extendedValue(p.value), true
		}
	}
	return c.continued(name)
}

// continued puts name*0, name*1 and so on together (RFC 2231 3, 4.1). The pieces
// may come in any order; the first one that is missing ends the value.
func (c *contentType) continued(name string) (string, bool) {
	var pieces map[int]string
	for _, p := range c.params {
		number, ok := strings.CutPrefix(p.name, name+"*")
		if !ok || number == "" {
			continue
		}
		if pieces == nil {
			pieces = map[int]string{}
		}
		one := newPiece(number, p.value)
		pieces[one.number] = one.text
	}
	var b strings.Builder
	n := 0
	for ; ; n++ {
		text, ok := pieces[n]
		if !ok {
			return b.String(), n > 0
		}
		b.WriteString(text)
	}
}

// all returns every value that a program may take for the parameter: it may come
// several times, plain, encoded and in pieces, and programs differ on which one
// wins, on pieces that come twice and on those that are missing.
func (c *contentType) all(name string) []string {
	var values []string
	var pieces []piece
	for _, p := range c.params {
		rest, ok := strings.CutPrefix(p.name, name)
		switch number, star := strings.CutPrefix(rest, "*"); {
		case !ok:
		case rest == "":
			values = append(values, p.value)
		case number == "" && star:
			values = append(values, extendedValue(p.value))
		case star:
			pieces = append(pieces, newPiece(number, p.value))
		}
	}
	if len(pieces) == 0 {
		return values
	}
	if value, ok := c.continued(name); ok {
		values = append(values, value)
	}
	values = append(values, joined(pieces))
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(a.number, b.number) })
	return append(values, joined(pieces))
}

// piece is one of several that make up a value (RFC 2231 3).
type piece struct {
	number int
	text   string // decoded
}

// newPiece reads a piece by what stands behind the first asterisk of its name: "1" or, if it is encoded, "1*".
func newPiece(number, value string) piece {
	bare, extended := strings.CutSuffix(number, "*")
	n, _ := strconv.Atoi(bare) // 0 for what is no number
	switch {
	case extended && n == 0:
		value = extendedValue(value)
	case extended:
		value = percentDecoded(value)
	}
	return piece{number: n, text: value}
}

func joined(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.text)
	}
	return b.String()
}

// extendedValue decodes charset'language'percent-encoded (RFC 2231 4).
func extendedValue(s string) string {
	if parts := strings.SplitN(s, "'", 3); len(parts) == 3 {
		s = parts[2]
	}
	return percentDecoded(s)
}

func percentDecoded(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2]); hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// decodedWords decodes encoded-words, which many mailers put into file names
// against RFC 2047 5. A charset that is not known leaves its octets as they are:
// what is looked for is ASCII.
func decodedWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	decoder := mime.WordDecoder{CharsetReader: octets}
	decoded, err := decoder.DecodeHeader(s)
	if err != nil {
		return s
	}
	return decoded
}

func octets(_ string, input io.Reader) (io.Reader, error) { return input, nil }
