package lint

import (
	"fmt"
	"strings"
)

// Rules on how the entities of a message are put together.

// maxBoundary is the most characters of a boundary (RFC 2046 5.1.1).
const maxBoundary = 70

// What a sane message stays under, well within the parser's own bounds.
const (
	maxSaneDepth = 20
	maxSaneParts = 500
)

// isMultipart reports whether the entity is declared to be one, with a boundary or without.
func (p *part) isMultipart() bool { return strings.HasPrefix(p.contentType.value, "multipart/") }

func boundaryMissing(b *body, p *part) {
	switch {
	case !p.isMultipart() || p.cut || p.encoded(): // M06 speaks of the encoded ones
	case p.kind != multipart:
		b.found(p, p.where(), shown(p.contentType.value)+" without a boundary parameter")
	case p.children == 0 && !p.closed && !p.preamble && p.parent != nil:
		// Outlook leaves such empty ones: there is nothing in them to hide.
		b.findings.add(b.rule, Warn, p.where(), shown(p.contentType.value)+" without any part")
	case p.children == 0 && !p.closed:
		b.found(p, p.where(), "boundary "+shown(p.boundary)+" never appears")
	case p.children == 0:
		b.found(p, p.where(), "boundary "+shown(p.boundary)+" appears only as the closing one")
	}
}

func boundaryUnclosed(b *body, p *part) {
	if p.kind == multipart && p.children > 0 && !p.closed && !p.cut && !p.encoded() {
		b.found(p, p.where(), shown("--"+string(p.boundary)+"--"))
	}
}

func boundaryIllegal(b *body, p *part) {
	if !p.isMultipart() {
		return
	}
	boundary, _ := p.contentType.param("boundary")
	if len(boundary) > maxBoundary {
		b.found(p, p.where(), fmt.Sprintf("%d characters: %s", len(boundary), shown(boundary)))
		return
	}
	if strings.ContainsFunc(boundary, illegalInBoundary) || strings.HasSuffix(boundary, " ") {
		b.found(p, p.where(), shown(boundary))
	}
}

// illegalInBoundary is the complement of bchars (RFC 2046 5.1.1).
func illegalInBoundary(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		return false
	}
	return !strings.ContainsRune("'()+_,-./:=? ", r)
}

func mimeRepeated(b *body, p *part) {
	if p.types > 1 {
		b.found(p, p.fieldPlace("Content-Type[2]"), fmt.Sprintf("%d fields", p.types))
	}
	if p.encodings > 1 {
		b.found(p, p.fieldPlace("Content-Transfer-Encoding[2]"), fmt.Sprintf("%d fields", p.encodings))
	}
}

// fieldPlace names a field of the entity's header, e.g. "1.2 Content-Type[2]".
func (p *part) fieldPlace(field string) string {
	if p.parent == nil {
		return field
	}
	return p.where() + " " + field
}

// encodedComposite leaves out what internationalized mail may encode: RFC 6532
// 3.7 (message/global) and RFC 6533 (its delivery and disposition reports).
func encodedComposite(b *body, p *part) {
	composite := p.isMultipart() || strings.HasPrefix(p.contentType.value, "message/")
	if composite && p.encoded() && !strings.HasPrefix(p.contentType.value, "message/global") {
		b.found(p, p.fieldPlace("Content-Transfer-Encoding[1]"), p.encoding+" on "+shown(p.contentType.value))
	}
}

func structureSize(b *body, p *part) {
	if p.depth > maxSaneDepth && !b.deep {
		b.deep = true
		b.found(p, p.where(), fmt.Sprintf("nested %d deep, at most %d", p.depth, maxSaneDepth))
	}
	if p.contentType.cut || p.disposition.cut { // one of the rest may be the name that a client takes
		b.found(p, p.where(), fmt.Sprintf("a field with more than %d parameters", maxParams))
	}
	if b.parser.parts == maxSaneParts+1 {
		b.found(p, p.where(), fmt.Sprintf("more than %d parts", maxSaneParts))
	}
}
