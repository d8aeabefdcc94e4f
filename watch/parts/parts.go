// Package parts takes a stored message apart: header, MIME structure, decoded
// bodies. It is made for what strangers send to a bounce address: it goes on where
// net/mail and mime/multipart give up (a line that is no field, raw 8-bit octets, a
// boundary that never closes), and depth, parts and fields are bounded. What a part
// means is for others to say.
package parts

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
)

// Bounds. What lies beyond them is left out, never an error: a report that needs
// more is none.
const (
	maxDepth  = 12
	maxParts  = 256 // in the whole message
	maxFields = 512 // of one header
	maxValue  = 8 << 10
	maxText   = 256 << 10
)

// Part is a message or a part of one.
type Part struct {
	Header Header
	Type   string            // lower case, such as "text/plain"
	Params map[string]string // of Content-Type, names in lower case
	Body   []byte            // as it stands, still encoded
	Parts  []*Part           // of a multipart; the one message in a message/rfc822 or message/global
}

// Read takes a message apart. It never fails: what can't be understood is text.
func Read(message []byte) *Part {
	r := reader{left: maxParts}
	return r.part(stored(message), "text/plain", 0)
}

// stored takes off what mailboxes and mail programs put before a message: empty lines,
// and the line of an mbox; and it has lines end as elsewhere where they end in CR alone.
func stored(message []byte) []byte {
	if !bytes.Contains(message, []byte("\n")) {
		message = bytes.ReplaceAll(message, []byte("\r"), []byte("\n"))
	}
	for {
		line, next := cutLine(message, 0)
		empty := len(bytes.TrimSpace(line)) == 0
		if next == 0 || !empty && !bytes.HasPrefix(line, []byte("From ")) && !bytes.HasPrefix(line, []byte(">From ")) {
			return message
		}
		message = message[next:]
	}
}

type reader struct{ left int }

func (r *reader) part(data []byte, usual string, depth int) *Part {
	r.left--
	header, body := cutHeader(data)
	p := &Part{Header: ParseHeader(header), Body: body}
	p.Type, p.Params = contentType(p.Header.Get("Content-Type"), usual)
	switch {
	case depth >= maxDepth:
	case strings.HasPrefix(p.Type, "multipart/"):
		r.multipart(p, depth)
	case p.Type == "message/rfc822" || p.Type == "message/global":
		if r.left > 0 {
			p.Parts = []*Part{r.part(p.Decoded(), "text/plain", depth+1)}
		}
	}
	return p
}

func (r *reader) multipart(p *Part, depth int) {
	pieces := cutMultipart(p.Body, p.Params["boundary"], r.left)
	if len(pieces) == 0 {
		pieces = cutMultipart(p.Body, guessBoundary(p.Body), r.left)
	}
	usual := "text/plain"
	if p.Type == "multipart/digest" {
		usual = "message/rfc822" // RFC 2046 5.1.5
	}
	for _, piece := range pieces {
		if r.left <= 0 {
			return
		}
		p.Parts = append(p.Parts, r.part(piece, usual, depth+1))
	}
}

// cutHeader splits at the first empty line. A message that begins with no field has
// no header at all.
func cutHeader(data []byte) (header, body []byte) {
	for at := 0; at < len(data); {
		line, next := cutLine(data, at)
		if len(line) == 0 {
			return data[:at], data[next:]
		}
		at = next
	}
	return data, nil
}

// cutLine returns the line at an offset without its end, and where the next begins.
func cutLine(data []byte, at int) (line []byte, next int) {
	i := bytes.IndexByte(data[at:], '\n')
	if i < 0 {
		return data[at:], len(data)
	}
	return bytes.TrimSuffix(data[at:at+i], []byte("\r")), at + i + 1
}

// guessBoundary returns the boundary of a body whose header names none, or one that is
// not there, as where somebody on the way wrote the header anew: that of the first line
// that looks like a delimiter and has a field of a part below it.
func guessBoundary(body []byte) string {
	m := delimiter.FindSubmatch(body)
	if m == nil {
		return ""
	}
	return string(m[1])
}

var delimiter = regexp.MustCompile(`(?mi)^--(\S{1,200})[ \t]*\r?\n(?:Content-[A-Za-z-]+[ \t]*:)`)

// cutMultipart returns what stands between the delimiter lines of a boundary, at
// most so many pieces. A last one that never closes counts (RFC 2046 5.1.1 wants
// it closed; what was cut off on the way is not).
func cutMultipart(body []byte, boundary string, most int) [][]byte {
	if boundary == "" {
		return nil
	}
	var pieces [][]byte
	delimiter := []byte("--" + boundary)
	start := -1
	for at := 0; at < len(body) && len(pieces) < most; {
		line, next := cutLine(body, at)
		if rest, ok := bytes.CutPrefix(line, delimiter); ok {
			rest = bytes.TrimRight(rest, " \t")
			last := string(rest) == "--"
			if last || len(rest) == 0 {
				if start >= 0 {
					pieces = append(pieces, trimLineEnd(body[start:at]))
				}
				start = next
				if last {
					return pieces
				}
			}
		}
		at = next
	}
	if start >= 0 && start < len(body) && len(pieces) < most {
		pieces = append(pieces, body[start:])
	}
	return pieces
}

// trimLineEnd takes off the line end that belongs to the delimiter behind it.
func trimLineEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// contentType reads a Content-Type, also one with malformed parameters.
func contentType(value, usual string) (string, map[string]string) {
	if value == "" {
		return usual, nil
	}
	if kind, params, err := mime.ParseMediaType(value); err == nil {
		return kind, params
	}
	kind, rest, _ := strings.Cut(value, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if !strings.Contains(kind, "/") {
		return usual, nil
	}
	params := map[string]string{}
	for p := range strings.SplitSeq(rest, ";") {
		name, v, _ := strings.Cut(p, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := params[name]; !twice {
			params[name] = strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return kind, params
}

// Text returns the body as text in UTF-8: decoded, html without its tags, cut at a bound.
func (p *Part) Text() string {
	decoded := p.Decoded()
	text := inCharset(decoded[:min(len(decoded), maxText)], p.Params["charset"])
	if p.Type == "text/html" {
		text = stripTags(text)
	}
	return text
}

// Each calls visit for the part and all below it, outermost first.
func (p *Part) Each(visit func(*Part)) {
	visit(p)
	for _, child := range p.Parts {
		child.Each(visit)
	}
}
