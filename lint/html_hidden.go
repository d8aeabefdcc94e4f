package lint

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/net/html/atom"
)

// The rule on hidden text.

// What a document may hide, in letters, digits and punctuation: a preheader, which
// is the line that mail programs show beside the subject; and several of them,
// because a reply quotes those of others.
const (
	maxHiddenAtOnce = 150
	maxHidden       = 600
)

// maxOpenElements bounds the elements that are followed. What is deeper is taken
// for visible.
const maxOpenElements = 128

// hiddenText follows the open elements and counts the text that is not shown.
//
// Only what an element says itself counts: style attribute, bgcolor, color, hidden.
// An element with a class or an id may be shown by a stylesheet, and mail for
// telephones hides half of itself that way, so what it hides does not count.
type hiddenText struct {
	open   []element
	beyond int  // elements that are open beyond maxOpenElements
	piece  spot // the piece of hidden text that is being read; its count is that of characters
	most   spot // the longest one
	total  int
}

// element is an open one, with what its text looks like.
type element struct {
	name atom.Atom // 0 for those that html does not know
	look
}

// look is what of a style tells whether text is shown. All of it is inherited.
type look struct {
	gone       bool // display: none, or the attribute hidden
	invisible  bool // visibility: hidden
	tiny       bool // font-size: 0
	text, back colour
}

func (l *look) hides() bool {
	return l.gone || l.invisible || l.tiny || l.text.known && l.text == l.back
}

// look is that of the text that stands here.
func (h *hiddenText) look() look {
	if len(h.open) == 0 || h.beyond > 0 {
		return look{}
	}
	return h.open[len(h.open)-1].look
}

func (h *hiddenText) startTag(name atom.Atom, t *tag) {
	if void(name) || t.empty && name == 0 {
		return
	}
	for len(h.open) > 0 && endsBefore(h.open[len(h.open)-1].name, name) {
		h.truncate(len(h.open) - 1)
	}
	if len(h.open) == maxOpenElements {
		h.beyond++
		return
	}
	e := element{name: name, look: h.look()}
	e.look.become(name, t)
	h.open = append(h.open, e)
}

func (h *hiddenText) endTag(name atom.Atom) {
	if h.beyond > 0 {
		h.beyond--
		return
	}
	for i := len(h.open) - 1; i >= 0; i-- {
		if h.open[i].name == name {
			h.truncate(i)
			return
		}
	}
}

// truncate closes the open elements down to n of them, and with them perhaps a piece of hidden text.
func (h *hiddenText) truncate(n int) {
	h.open = h.open[:n]
	if now := h.look(); !now.hides() {
		h.endPiece()
	}
}

func (h *hiddenText) endPiece() {
	if h.piece.count > h.most.count {
		h.most = h.piece
	}
	h.piece = spot{}
}

func (h *hiddenText) write(d *document, b []byte) {
	if now := h.look(); !now.hides() {
		h.endPiece()
		return
	}
	text := unescaped(b)
	n := 0
	for _, r := range text {
		// Preheaders are filled up with characters that show nothing.
		if unicode.In(r, unicode.L, unicode.Nd, unicode.P) {
			n++
		}
	}
	if h.piece.count == 0 && n > 0 {
		h.piece.what, h.piece.line = shown(strings.TrimSpace(text)), d.scanner.line()
	}
	h.piece.count += n
	h.total += n
}

// become is what a start tag does to the look of what stands around it.
func (l *look) become(name atom.Atom, t *tag) {
	switch name {
	case atom.A:
		l.text = colour{} // links have their own
	case atom.Table: // in quirks mode it inherits neither
		l.text, l.tiny = colour{}, false
	}
	gone, styled := l.gone, t.has("class") || t.has("id")
	if styled {
		*l = look{gone: gone}
	}
	if t.has("bgcolor") {
		l.back = parseColour(t.raw("bgcolor"))
	}
	if t.has("background") {
		l.back = colour{}
	}
	if name == atom.Font && t.has("color") {
		l.text = parseColour(t.raw("color"))
	}
	if name == atom.Font && t.has("size") {
		l.tiny = false
	}
	l.gone = l.gone || t.has("hidden")
	eachDeclaration(styleOf(t), l.declare)
	if styled && l.hides() {
		*l = look{gone: gone, back: l.back}
	}
}

// declare applies a declaration.
func (l *look) declare(property, value []byte) {
	switch string(property) {
	case "display":
		l.gone = l.gone || hasPrefixFold(value, "none")
	case "visibility":
		l.invisible = hasPrefixFold(value, "hidden") || l.invisible && hasPrefixFold(value, "inherit")
	case "font-size":
		l.tiny = zeroLength(value) || l.tiny && hasPrefixFold(value, "inherit")
	case "font": // its size is hardly ever 0
		l.tiny = l.tiny && hasPrefixFold(value, "inherit")
	case "color":
		if !hasPrefixFold(value, "inherit") {
			l.text = parseColour(withoutImportant(value))
		}
	case "background-color", "background":
		if !hasPrefixFold(value, "transparent") && !hasPrefixFold(value, "none") {
			l.back = backgroundColour(withoutImportant(value))
		}
	case "background-image":
		l.back = colour{}
	}
}

// zeroLength reports whether a length is 0, whatever its unit.
func zeroLength(value []byte) bool {
	number := bytes.TrimRight(lowered(withoutImportant(value)), "abcdefghijklmnopqrstuvwxyz%")
	return len(number) > 0 && len(bytes.Trim(number, "0.")) == 0
}

func withoutImportant(value []byte) []byte {
	return bytes.TrimSpace(value[:indexOrEnd(value, '!')])
}

// backgroundColour reads the colour of a background, which is not known if there is an image before it.
func backgroundColour(value []byte) colour {
	if bytes.Contains(value, []byte("url(")) || bytes.Contains(value, []byte("gradient")) {
		return colour{}
	}
	if c := parseColour(value); c.known {
		return c
	}
	for word := range bytes.FieldsSeq(value) {
		if c := parseColour(word); c.known {
			return c
		}
	}
	return colour{}
}

// void reports whether an element has no content (HTML 13.1.2).
func void(name atom.Atom) bool {
	switch name {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Param,
		atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

// endsBefore reports whether an open element, whose end tag may be left out, ends
// where the next one begins (HTML 13.1.2.4).
func endsBefore(open, next atom.Atom) bool {
	switch open {
	case atom.P:
		switch next {
		case atom.Address, atom.Article, atom.Blockquote, atom.Center, atom.Div, atom.Dl, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6,
			atom.Ol, atom.P, atom.Pre, atom.Section, atom.Table, atom.Ul:
			return true
		}
	case atom.Li:
		return next == atom.Li
	case atom.Dt, atom.Dd:
		return next == atom.Dt || next == atom.Dd
	case atom.Td, atom.Th:
		return next == atom.Td || next == atom.Th || next == atom.Tr
	case atom.Tr:
		return next == atom.Tr
	}
	return false
}

func hiddenTexts(b *body, p *part) {
	d := p.document()
	if d == nil {
		return
	}
	h := &d.hidden
	if h.most.count > maxHiddenAtOnce || h.total > maxHidden {
		b.found(p, p.where(), fmt.Sprintf("%d characters, %d at html line %d: %s", h.total, h.most.count, h.most.line, h.most.what))
	}
}
