package lint

import (
	"fmt"
	"strings"

	"golang.org/x/net/html/atom"
)

// Rules on html, and what they keep of a document while it passes.

// maxShownHTML is what Gmail shows of a document before it clips it.
const maxShownHTML = 102 << 10

// document is the html of an open text.
type document struct {
	scanner  *htmlScanner // nil: the charset is none that can be scanned
	links    links
	images   images
	stripped strippedThings
	hidden   hiddenText

	tags   memo[tagFacts]
	styles memo[styleFacts]
	plain  []byte              // text without character references, borrowed by those who read it
	tag    *memoSlot[tagFacts] // for the tag that is being read, or nil

	references *references   // of the whole message
	features   *usedFeatures // nil: no clients are configured
	shown      *shownText    // the text that it holds
}

// newDocument opens html that can be scanned or not.
func (b *body) newDocument(t *shownText, scannable bool) *document {
	d := &document{shown: t, references: &b.references}
	if scannable {
		d.scanner = &htmlScanner{to: d}
	}
	if b.lint.lacked != nil {
		d.features = newUsedFeatures(d, b.lint.lacked)
	}
	return d
}

// scannable reports whether the charset has the octets of ASCII mean ASCII: the
// markup is scanned without regard to the charset. In UTF-16, UTF-32 and UTF-7,
// and in the charsets that shift between states, they mean other things as well.
func scannable(p *part) bool {
	charset, _ := p.contentType.param("charset")
	charset = strings.ToLower(strings.TrimSpace(charset))
	for _, prefix := range []string{"utf-16", "utf16", "utf-32", "utf32", "ucs-", "iso-10646-ucs", "utf-7", "unicode-1-1-utf-7", "iso-2022-", "csiso2022", "hz-gb"} {
		if strings.HasPrefix(charset, prefix) {
			return false
		}
	}
	return true
}

func (d *document) write(b []byte) {
	if d.scanner != nil {
		d.scanner.write(b)
	}
}

// close scans what is left of the document.
func (d *document) close() {
	if d.scanner != nil {
		d.scanner.close()
	}
	d.links.close(d)
	d.hidden.endPiece()
}

func (d *document) text(b []byte) {
	d.links.write(b)
	d.hidden.write(d, b)
	if d.shown.reading() {
		d.shown.read(d.withoutReferences(b))
	}
}

func (d *document) blank(b []byte) {
	d.links.write(b)
	d.hidden.blank()
	if d.shown.words != nil {
		d.shown.words.blank()
	}
	if d.shown.unsubscribe != nil {
		d.shown.unsubscribe.write(b)
	}
}

// comment looks for what only Outlook reads: its conditional comments hold images, too.
func (d *document) comment(b []byte, whole bool) {
	d.references.comment(b, whole)
}

func (d *document) raw(element string, b []byte) {
	if element == "style" {
		d.images.css(d, b)
		d.references.sheet(b)
		if d.features != nil {
			d.features.style(b)
		}
	}
}

// tagFacts are what a start tag means each time it comes.
type tagFacts struct {
	name   atom.Atom // 0 for those that html does not know
	leaf   bool      // it has no content
	change lookChange
}

// styleFacts are what the value of a style attribute means each time it comes.
type styleFacts struct {
	change lookChange
	loads  bool // it holds data: or cid: URIs
}

func (d *document) again(b []byte) bool {
	if linksOrShows(b) {
		d.tag = nil
		return false
	}
	slot, known := d.tags.slot(b)
	if !known {
		d.tag = slot
		return false
	}
	d.place(&slot.value)
	return true
}

// linksOrShows reports whether a tag is one of those that lead elsewhere: each has an address of its own.
func linksOrShows(b []byte) bool {
	return hasPrefixFold(b, "<a") && (blankHTML(b[2]) || b[2] == '>') || hasPrefixFold(b, "<img") || hasPrefixFold(b, "<area")
}

// place follows the elements up to a start tag.
func (d *document) place(f *tagFacts) {
	if d.shown.words != nil && endsWord(f.name) {
		d.shown.words.end()
	}
	if !f.leaf {
		d.hidden.startTag(f.name, &f.change)
	}
}

func (d *document) startTag(t *tag) {
	slot := d.tag
	d.tag = nil
	style := d.style(t)
	f := tagFacts{name: atom.Lookup(t.name)}
	f.leaf = void(f.name) || t.empty && f.name == 0
	f.change = changeOf(f.name, t, &style.change)
	d.place(&f)
	d.readWords(f.name, t)
	noted := style.loads
	noted = d.links.startTag(d, f.name, t) || noted
	noted = d.stripped.startTag(d, f.name, t) || noted
	noted = d.images.startTag(d, f.name, t) || noted
	noted = d.references.attributes(t) || noted
	if d.features != nil {
		d.features.startTag(f.name, t)
	}
	if !noted && rawElement(t.name) == "" && slot != nil && len(slot.key) == t.length {
		slot.set(f)
	}
}

// style reads the style attribute of a tag.
func (d *document) style(t *tag) styleFacts {
	value := t.raw("style")
	if value == nil {
		return styleFacts{}
	}
	slot, known := d.styles.slot(value)
	if known && !slot.value.loads {
		return slot.value
	}
	var f styleFacts
	f.loads = d.images.css(d, value)
	f.loads = d.references.css(value) || f.loads
	eachDeclaration(withoutReferences(value), func(property, value []byte) {
		f.change.declare(property, value)
		if d.features != nil {
			d.features.declaration(property, value)
		}
	})
	slot.set(f)
	return f
}

// readWords reads the words that stand for an image, and the target of a link.
func (d *document) readWords(name atom.Atom, t *tag) {
	switch name {
	case atom.Img, atom.Area:
		if d.shown.reading() {
			d.shown.read(d.withoutReferences(t.raw("alt")))
			d.shown.read([]byte(" "))
		}
	}
	if d.shown.unsubscribe != nil && (name == atom.A || name == atom.Area) {
		d.shown.unsubscribe.write([]byte(" " + t.get("href") + " "))
	}
}

func (d *document) endTag(name []byte) {
	element := d.hidden.innermost()
	if element == 0 || element.String() != string(name) {
		element = atom.Lookup(name)
	}
	if d.shown.words != nil && endsWord(element) {
		d.shown.words.end()
	}
	if element == atom.A {
		d.links.close(d)
	}
	d.hidden.endTag(element)
	if element == atom.Style && d.features != nil {
		d.features.sheet.close()
	}
}

// spot is what was seen in a document, the first of its kind, and how often.
type spot struct {
	what  string // as a finding shows it
	line  int
	count int
}

// see counts another one. what is asked for the first one alone.
func (s *spot) see(d *document, what func() string) {
	if s.count++; s.count == 1 {
		s.what, s.line = what(), d.scanner.line()
	}
}

// detail tells of a spot. Its line is one of the decoded document, counted from 1.
func (s *spot) detail() string {
	detail := fmt.Sprintf("%s, html line %d", s.what, s.line)
	if s.count > 1 {
		detail += fmt.Sprintf(" (and %d more)", s.count-1)
	}
	return detail
}

// foundSpot records a finding of the rule that runs on what was seen in a document.
func (b *body) foundSpot(p *part, s *spot) {
	if s.count > 0 {
		b.found(p, p.where(), s.detail())
	}
}

// document is the html that was read of the entity, or nil.
func (p *part) document() *document {
	if p.rules.text == nil {
		return nil
	}
	return p.rules.text.document
}

// documentSize goes by the decoded size: that is what Gmail counts.
func documentSize(b *body, p *part) {
	if t := p.rules.text; p.document() != nil && t.decoder.size > maxShownHTML {
		b.found(p, p.where(), fmt.Sprintf("%d octets, at most %d", t.decoder.size, maxShownHTML))
	}
}
