package survival

import (
	"bytes"
	"errors"
	"mime"
	"slices"
	"strconv"
	"strings"

	"pratique/message"
)

// errUnclear says that programs may disagree on where the parts of a message are,
// or that they must not be touched: it is not mended.
var errUnclear = errors.New("not plainly well formed, or signed")

// maxTreeDepth bounds the nesting of what is mended.
const maxTreeDepth = 20

// root is what the header of a message says of its body.
type root struct {
	contentType string
	encoding    string // the Content-Transfer-Encoding
}

// readRoot reads the fields on the body. Fields that are repeated make it unclear, and so does a signature.
func readRoot(h *message.Header) (root, error) {
	for _, name := range []string{"DKIM-Signature", "DomainKey-Signature", "ARC-Message-Signature", "ARC-Seal"} {
		if h.Count(name) > 0 {
			return root{}, errUnclear
		}
	}
	if h.Count("Content-Type") > 1 || h.Count("Content-Transfer-Encoding") > 1 {
		return root{}, errUnclear
	}
	var r root
	if f, ok := h.First("Content-Type"); ok {
		r.contentType = f.Unfolded()
	}
	if f, ok := h.First("Content-Transfer-Encoding"); ok {
		r.encoding = f.Unfolded()
	}
	return r, nil
}

// node is an entity of a message whose body is in memory. The numbers are
// offsets in that body.
type node struct {
	path      string // "" the message itself, "1.2"
	mediaType string // lower case
	encoding  string // lower case, "7bit" if there is none
	label     span   // the field that says so, or where it belongs; nothing for the message itself
	content   span
	parts     []*node // of a multipart
}

type span struct{ from, to int }

// parse takes a body apart, forwarded messages as a whole. It is strict where
// body is as lax as Postfix: what may be read in two ways is an error.
func parse(r root, text []byte) (*node, error) {
	if bytes.ContainsAny(bytes.ReplaceAll(text, crlf, nil), "\r\n\x00") {
		return nil, errUnclear
	}
	t := tree{text}
	n := &node{content: span{0, len(text)}}
	return n, t.fill(n, r.contentType, r.encoding, "text/plain", 0)
}

var crlf = []byte("\r\n")

type tree struct{ text []byte }

// fill sets what the fields of an entity say, and takes a multipart apart.
func (t tree) fill(n *node, contentType, encoding, byDefault string, depth int) error {
	n.mediaType, n.encoding = byDefault, "7bit"
	if contentType != "" {
		n.mediaType = strings.ToLower(firstToken(contentType))
	}
	if encoding != "" {
		n.encoding = strings.ToLower(firstToken(encoding))
	}
	if isSealed(n.mediaType) || depth > maxTreeDepth {
		return errUnclear
	}
	if !n.isMultipart() {
		return nil
	}
	_, params, err := mime.ParseMediaType(contentType)
	if boundary := params["boundary"]; err == nil && boundary != "" && boundary == boundaryOf(contentType) && n.isIdentity() {
		return t.split(n, []byte("--"+boundary), depth)
	}
	return errUnclear
}

func (n *node) isMultipart() bool { return strings.HasPrefix(n.mediaType, "multipart/") }

// isIdentity reports that the octets are those of the content (RFC 2045 6.2).
func (n *node) isIdentity() bool { return n.encoding == "7bit" || n.isEightBit() }

func (n *node) isEightBit() bool { return n.encoding == "8bit" || n.encoding == "binary" }

// isSealed reports the types of what is signed or encrypted end to end (RFC 1847, RFC 3156, RFC 8551).
func isSealed(mediaType string) bool {
	return slices.Contains([]string{
		"multipart/signed", "multipart/encrypted", "application/pgp-signature", "application/pgp-encrypted",
		"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pkcs7-signature", "application/x-pkcs7-signature",
	}, mediaType)
}

// line returns where the line that begins at from ends, and its text without its end.
func (t tree) line(from, limit int) (next int, text []byte) {
	if i := bytes.Index(t.text[from:limit], crlf); i >= 0 {
		return from + i + len(crlf), t.text[from : from+i]
	}
	return limit, t.text[from:limit]
}

// split finds the parts of a multipart (RFC 2046 5.1.1).
func (t tree) split(n *node, delimiter []byte, depth int) error {
	begin, closed := -1, false
	for at, next := n.content.from, 0; at < n.content.to; at = next {
		var line []byte
		next, line = t.line(at, n.content.to)
		rest, ok := bytes.CutPrefix(line, delimiter)
		if !ok {
			continue
		}
		rest = bytes.TrimRight(rest, " \t")
		closing := string(rest) == "--"
		if closed || len(rest) > 0 && !closing {
			return errUnclear
		}
		if begin >= 0 {
			if err := t.part(n, span{begin, at}, depth+1); err != nil {
				return err
			}
		}
		begin, closed = next, closing
	}
	if !closed {
		return errUnclear
	}
	return nil
}

// part reads the part between two delimiter lines. The line end before the second one is none of it.
func (t tree) part(parent *node, s span, depth int) error {
	n := &node{path: strconv.Itoa(len(parent.parts) + 1)}
	if parent.path != "" {
		n.path = parent.path + "." + n.path
	}
	parent.parts = append(parent.parts, n)
	fields, start, err := t.header(s)
	if err != nil {
		return err
	}
	n.content = span{start, max(start, s.to-len(crlf))}
	n.label = span{start - len(crlf), start - len(crlf)} // before the empty line
	var contentType, encoding field
	for _, f := range fields {
		kept := &contentType
		switch {
		case strings.EqualFold(f.name, "Content-Transfer-Encoding"):
			kept, n.label = &encoding, f.span
		case !strings.EqualFold(f.name, "Content-Type"):
			continue
		}
		if kept.name != "" {
			return errUnclear
		}
		*kept = f
	}
	byDefault := "text/plain"
	if parent.mediaType == "multipart/digest" {
		byDefault = "message/rfc822" // RFC 2046 5.1.5
	}
	return t.fill(n, contentType.value, encoding.value, byDefault, depth)
}

type field struct {
	name, value string
	span
}

// header reads fields up to the empty line, which has to come.
func (t tree) header(s span) (fields []field, start int, err error) {
	for at, next := s.from, 0; at < s.to; at = next {
		var line []byte
		next, line = t.line(at, s.to)
		last := len(fields) - 1
		switch {
		case len(line) == 0:
			return fields, next, nil
		case (line[0] == ' ' || line[0] == '\t') && last >= 0:
			fields[last].value += string(line)
			fields[last].to = next
		case isField(line):
			name, value, _ := strings.Cut(string(line), ":")
			fields = append(fields, field{strings.TrimRight(name, " \t"), value, span{at, next}})
		default:
			return nil, 0, errUnclear
		}
	}
	return nil, 0, errUnclear
}
