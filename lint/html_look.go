package lint

import (
	"bytes"

	"golang.org/x/net/html/atom"
)

// look is what of a style tells whether text is shown, in bits. All of it is inherited.
type look uint64

const (
	gone        look = 1 << iota // display: none, opacity: 0, no height, or the attribute hidden
	invisible                    // visibility: hidden
	tiny                         // font-size: 0, or 1px
	transparent                  // color: transparent

	textAt, backAt              = 4, 4 + colourBits // where the colours stand
	textColour, backColour look = (1<<colourBits - 1) << textAt, (1<<colourBits - 1) << backAt
)

func (l look) hides() bool {
	text, back := colour(l&textColour>>textAt), colour(l&backColour>>backAt)
	return l&(gone|invisible|tiny|transparent) != 0 || text != noColour && text == back
}

// lookChange is what a start tag, or a style, does to the look of what stands around
// it. Some bits are taken away, and some are put in.
type lookChange struct {
	away, in look
	named    bool // the element has a class or an id
	flat     bool // it has no height
	clips    bool // and what is beyond it is not seen
}

// apply returns the look behind the start tag. An element with a class or an id may be
// shown by a stylesheet, so what it hides itself does not count.
func (c *lookChange) apply(before look) look {
	if !c.named {
		return before&^c.away | c.in
	}
	after := before&gone | c.in
	if after.hides() {
		return before&gone | after&backColour
	}
	return after
}

func (c *lookChange) put(bits look) { c.in |= bits }

func (c *lookChange) take(bits look) {
	c.away |= bits
	c.in &^= bits
}

func (c *lookChange) setText(to colour) {
	c.take(textColour | transparent)
	c.put(look(to) << textAt)
}

func (c *lookChange) setBack(to colour) {
	c.take(backColour)
	c.put(look(to) << backAt)
}

// then adds what a style does that counts behind it.
func (c *lookChange) then(style *lookChange) {
	c.take(style.away)
	c.put(style.in)
	if style.flat && style.clips {
		c.put(gone)
	}
}

// changeOf is the change by a start tag with this style. Of several attributes of a name
// the first one counts.
func changeOf(name atom.Atom, t *tag, style *lookChange) lookChange {
	var c lookChange
	switch name {
	case atom.A:
		c.setText(noColour) // links have their own
	case atom.Table: // in quirks mode it inherits neither
		c.take(textColour | transparent | tiny)
	}
	image := false
	for i := len(t.attrs) - 1; i >= 0; i-- {
		c.attribute(name, &t.attrs[i])
		image = image || string(t.attrs[i].key) == "background"
	}
	if image {
		c.setBack(noColour)
	}
	switch name {
	case atom.Table, atom.Tr, atom.Td, atom.Th: // their height is the least they have
		still := *style
		still.flat = false
		style = &still
	}
	c.then(style)
	return c
}

func (c *lookChange) attribute(name atom.Atom, a *attribute) {
	switch string(a.key) {
	case "class", "id":
		c.named = true
	case "hidden":
		c.put(gone)
	case "bgcolor":
		c.setBack(parseColour(a.value))
	case "color":
		if name == atom.Font {
			c.setText(parseColour(a.value))
		}
	case "size":
		if name == atom.Font {
			c.take(tiny)
		}
	}
}

// declare adds a declaration.
func (c *lookChange) declare(property, value []byte) {
	switch string(property) {
	case "display":
		if hasPrefixFold(value, "none") {
			c.put(gone)
		}
	case "visibility":
		c.declareBit(invisible, hasPrefixFold(value, "hidden"), value)
	case "opacity":
		if zeroLength(value) {
			c.put(gone)
		}
	case "height", "max-height":
		c.flat = c.flat || zeroLength(value)
	case "overflow":
		c.clips = hasPrefixFold(value, "hidden")
	case "font-size":
		c.declareBit(tiny, zeroLength(value) || string(withoutImportant(value)) == "1px", value)
	case "font": // its size is hardly ever 0
		c.declareBit(tiny, false, value)
	case "color":
		if !hasPrefixFold(value, "inherit") {
			c.setText(parseColour(withoutImportant(value)))
		}
		if hasPrefixFold(value, "transparent") {
			c.put(transparent)
		}
	case "background-color", "background":
		if !hasPrefixFold(value, "transparent") && !hasPrefixFold(value, "none") {
			c.setBack(backgroundColour(withoutImportant(value)))
		}
	case "background-image":
		c.setBack(noColour)
	}
}

// declareBit adds a declaration that says that something is so, or is not, or by its
// value that it is as it was.
func (c *lookChange) declareBit(bit look, so bool, value []byte) {
	switch {
	case so:
		c.put(bit)
	case !hasPrefixFold(value, "inherit"):
		c.take(bit)
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
		return noColour
	}
	if c := parseColour(value); c != noColour {
		return c
	}
	for word := range bytes.FieldsSeq(value) {
		if c := parseColour(word); c != noColour {
			return c
		}
	}
	return noColour
}
