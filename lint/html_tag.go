package lint

import "bytes"

// maxAttributes bounds what is kept of one tag; further attributes are ignored.
const maxAttributes = 256

// startTag takes a start tag. One that is not closed at the end of the document is none.
func (s *htmlScanner) startTag(b []byte, final bool) int {
	if n := bytes.IndexByte(b, '>') + 1; n > 0 && s.to.again(b[:n]) {
		return n
	}
	name := nameLength(b[1:])
	s.tag.name = lowered(b[1 : 1+name])
	s.tag.attrs = s.tag.attrs[:0]
	a := attributeReader{b: b, at: 1 + name, keep: &s.tag.attrs}
	complete := a.read()
	switch {
	case complete:
	case final:
		return len(b)
	case s.at > 0: // it may fit once what is before it has gone
		return 0
	case a.open != 0:
		a.add(a.b[a.value:])
	}
	s.tag.empty, s.tag.cut, s.tag.length = a.empty, a.full || !complete, a.at
	s.to.startTag(&s.tag)
	s.beginRaw()
	if !complete {
		return s.skipTag(&a)
	}
	return a.at
}

// beginRaw notes an element that holds no markup.
func (s *htmlScanner) beginRaw() {
	s.element = rawElement(s.tag.name)
	s.enter()
}

// rawElement returns the name if elements of this name hold no markup, and otherwise "".
// Mail programs run no scripts, so what is in a noscript they show.
func rawElement(name []byte) string {
	switch string(name) {
	case "iframe", "noembed", "noframes", "plaintext", "script", "style", "textarea", "title", "xmp":
		return string(name)
	}
	return ""
}

// enter goes on behind a start tag.
func (s *htmlScanner) enter() {
	s.mode = markupText
	if s.element != "" {
		s.mode = rawText
	}
}

func (s *htmlScanner) endTag(b []byte, final bool) int {
	name := nameLength(b[2:])
	if n := 2 + name; n < len(b) && b[n] == '>' {
		s.element = ""
		s.to.endTag(lowered(b[2:n]))
		return n + 1
	}
	a := attributeReader{b: b, at: 2 + name}
	complete := a.read()
	switch {
	case !complete && final:
		return len(b)
	case !complete && s.at > 0:
		return 0
	}
	s.element = ""
	s.to.endTag(lowered(b[2 : 2+name]))
	if !complete {
		return s.skipTag(&a)
	}
	return a.at
}

// skipTag leaves the rest of a tag that does not fit to restOfTag. An attribute
// that is only begun may fit once what is before it has gone.
func (s *htmlScanner) skipTag(a *attributeReader) int {
	s.mode, s.quote = restOfTag, a.open
	if a.open == 0 && a.from > 0 {
		return a.from
	}
	return len(a.b)
}

func (s *htmlScanner) restOfTag(b []byte) int {
	a := attributeReader{b: b, open: s.quote}
	if !a.read() {
		return s.skipTag(&a)
	}
	s.enter()
	return a.at
}

func nameLength(b []byte) int {
	for i, c := range b {
		if c <= '>' && (blankHTML(c) || c == '/' || c == '>') {
			return i
		}
	}
	return len(b)
}

// lowered turns b to lower case, in place.
func lowered(b []byte) []byte {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}

// attributeReader reads the attributes of a tag, by HTML 13.2.5.32 to 40.
type attributeReader struct {
	b     []byte
	at    int
	from  int          // where the current attribute begins
	open  byte         // the value that b ends in: its quote, a space if it has none, or 0
	keep  *[]attribute // nil: to be skipped
	key   []byte
	value int  // where the current value begins
	empty bool // it ends in "/>"
	full  bool // there are more attributes than are kept
}

// read reads up to the end of the tag and reports whether it is there.
func (a *attributeReader) read() bool {
	if a.open != 0 {
		a.value = a.at
		if !a.endValue() {
			return false
		}
	}
	for a.skipBlank() {
		if a.b[a.at] == '>' {
			a.at++
			return true
		}
		a.from, a.value = a.at, 0
		if !a.attribute() {
			return false
		}
	}
	a.from = a.at
	return false
}

// attribute reads one attribute, or a slash, and reports whether it is complete.
func (a *attributeReader) attribute() bool {
	for a.empty = false; a.at < len(a.b); a.at++ {
		c := a.b[a.at]
		if c <= '>' && (blankHTML(c) || c == '/' || c == '>' || c == '=' && a.at > a.from) {
			break
		}
	}
	a.key = a.b[a.from:a.at]
	if !a.skipBlank() {
		return false
	}
	switch a.b[a.at] {
	case '/':
		a.add(nil)
		a.at++
		a.empty = a.at < len(a.b) && a.b[a.at] == '>'
		return true
	case '=':
		a.at++
		return a.attributeValue()
	}
	a.add(nil)
	return true
}

func (a *attributeReader) attributeValue() bool {
	if !a.skipBlank() {
		return false
	}
	switch c := a.b[a.at]; c {
	case '>':
		a.add(nil)
		return true
	case '"', '\'':
		a.open = c
		a.at++
	default:
		a.open = ' '
	}
	a.value = a.at
	return a.endValue()
}

// endValue reads to the end of the open value.
func (a *attributeReader) endValue() bool {
	n := len(a.b) - a.at
	if a.open == ' ' {
		for i, c := range a.b[a.at:] {
			if c <= '>' && (blankHTML(c) || c == '>') {
				n = i
				break
			}
		}
	} else if i := bytes.IndexByte(a.b[a.at:], a.open); i >= 0 {
		n = i
	}
	a.at += n
	if a.at == len(a.b) {
		return false
	}
	a.add(a.b[a.value:a.at])
	if a.open != ' ' {
		a.at++
	}
	a.open = 0
	return true
}

func (a *attributeReader) skipBlank() bool {
	for a.at < len(a.b) && blankHTML(a.b[a.at]) {
		a.at++
	}
	return a.at < len(a.b)
}

func (a *attributeReader) add(value []byte) {
	switch {
	case a.keep == nil || len(a.key) == 0:
	case len(*a.keep) == maxAttributes:
		a.full = true
	default:
		*a.keep = append(*a.keep, attribute{key: lowered(a.key), value: value})
	}
}
