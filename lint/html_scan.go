package lint

import (
	"bytes"
	"slices"
)

// markup takes the tokens of an html document. What it is handed is borrowed.
type markup interface {
	// text takes a piece of text, its character references as they stand.
	text(b []byte)
	// blank takes text that is nothing but white space between two tags: most of it, where html is indented.
	blank(b []byte)
	// comment takes what stands in a comment. If it does not fit into the window, it
	// is the beginning alone, and not whole.
	comment(b []byte, whole bool)
	// raw takes a piece of what stands in an element that holds no markup: style, script, title.
	raw(element string, b []byte)
	// again takes a start tag as it stands, if it is known to mean what it meant before;
	// it returns false if it is to be read, and then startTag takes it.
	again(b []byte) bool
	startTag(t *tag)
	endTag(name []byte)
}

// tag is a start tag.
type tag struct {
	name  []byte // lower case
	attrs []attribute
	empty bool // it ends in "/>"
	cut   bool // it has more attributes, or they do not fit into the window

	length int // octets, as it stands in the document
}

type attribute struct {
	key   []byte // lower case
	value []byte // its character references as they stand
}

// raw returns the value of an attribute, its character references as they stand,
// and nil if there is none. Of several the first one counts.
func (t *tag) raw(key string) []byte {
	for i := range t.attrs {
		if string(t.attrs[i].key) == key {
			return t.attrs[i].value
		}
	}
	return nil
}

func (t *tag) has(key string) bool {
	return slices.ContainsFunc(t.attrs, func(a attribute) bool { return string(a.key) == key })
}

// get returns the value of an attribute, "" if there is none.
func (t *tag) get(key string) string { return unescaped(t.raw(key)) }

// htmlWindow is how much of a document the scanner has before it. A tag that does
// not fit is judged by its beginning.
const htmlWindow = 16 << 10

// maxReference is the longest character reference that is not cut in two.
const maxReference = 32

// htmlScanner cuts a document into tokens as it comes, by the rules of HTML
// 13.2.5. The Tokenizer of golang.org/x/net/html, which is the oracle of the
// tests, pulls from a Reader and allocates for every attribute: a pushed message
// would take a goroutine, or a copy of the document. The scanner keeps a window of
// it, whatever the size, and goes over no octet more than twice. Only the double
// escapes of scripts are left out: a script is a finding whatever it holds.
type htmlScanner struct {
	to      markup
	window  []byte
	before  int // line ends before the window
	lines   int // line ends in what of the window was counted: the beginning, up to counted
	counted int
	at      int // where in the window the current token begins
	mode    scanMode
	element string // in rawText: the element that is open
	quote   byte   // in restOfTag: of the value that is being skipped, a space if it has none, or 0
	tag     tag
}

type scanMode uint8

const (
	markupText scanMode = iota
	rawText             // in an element that holds no markup
	comment             // skip to "-->"
	bogus               // skip to ">"
	restOfTag           // skip the attributes of a tag that did not fit
)

// write takes the next octets of the document.
func (s *htmlScanner) write(b []byte) {
	if s.window == nil {
		s.window = make([]byte, 0, htmlWindow)
	}
	for len(b) > 0 {
		n := min(len(b), htmlWindow-len(s.window))
		s.window = append(s.window, b[:n]...)
		b = b[n:]
		if len(s.window) == htmlWindow {
			s.scan(false)
		}
	}
}

// close scans what is left.
func (s *htmlScanner) close() { s.scan(true) }

// line is the number of the line of the document that the current token begins on.
func (s *htmlScanner) line() int {
	s.lines += bytes.Count(s.window[s.counted:s.at], []byte("\n"))
	s.counted = s.at
	return 1 + s.before + s.lines
}

// scan takes as many tokens from the window as are complete. At the end of the
// document all are, as good as they come.
func (s *htmlScanner) scan(final bool) {
	for s.at = 0; s.at < len(s.window); {
		n := s.token(s.window[s.at:], final)
		if n == 0 {
			break
		}
		s.at += n
	}
	s.before = s.line() - 1
	s.window = s.window[:copy(s.window, s.window[s.at:])]
	s.at, s.lines, s.counted = 0, 0, 0
}

// token takes one token, or a piece of one, and returns its length; 0 if more of
// the document is needed. Of a full window it always takes something.
func (s *htmlScanner) token(b []byte, final bool) int {
	switch s.mode {
	case rawText:
		return s.rawText(b, final)
	case comment:
		return s.comment(b, final)
	case bogus:
		return s.bogus(b)
	case restOfTag:
		return s.restOfTag(b)
	}
	switch {
	case b[0] <= ' ':
		if n := blanks(b); n < len(b) && b[n] == '<' {
			s.to.blank(b[:n])
			return n
		}
		return s.text(b, 0, final)
	case b[0] != '<':
		return s.text(b, 0, final)
	case len(b) < len("<!--") && !final:
		return 0
	case len(b) > 1 && letter(b[1]):
		return s.startTag(b, final)
	case len(b) > 2 && b[1] == '/' && letter(b[2]):
		return s.endTag(b, final)
	case bytes.HasPrefix(b, []byte("<!--")):
		return s.beginComment(b, final)
	case len(b) > 1 && (b[1] == '!' || b[1] == '?'), len(b) > 2 && b[1] == '/':
		return s.bogus(b)
	}
	return s.text(b, 1, final)
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// text hands on what stands before the next "<" from index from on.
func (s *htmlScanner) text(b []byte, from int, final bool) int {
	if i := bytes.IndexByte(b[from:], '<'); i >= 0 {
		s.to.text(b[:from+i])
		return from + i
	}
	n := len(b)
	if !final {
		tail := max(n-maxReference, from)
		if i := bytes.LastIndexByte(b[tail:], '&'); i >= 0 {
			n = tail + i
		}
	}
	if n > 0 {
		s.to.text(b[:n])
	}
	return n
}

// rawText hands on what stands before the end tag of the element.
func (s *htmlScanner) rawText(b []byte, final bool) int {
	n, end := s.findRawEnd(b)
	switch {
	case end == endUnknown && final:
		n = len(b)
	case end == endsHere && n == 0:
		s.mode = markupText
		return s.endTag(b, final)
	case end == endsNot && !final && b[len(b)-1] == '<':
		n--
	}
	if n > 0 {
		s.to.raw(s.element, b[:n])
	}
	return n
}

type rawEnd uint8

const (
	endsNot rawEnd = iota
	endsHere
	endUnknown // more of the document is needed
)

// findRawEnd returns the index of the end tag of the raw element, or what may
// become it, or the length of b.
func (s *htmlScanner) findRawEnd(b []byte) (int, rawEnd) {
	for n := 0; ; n += 2 {
		i := bytes.Index(b[n:], []byte("</"))
		if i < 0 {
			return len(b), endsNot
		}
		n += i
		if end := s.rawEnd(b[n+2:]); end != endsNot {
			return n, end
		}
	}
}

// rawEnd tells whether the end tag of the raw element stands here, behind its
// "</". A plaintext has none.
func (s *htmlScanner) rawEnd(b []byte) rawEnd {
	n := min(len(b), len(s.element))
	switch {
	case s.element == "plaintext", !bytes.EqualFold(b[:n], []byte(s.element[:n])):
		return endsNot
	case len(b) <= len(s.element):
		return endUnknown
	case blankHTML(b[n]) || b[n] == '/' || b[n] == '>':
		return endsHere
	}
	return endsNot
}

// blankHTML reports whether c is white space of html.
func blankHTML(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' }

func (s *htmlScanner) bogus(b []byte) int {
	s.mode = bogus
	if i := bytes.IndexByte(b, '>'); i >= 0 {
		s.mode = markupText
		return i + 1
	}
	return len(b)
}

// beginComment takes "<!-->" and "<!--->" for whole comments, as HTML 13.2.5.43 does.
func (s *htmlScanner) beginComment(b []byte, final bool) int {
	const open = len("<!--")
	if len(b) < open+2 && !final {
		return 0
	}
	rest := b[open:]
	for _, abrupt := range []string{">", "->"} {
		if bytes.HasPrefix(rest, []byte(abrupt)) {
			return open + len(abrupt)
		}
	}
	n, ends := commentEnd(rest)
	switch {
	case ends:
		s.to.comment(rest[:n], true)
		return open + n
	case final:
		return len(b)
	case s.at > 0: // it may fit once what is before it has gone
		return 0
	}
	s.to.comment(rest, false)
	s.mode = comment
	return len(b) - commentTail
}

// commentTail is what of a comment is looked at again with what follows.
const commentTail = len("--!")

// comment skips to the end of a comment that does not fit.
func (s *htmlScanner) comment(b []byte, final bool) int {
	n, ends := commentEnd(b)
	switch {
	case ends:
		s.mode = markupText
		return n
	case final:
		return len(b)
	}
	return max(0, len(b)-commentTail)
}

// commentEnd returns the length of the rest of a comment with its end, and whether that is there.
func commentEnd(b []byte) (int, bool) {
	for n := 0; ; {
		i := bytes.Index(b[n:], []byte("--"))
		if i < 0 {
			return len(b), false
		}
		n += i + len("--")
		for n < len(b) && b[n] == '-' {
			n++
		}
		rest := b[n:]
		switch {
		case bytes.HasPrefix(rest, []byte(">")):
			return n + 1, true
		case bytes.HasPrefix(rest, []byte("!>")):
			return n + 2, true
		}
	}
}
