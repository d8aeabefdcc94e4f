package lint

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

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
	hides  bool // what stands here is not shown
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

// look is that of the text that stands here.
func (h *hiddenText) look() look {
	if len(h.open) == 0 || h.beyond > 0 {
		return 0
	}
	return h.open[len(h.open)-1].look
}

// startTag opens an element that has content.
func (h *hiddenText) startTag(name atom.Atom, change *lookChange) {
	for len(h.open) > 0 && endsBefore(h.open[len(h.open)-1].name, name) {
		h.truncate(len(h.open) - 1)
	}
	if len(h.open) == maxOpenElements {
		h.beyond++
		h.hides = false
		return
	}
	h.open = append(h.open, element{name: name, look: change.apply(h.look())})
	h.hides = h.open[len(h.open)-1].hides()
}

// innermost is the name of the element that was opened last, 0 if html does not know it.
func (h *hiddenText) innermost() atom.Atom {
	if len(h.open) == 0 {
		return 0
	}
	return h.open[len(h.open)-1].name
}

func (h *hiddenText) endTag(name atom.Atom) {
	if h.beyond > 0 {
		h.beyond--
		h.placed()
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
	if h.placed(); !h.hides {
		h.endPiece()
	}
}

// placed notes whether what stands here is shown.
func (h *hiddenText) placed() {
	h.hides = h.look().hides()
}

func (h *hiddenText) endPiece() {
	if h.piece.count > h.most.count {
		h.most = h.piece
	}
	if h.piece.count > 0 {
		h.piece = spot{}
	}
}

// blank takes white space, which shows nothing.
func (h *hiddenText) blank() {
	if !h.hides {
		h.endPiece()
	}
}

func (h *hiddenText) write(d *document, b []byte) {
	if !h.hides {
		h.endPiece()
		return
	}
	text := unescaped(b)
	n := countShown(text)
	if h.piece.count == 0 && n > 0 {
		h.piece.what, h.piece.line = shown(strings.TrimSpace(text)), d.scanner.line()
	}
	h.piece.count += n
	h.total += n
}

// countShown counts letters, digits and punctuation. Preheaders are filled up with
// characters that show nothing.
func countShown(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case r >= utf8.RuneSelf:
			if unicode.In(r, unicode.L, unicode.Nd, unicode.P) {
				n++
			}
		case letter(byte(r)) || digit(byte(r)) || unicode.Is(unicode.P, r):
			n++
		}
	}
	return n
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
