package scanning

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"mime"
	"slices"
	"strings"

	"pratique/message"
)

// digest tells content from other content.
type digest [sha256.Size]byte

// content is what is the same in messages that say the same: the body, and the fields that
// tell what a message is and whom it is from. Programs make up new boundaries for each
// message; where they delimit parts, and where they are declared, one is as good as another.
//
// But clamd sees a boundary in more lines than other programs do (libclamav/mbox.c): in any
// letters, with more hyphens, with comments in it. Whoever chose one that a line of the text
// looks like could have clamd cut malware in two, and then send it whole with another
// boundary. So if a boundary may be anywhere else, it is content.
type content struct {
	hash       hash.Hash
	boundaries [][]byte // in the order in which they were declared
	marked     []int    // how often each of them was replaced by a marker
	declaring  []byte   // the fields Content-Type of the header
	commented  [][]byte // lines in which clamd may see one if it takes comments out
	cut        bool     // clamd cuts a line that declares one
}

// newContent takes the header. A message that is not plain has no digest: nil.
func newContent(h *message.Header) *content {
	c := &content{hash: sha256.New()}
	for _, f := range h.Fields() {
		switch {
		case !plain(f.Raw()):
			return nil
		case varies(f):
		case f.Is("Content-Type"):
			c.declaring = append(c.declaring, f.Raw()...)
			c.declaration(f.Raw())
		default:
			c.hash.Write(f.Raw())
		}
	}
	c.hash.Write(emptyLine)
	return c
}

// digest takes the whole body, and returns the digest of the message.
func (c *content) digest(body []byte) (d digest, ok bool) {
	if c == nil || !plain(body) {
		return d, false
	}
	c.body(body)
	if c.cut || c.elsewhere(body) {
		c.hash.Write([]byte{0, mostBoundaries})
		c.hash.Write(bytes.Join(c.boundaries, []byte{0}))
	}
	c.hash.Sum(d[:0])
	return d, true
}

// plain reports whether a text has neither NUL, which marks boundaries here, nor CR without
// LF, which ends a line for clamd, and for others not.
func plain(text []byte) bool {
	return bytes.IndexByte(text, 0) < 0 && bytes.Count(text, []byte("\r")) == bytes.Count(text, []byte("\r\n"))
}

// varies reports whether a field tells when and for whom a message is, or by which way it
// came. These differ in messages that are otherwise the same. One of which clamd may take a
// line for the end of the header, or for another field, is content.
func varies(f message.Field) bool {
	if !slices.ContainsFunc([]string{"Received", "Date", "Message-ID", "To", "Cc", "List-Unsubscribe"}, f.Is) {
		return false
	}
	for i, line := range bytes.Split(bytes.TrimRight(f.Raw(), "\r\n"), []byte("\n")) {
		folded := bytes.HasPrefix(line, []byte(" ")) || bytes.HasPrefix(line, []byte("\t"))
		if overlong(line) || len(bytes.TrimSpace(line)) == 0 || i > 0 && !folded {
			return false
		}
	}
	return true
}

// longestLine bounds lines, without their ends (RFC 5322 2.1.1); clamd cuts longer ones at
// 1,000 octets.
const longestLine = 998

// mostBoundaries bounds those that are looked for in each line that begins with two hyphens.
const mostBoundaries = 16

var (
	dashes        = []byte("--")
	boundaryParam = []byte("boundary=") // RFC 2046 5.1.1
	contentType   = []byte("content-type:")
)

// body takes the body. Without a boundary there is nothing to look for in it.
func (c *content) body(body []byte) {
	if len(c.boundaries) == 0 {
		c.hash.Write(body)
		return
	}
	inHeader := false // of a part
	for len(body) > 0 {
		line := firstLine(body)
		if commented(line) {
			c.commented = append(c.commented, line)
		}
		switch {
		case bytes.HasPrefix(line, dashes):
			inHeader = c.delimiter(line)
		case inHeader && hasPrefixFold(line, contentType):
			line = firstField(body)
			c.declaration(line)
		default:
			inHeader = inHeader && len(bytes.TrimRight(line, "\r\n")) > 0
			c.hash.Write(line)
		}
		body = body[len(line):]
	}
}

// commented reports whether clamd may take comments out of a line, or of what it cuts from
// it, and see a boundary in the rest.
func commented(line []byte) bool {
	begins := line[0] == '-' || line[0] == '('
	return (begins || overlong(line)) && bytes.IndexByte(line, '(') >= 0
}

func overlong(line []byte) bool { return len(bytes.TrimRight(line, "\r\n")) > longestLine }

// elsewhere reports whether a boundary, in any letters, is or may be anywhere but at a marker.
func (c *content) elsewhere(body []byte) bool {
	if len(c.boundaries) == 0 {
		return false
	}
	text := bytes.ToLower(slices.Concat(c.declaring, body))
	for i, boundary := range c.boundaries {
		boundary = bytes.ToLower(boundary)
		among := func(line []byte) bool { return isAmong(boundary, bytes.ToLower(line)) }
		if bytes.Count(text, boundary) != c.marked[i] || slices.ContainsFunc(c.commented, among) {
			return true
		}
	}
	return false
}

// isAmong reports whether some octets of a text, in their order, are these.
func isAmong(wanted, text []byte) bool {
	for _, c := range text {
		if len(wanted) > 0 && c == wanted[0] {
			wanted = wanted[1:]
		}
	}
	return len(wanted) == 0
}

// firstLine returns the first line with its end.
func firstLine(text []byte) []byte {
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		return text[:end+1]
	}
	return text
}

// firstField returns the first line with those that are folded behind it.
func firstField(text []byte) []byte {
	field := firstLine(text)
	for rest := text[len(field):]; len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t'); rest = text[len(field):] {
		field = text[:len(field)+len(firstLine(rest))]
	}
	return field
}

// declaration takes a field Content-Type. If it declares a boundary in the usual way, that
// is one from now on; what is unusual is content.
func (c *content) declaration(field []byte) {
	_, value, _ := bytes.Cut(field, []byte(":"))
	kind, params, err := mime.ParseMediaType(string(value))
	boundary := []byte(params["boundary"])
	at := indexFold(field, boundaryParam)
	c.cut = c.cut || slices.ContainsFunc(bytes.Split(field, []byte("\n")), overlong)
	if err != nil || !strings.HasPrefix(kind, "multipart/") || !fits(boundary) || len(c.boundaries) == mostBoundaries ||
		at < 0 || !bytes.HasPrefix(bytes.TrimPrefix(field[at+len(boundaryParam):], []byte(`"`)), boundary) {
		c.hash.Write(field)
		return
	}
	at += len(boundaryParam)
	at += bytes.Index(field[at:], boundary)
	c.hash.Write(field[:at])
	c.boundaries, c.marked = append(c.boundaries, boundary), append(c.marked, 0)
	c.mark(len(c.boundaries) - 1)
	c.hash.Write(field[at+len(boundary):])
}

// fits reports whether a boundary is like those that programs make up. The grammar (RFC
// 2046 5.1.1) has more characters, such as spaces and parentheses, which clamd passes over.
func fits(boundary []byte) bool {
	const bchars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+_-./="
	return len(boundary) > 0 && len(boundary) <= 70 && len(bytes.Trim(boundary, bchars)) == 0
}

// delimiter takes a line that begins with two hyphens, and reports whether it begins a part.
func (c *content) delimiter(line []byte) (begins bool) {
	for i, boundary := range c.boundaries {
		rest, found := bytes.CutPrefix(line[len(dashes):], boundary)
		after := bytes.TrimRight(rest, "\r\n")
		if found && (len(after) == 0 || bytes.Equal(after, dashes)) {
			c.hash.Write(dashes)
			c.mark(i)
			c.hash.Write(rest)
			return len(after) == 0
		}
	}
	c.hash.Write(line)
	return false
}

// mark puts a marker in the place of a boundary.
func (c *content) mark(i int) {
	c.marked[i]++
	c.hash.Write([]byte{0, byte(i)})
}

func hasPrefixFold(text, prefix []byte) bool {
	return len(text) >= len(prefix) && bytes.EqualFold(text[:len(prefix)], prefix)
}

// indexFold is the index of a text in ASCII, in any case.
func indexFold(text, wanted []byte) int {
	for i := 0; i+len(wanted) <= len(text); i++ {
		if text[i]|0x20 == wanted[0] && bytes.EqualFold(text[i:i+len(wanted)], wanted) {
			return i
		}
	}
	return -1
}
