package survival

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"slices"
	"strings"
)

// mended is a message in a form that nothing has to be done to at delivery.
type mended struct {
	root  root
	text  []byte
	parts []mendedPart
}

type mendedPart struct{ rule, where, detail string }

// mend encodes the parts of a body that the MTA would change, and leaves the rest
// as it is: forwarded messages, which are somebody else's, preambles, and what is
// encoded in a way that is not known. An error, or content that would not be the
// same as before, says that nothing can be done.
func mend(r root, text []byte, limit int) (mended, error) {
	n, err := parse(r, text)
	if err != nil {
		return mended{}, err
	}
	m := mender{text: text, limit: limit, out: mended{root: r}}
	m.entity(n)
	m.out.text = apply(text, span{0, len(text)}, m.changes)
	after, err := parse(m.out.root, m.out.text)
	if err != nil || !sameContent(text, n, m.out.text, after) {
		return mended{}, errUnclear
	}
	return m.out, nil
}

// mender gathers what is to be changed.
type mender struct {
	text    []byte
	limit   int
	changes []change
	out     mended
}

// change puts text in the place of a span.
type change struct {
	span
	text []byte
}

func (m *mender) entity(n *node) {
	if n.isMultipart() {
		for _, part := range n.parts {
			m.entity(part)
		}
		if n.isEightBit() && isASCII(apply(m.text, n.content, m.changes)) {
			m.label(n, "7bit")
		}
		return
	}
	octets := m.text[n.content.from:n.content.to]
	rule := LongBodyLine
	switch isLong := longestLine(octets) > m.limit; {
	case n.isEightBit():
		rule = EightBit
		if !isLong && isASCII(octets) {
			m.encoded(n, rule, "7bit")
			return
		}
	case !isLong:
		return
	}
	encoding := n.encoding
	if n.isIdentity() {
		encoding = encodingFor(n.mediaType)
	}
	octets, ok := decode(n.encoding, octets)
	if !ok || encoding == "" {
		return
	}
	m.changes = append(m.changes, change{n.content, encode(encoding, octets, n.path == "")})
	m.encoded(n, rule, encoding)
}

// encodingFor is how data of a type is encoded best, "" if it must not be (RFC 2046 5.2).
func encodingFor(mediaType string) string {
	switch kind, _, _ := strings.Cut(mediaType, "/"); kind {
	case "text":
		return "quoted-printable"
	case "message":
		return ""
	default:
		return "base64"
	}
}

func (m *mender) encoded(n *node, rule, encoding string) {
	m.label(n, encoding)
	where := n.path
	if where == "" {
		where = "body"
	}
	m.out.parts = append(m.out.parts, mendedPart{rule, where, n.mediaType + " as " + encoding})
}

// label has an entity say that it is encoded so.
func (m *mender) label(n *node, encoding string) {
	switch {
	case n.encoding == encoding:
	case n.path == "":
		m.out.root.encoding = encoding
	default:
		m.changes = append(m.changes, change{n.label, []byte("Content-Transfer-Encoding: " + encoding + "\r\n")})
	}
}

// apply returns a span of a text with the changes that fall into it.
func apply(text []byte, s span, changes []change) []byte {
	ordered := slices.Clone(changes)
	slices.SortFunc(ordered, func(a, b change) int { return a.from - b.from })
	var out []byte
	at := s.from
	for _, c := range ordered {
		if c.from < s.from || c.to > s.to {
			continue
		}
		out = append(append(out, text[at:c.from]...), c.text...)
		at = c.to
	}
	return append(out, text[at:s.to]...)
}

func isASCII(text []byte) bool {
	return !slices.ContainsFunc(text, func(c byte) bool { return c > 127 })
}

// encode encodes octets. What is the message's own body ends with a line end.
func encode(encoding string, octets []byte, whole bool) []byte {
	var b bytes.Buffer
	if encoding == "quoted-printable" {
		w := quotedprintable.NewWriter(&b)
		w.Write(octets) // to a Buffer, which does not fail
		w.Close()
		return b.Bytes()
	}
	const width = 76 / 4 * 3 // octets of a line (RFC 2045 6.8)
	for piece := range slices.Chunk(octets, width) {
		if b.Len() > 0 {
			b.Write(crlf)
		}
		b.WriteString(base64.StdEncoding.EncodeToString(piece))
	}
	if whole {
		b.Write(crlf)
	}
	return b.Bytes()
}

// decode returns the octets of a content. It fails on what is not encoded as it says.
func decode(encoding string, text []byte) (octets []byte, ok bool) {
	var err error
	switch encoding {
	case "7bit", "8bit", "binary":
		return text, true
	case "quoted-printable":
		octets, err = io.ReadAll(quotedprintable.NewReader(bytes.NewReader(text)))
	case "base64":
		octets, err = base64.StdEncoding.DecodeString(string(bytes.Map(dropBlank, text)))
	default:
		return nil, false
	}
	return octets, err == nil
}

// dropBlank leaves out what programs put between the characters of base64.
func dropBlank(r rune) rune {
	if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
		return -1
	}
	return r
}

// sameContent holds two messages against each other: their structure, and the
// decoded content of each part. What can't be decoded must be the same octets.
func sameContent(text1 []byte, n1 *node, text2 []byte, n2 *node) bool {
	if n1.path != n2.path || n1.mediaType != n2.mediaType {
		return false
	}
	if n1.isMultipart() {
		return slices.EqualFunc(n1.parts, n2.parts, func(p1, p2 *node) bool { return sameContent(text1, p1, text2, p2) })
	}
	raw1, raw2 := text1[n1.content.from:n1.content.to], text2[n2.content.from:n2.content.to]
	octets1, ok1 := decode(n1.encoding, raw1)
	octets2, ok2 := decode(n2.encoding, raw2)
	if !ok1 || !ok2 {
		return n1.encoding == n2.encoding && bytes.Equal(raw1, raw2)
	}
	return bytes.Equal(octets1, octets2)
}
