package survival

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// structure takes a line, cut to maxHeld, for what it is in the structure of the message.
func (b *body) structure(line []byte) {
	if i, closing := b.delimiter(line); i >= 0 {
		b.endField() // the header that this ends, if one is open, opens nothing
		b.header = false
		b.stack = b.stack[:i+1]
		if closing {
			b.top().boundary = ""
			return
		}
		b.push()
		return
	}
	if !b.header {
		return
	}
	switch {
	case len(line) == 0:
		b.endHeader()
	case (line[0] == ' ' || line[0] == '\t') && len(b.fields) > 0:
		b.keep(line)
	case isField(line):
		b.endField()
		b.at = b.line
		b.keep(line)
	default:
		b.endHeader() // the body began without an empty line
	}
}

// delimiter finds the innermost multipart whose boundary line this is. Postfix
// takes any line for it that begins with the boundary, whatever follows.
func (b *body) delimiter(line []byte) (index int, closing bool) {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	for i := len(b.stack) - 1; i >= 0; i-- {
		boundary := b.stack[i].boundary
		if boundary == "" {
			continue
		}
		if rest, ok := bytes.CutPrefix(line[2:], []byte(boundary)); ok {
			return i, bytes.HasPrefix(rest, []byte("--"))
		}
	}
	return -1, false
}

// push begins the next entity inside the innermost one.
func (b *body) push() {
	if len(b.stack) > maxDepth {
		return
	}
	parent := b.top()
	parent.children++
	path := strconv.Itoa(parent.children)
	if parent.path != "" {
		path = parent.path + "." + path
	}
	mediaType := "text/plain"
	if parent.mediaType == "multipart/digest" {
		mediaType = "message/rfc822" // RFC 2046 5.1.5
	}
	b.stack = append(b.stack, &entity{path: path, mediaType: mediaType})
	b.header = true
}

// endHeader begins the body of the innermost entity: that of a message is another header.
func (b *body) endHeader() {
	b.endField()
	b.header = false
	e := b.top()
	if !strings.HasPrefix(e.mediaType, "multipart/") {
		e.boundary = ""
	}
	if e.mediaType == "message/rfc822" || e.mediaType == "message/global" {
		b.push()
	}
}

func (b *body) keep(line []byte) {
	if len(b.fields)+len(line) <= maxField {
		b.fields = append(b.fields, line...)
	}
}

// endField takes the field that was read over.
func (b *body) endField() {
	name, value, ok := bytes.Cut(b.fields, []byte(":"))
	if ok {
		b.field(string(bytes.TrimRight(name, " \t")), string(bytes.TrimSpace(value)), b.top().where(b.at))
	}
	b.fields = b.fields[:0]
}

// isField reports whether a line begins a header field.
func isField(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	return colon > 0 && !bytes.ContainsAny(bytes.TrimRight(line[:colon], " \t"), " \t")
}

// firstToken returns the first word of a value, comments left out. A quoted
// string is none: Postfix takes "8bit" in quotes for something else than 8bit.
func firstToken(value string) string {
	depth := 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0 || c == ' ' || c == '\t' || c == '\r' || c == '\n':
		default:
			if end := strings.IndexAny(value[i:], " \t\r\n;("); end >= 0 {
				return value[i : i+end]
			}
			return value[i:]
		}
	}
	return ""
}

// boundary finds the parameter in a Content-Type.
var boundary = regexp.MustCompile(`(?i);\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))`)

func boundaryOf(value string) string {
	if !strings.ContainsAny(value, "yY") {
		return ""
	}
	found := boundary.FindStringSubmatch(value)
	if found == nil {
		return ""
	}
	text := found[2]
	if found[1] != "" {
		text = strings.NewReplacer(`\\`, `\`, `\`, "").Replace(found[1])
	}
	return text[:min(len(text), maxHeld-2)]
}
