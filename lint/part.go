package lint

import (
	"bytes"
	"strconv"
	"strings"
)

// part is one entity of a message (RFC 2045 2.4): the message itself, a body part
// of a multipart, or the message inside a message/rfc822. It lives while it is
// open; what the rules want to know of it later they keep themselves.
type part struct {
	parent *part // nil: the message itself
	number int   // among the parts of its parent, from 1
	depth  int   // 0 for the message itself
	begins int   // the line on which its header begins; 0 for the message itself

	kind        kind
	contentType contentType
	disposition contentType
	encoding    string // lower case; "" if there is no Content-Transfer-Encoding
	types       int    // Content-Type fields
	encodings   int    // Content-Transfer-Encoding fields
	forwarded   bool   // inside a message/rfc822
	fileName    string // decoded; "" if it has none
	rawName     string // a file name parameter as it stands, if that is not ASCII
	contentID   string // what cid: URLs name it by (RFC 2392); "" if there is no Content-ID

	boundary []byte // of a multipart, cut to what a line can hold
	padding  []byte // the white space that the parameter has behind it
	preamble bool   // of a multipart: it has text that is in none of its parts
	children int    // parts begun so far
	closed   bool   // the closing boundary was seen
	cut      bool   // the parser stopped inside it

	long   spots  // lines over 998 octets
	wide   spots  // lines of encoded data over 76 octets
	eight  spots  // lines of a leaf's data with octets above 127
	bare   spots  // lines with a bare CR, a bare LF or NUL
	faults faults // which of these

	rules partRules
}

// kind is how the parser reads the body of an entity.
type kind uint8

const (
	leaf      kind = iota // data
	multipart             // parts between boundaries
	container             // a message/rfc822: another entity
)

// spots are the lines on which something was seen: the first one, and how many.
type spots struct {
	first int
	count int
}

func (s *spots) add(line int) {
	if s.count == 0 {
		s.first = line
	}
	s.count++
}

// path names the entity: "" the message itself, "2" its second body part, "2.1"
// the first one in that. The message inside a message/rfc822 counts as its only part.
func (p *part) path() string {
	if p.parent == nil {
		return ""
	}
	number := strconv.Itoa(p.number)
	if up := p.parent.path(); up != "" {
		return up + "." + number
	}
	return number
}

// where names the entity in a finding.
func (p *part) where() string {
	if path := p.path(); path != "" {
		return path
	}
	return "body"
}

// line names a line in a finding, e.g. "1.2 line 7": lines are counted from 1,
// from the first line of the body of the message.
func (p *part) line(n int) string { return p.where() + " line " + strconv.Itoa(n) }

// is reports whether the entity has this media type.
func (p *part) is(mediaType string) bool { return p.contentType.value == mediaType }

// attached reports whether the entity is an attachment rather than something to read.
func (p *part) attached() bool {
	return p.disposition.value == "attachment" || p.fileName != ""
}

// partFields are the header fields of an entity that matter here.
type partFields struct {
	contentType, encoding, disposition, id []string // unfolded values, in order
}

// set takes the fields over. byDefault is the media type of an entity without Content-Type.
func (p *part) set(f partFields, byDefault string) {
	p.types, p.encodings = len(f.contentType), len(f.encoding)
	p.contentType = contentType{value: byDefault}
	if p.types > 0 {
		p.contentType = parseContentType(f.contentType[0])
		if !strings.Contains(p.contentType.value, "/") {
			p.contentType.value = "text/plain" // RFC 2045 5.2
		}
	}
	if p.encodings > 0 {
		p.encoding = strings.ToLower(strings.Trim(stripComments(f.encoding[0]), "\" \t")) // some put it in quotes
	}
	if len(f.disposition) > 0 {
		p.disposition = parseContentType(f.disposition[0])
		for _, further := range f.disposition[1:] { // some programs go by the last one
			more := parseContentType(further)
			p.disposition.params = append(p.disposition.params, more.params...)
			p.disposition.cut = p.disposition.cut || more.cut
		}
	}
	if len(f.id) > 0 {
		p.contentID = strings.Trim(stripComments(f.id[0]), "<> \t")
	}
	p.setFileName()
	p.setKind()
}

func (p *part) setFileName() {
	name, ok := p.disposition.param("filename")
	if !ok {
		name, _ = p.contentType.param("name")
	}
	p.fileName = decodedWords(name)
	for _, c := range []contentType{p.contentType, p.disposition} {
		for _, param := range c.params {
			if strings.HasPrefix(param.name, "name") || strings.HasPrefix(param.name, "filename") {
				if !ascii(param.value) {
					p.rawName = param.value
				}
			}
		}
	}
}

// setKind decides how the body is read. A message/rfc822 that is encoded, against
// RFC 2045 6.4, is data; a multipart that says so never is, in practice.
// RFC 6532 3.7 allows message/global to be encoded.
func (p *part) setKind() {
	switch {
	case strings.HasPrefix(p.contentType.value, "multipart/"):
		boundary, _ := p.contentType.param("boundary")
		// It may not end in white space (RFC 2046 5.1.1), which could not be told
		// from what transports pad lines with.
		trimmed := strings.TrimRight(boundary, " \t")
		if trimmed != "" {
			p.kind = multipart
			p.boundary = []byte(trimmed[:min(len(trimmed), maxLine)])
			p.padding = []byte(boundary[len(trimmed):])
		}
	case (p.is("message/rfc822") || p.is("message/global")) && !p.encoded():
		p.kind = container
	}
}

// encoded reports whether the body is base64 or quoted-printable data.
func (p *part) encoded() bool {
	return p.encoding == "base64" || p.encoding == "quoted-printable"
}

// parseFields reads the fields of a part's header from its lines.
func parseFields(lines []byte) partFields {
	var f partFields
	for len(lines) > 0 {
		n := fieldLength(lines)
		field := lines[:n]
		lines = lines[n:]
		name, value, ok := bytes.Cut(field, []byte(":"))
		if !ok || len(name) < len("content-") || !bytes.EqualFold(name[:len("content-")], []byte("content-")) {
			continue
		}
		f.add(string(bytes.TrimRight(name, " \t")), unfold(value))
	}
	return f
}

func (f *partFields) add(name, value string) {
	switch {
	case strings.EqualFold(name, "Content-Type"):
		f.contentType = append(f.contentType, value)
	case strings.EqualFold(name, "Content-Transfer-Encoding"):
		f.encoding = append(f.encoding, value)
	case strings.EqualFold(name, "Content-Disposition"):
		f.disposition = append(f.disposition, value)
	case strings.EqualFold(name, "Content-ID"):
		f.id = append(f.id, value)
	}
}

// fieldLength returns the length of the first field with its continuation lines.
func fieldLength(lines []byte) int {
	n := 0
	for {
		i := bytes.IndexByte(lines[n:], '\n')
		if i < 0 {
			return len(lines)
		}
		n += i + 1
		if n == len(lines) || lines[n] != ' ' && lines[n] != '\t' {
			return n
		}
	}
}

// unfold removes line ends and the white space around the value.
func unfold(value []byte) string {
	return string(bytes.Trim(bytes.ReplaceAll(value, []byte("\n"), nil), " \t\r"))
}
