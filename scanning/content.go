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
type content struct {
	hash       hash.Hash
	boundaries [][]byte // in the order in which they were declared
}

// newContent takes the header. A message with NUL in it, which marks boundaries here, has
// no digest: nil.
func newContent(h *message.Header) *content {
	c := &content{hash: sha256.New()}
	for _, f := range h.Fields() {
		switch {
		case bytes.IndexByte(f.Raw(), 0) >= 0:
			return nil
		case varies(f):
		case f.Is("Content-Type"):
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
	if c == nil || bytes.IndexByte(body, 0) >= 0 {
		return d, false
	}
	c.body(body)
	c.hash.Sum(d[:0])
	return d, true
}

// varies reports whether a field tells when and for whom a message is, or by which way it
// came. These differ in messages that are otherwise the same.
func varies(f message.Field) bool {
	return slices.ContainsFunc([]string{"Received", "Date", "Message-ID", "To", "Cc", "List-Unsubscribe"}, f.Is)
}

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
	if err != nil || !strings.HasPrefix(kind, "multipart/") || !fits(boundary) || len(c.boundaries) == mostBoundaries ||
		at < 0 || !bytes.HasPrefix(bytes.TrimPrefix(field[at+len(boundaryParam):], []byte(`"`)), boundary) {
		c.hash.Write(field)
		return
	}
	at += len(boundaryParam)
	at += bytes.Index(field[at:], boundary)
	c.hash.Write(field[:at])
	c.marker(len(c.boundaries))
	c.hash.Write(field[at+len(boundary):])
	c.boundaries = append(c.boundaries, boundary)
}

// fits reports whether a boundary keeps to the grammar (RFC 2046 5.1.1). Another might be
// taken for something else by those that look for it.
func fits(boundary []byte) bool {
	const bchars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? "
	return len(boundary) > 0 && len(boundary) <= 70 && len(bytes.Trim(boundary, bchars)) == 0
}

// delimiter takes a line that begins with two hyphens, and reports whether it begins a part.
func (c *content) delimiter(line []byte) (begins bool) {
	for i, boundary := range c.boundaries {
		rest, found := bytes.CutPrefix(line[len(dashes):], boundary)
		after := bytes.Trim(rest, " \t\r\n")
		if found && (len(after) == 0 || bytes.Equal(after, dashes)) {
			c.hash.Write(dashes)
			c.marker(i)
			c.hash.Write(rest)
			return len(after) == 0
		}
	}
	c.hash.Write(line)
	return false
}

// marker stands for a boundary.
func (c *content) marker(i int) { c.hash.Write([]byte{0, byte(i)}) }

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
