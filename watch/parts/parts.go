// Package parts takes a stored message apart: header, MIME structure, decoded
// bodies. It is made for what strangers send to a bounce address: it goes on where
// net/mail and mime/multipart give up (a line that is no field, raw 8-bit octets, a
// boundary that never closes), and depth, parts and fields are bounded. What a part
// means is for others to say.
package parts

import (
	"bytes"
	"encoding/base64"
	"html"
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

// Field is one header field, unfolded, with encoded-words decoded where that works.
type Field struct{ Name, Value string }

// Header is the fields of a header, or of a group of fields in a report.
type Header []Field

// Get returns the value of the topmost field of that name, in any case, or "".
func (h Header) Get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// All returns the values of all fields of that name, from the top.
func (h Header) All(name string) []string {
	var values []string
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

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

// ParseHeader reads a block of fields. Lines that are none are passed over.
func ParseHeader(block []byte) Header {
	var h Header
	decoder := &mime.WordDecoder{CharsetReader: charsetReader}
	for at := 0; at < len(block) && len(h) < maxFields; {
		var line []byte
		line, at = cutLine(block, at)
		var folded []byte
		for at < len(block) && (block[at] == ' ' || block[at] == '\t' || lostFold(line, block[at:])) {
			var more []byte
			more, at = cutLine(block, at)
			if len(folded) < maxValue {
				folded = append(append(folded, ' '), bytes.TrimSpace(more)...)
			}
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			continue
		}
		text := strings.TrimSpace(string(bytes.TrimSpace(value)) + string(folded))
		if len(text) > maxValue {
			text = text[:maxValue]
		}
		if strings.Contains(text, "=?") {
			if decoded, err := decoder.DecodeHeader(text); err == nil {
				text = decoded
			}
		}
		h = append(h, Field{string(name), toUTF8(text)})
	}
	return h
}

// lostFold reports whether a line goes on in the next one though that begins with no
// space: a parameter that a broken program put on a line of its own.
func lostFold(line, rest []byte) bool {
	return bytes.HasSuffix(bytes.TrimRight(line, " \t"), []byte(";")) && parameter.Match(rest[:min(len(rest), 80)])
}

var parameter = regexp.MustCompile(`(?i)\A(?:boundary|charset|report-type|name)[ \t]*=`)

// Groups splits a body into the groups of fields that empty lines separate, as in
// message/delivery-status (RFC 3464 2.1); at most so many.
func Groups(body []byte, most int) []Header {
	var groups []Header
	start := 0
	flush := func(end int) {
		if h := ParseHeader(body[start:end]); len(h) > 0 && len(groups) < most {
			groups = append(groups, h)
		}
	}
	for at := 0; at < len(body); {
		line, next := cutLine(body, at)
		if len(bytes.TrimSpace(line)) == 0 {
			flush(at)
			start = next
		}
		at = next
	}
	flush(len(body))
	return groups
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

// Text returns the body as text in UTF-8: decoded, html without its tags, cut at a bound.
func (p *Part) Text() string {
	decoded := p.Decoded()
	text := inCharset(decoded[:min(len(decoded), maxText)], p.Params["charset"])
	if p.Type == "text/html" {
		text = stripTags(text)
	}
	return text
}

// stripTags turns html into text: what ends a line on the screen ends one here, and
// style and script are left out.
func stripTags(text string) string {
	var b strings.Builder
	for text != "" {
		before, rest, found := strings.Cut(text, "<")
		b.WriteString(before)
		if !found {
			break
		}
		var tag string
		tag, text, _ = strings.Cut(rest, ">")
		switch name := tagName(tag); {
		case name == "style" || name == "script":
			text = behindHidden(text, name)
		case endsLine(strings.TrimPrefix(name, "/")):
			b.WriteByte('\n')
		}
	}
	return html.UnescapeString(b.String())
}

// behindHidden returns what follows the end of an element whose content is no
// text, or nothing if it has no end.
func behindHidden(text, element string) string {
	for text != "" {
		_, rest, _ := strings.Cut(text, "</")
		if len(rest) >= len(element) && strings.EqualFold(rest[:len(element)], element) {
			_, rest, _ = strings.Cut(rest, ">")
			return rest
		}
		text = rest
	}
	return ""
}

// tagName returns the name of a tag in lower case, with its slash if it closes.
func tagName(tag string) string {
	end := 0
	for end < len(tag) && (tag[end] != '/' || end == 0) && !strings.ContainsRune(" \t\r\n", rune(tag[end])) {
		end++
	}
	return strings.ToLower(tag[:end])
}

func endsLine(element string) bool {
	switch element {
	case "br", "p", "div", "tr", "li", "table", "h1", "h2", "h3", "h4", "pre", "hr":
		return true
	}
	return false
}

// Each calls visit for the part and all below it, outermost first.
func (p *Part) Each(visit func(*Part)) {
	visit(p)
	for _, child := range p.Parts {
		child.Each(visit)
	}
}

// ReceivedIDs returns the ids by which servers named a message in its Received
// fields (RFC 5321 4.4), the newest first.
func (h Header) ReceivedIDs() []string {
	var ids []string
	for _, value := range h.All("Received") {
		if m := receivedID.FindStringSubmatch(value); m != nil && len(ids) < maxIDs {
			ids = append(ids, m[1])
		}
	}
	return ids
}

const maxIDs = 20

var receivedID = regexp.MustCompile(`(?i)\sid ([A-Za-z0-9]{6,32})\b`)
