package lint

import "bytes"

// Bounds of the parser. Rule M18 refuses a message before the first two are
// reached; where it is off they still hold, and are reported.
const (
	maxDepth      = 32
	maxParts      = 1000
	maxPartHeader = 64 << 10
)

// maxHeld is the most of a line that the parser keeps to look at as a whole. A
// boundary line is shorter: a line has at most 998 octets.
const maxHeld = 1 << 10

// openingLines is how many lines of a leaf handler.opening is shown.
const openingLines = 10

// handler is told what the parser sees, in the order of the message.
type handler interface {
	// begin: the header of an entity is complete. It tells for which lines of the
	// entity data is called.
	begin(p *part) wanted
	// opening: one of the first lines of a leaf, without its line end, cut to maxHeld.
	opening(p *part, line []byte)
	// data: the octets of a wanted leaf, line ends left out, in pieces; f is what is
	// wrong with the line up to here, begins tells of those that begin a line.
	data(p *part, b []byte, f faults, begins bool)
	// lines: what follows in a leaf of which runsOfLines are wanted, from the beginning of
	// a line on. The handler may take whole lines, with their line ends, and tells how
	// many octets and lines it took: none that has faults or more than maxEncodedLine
	// octets, or begins as a boundary line does.
	lines(p *part, b []byte) (octets, lines int)
	// end: the entity is over; inner ones come first.
	end(p *part)
	// limit: the parser reached one of its bounds at this entity.
	limit(p *part, what string)
}

// wanted are the lines of a leaf that a handler asks for.
type wanted uint8

const (
	noLines       wanted = iota
	eightBitLines        // with octets above 127; of a line over maxHeld what stands before the first one may be left out
	allLines
	runsOfLines // all, and many at once as far as lines takes them
)

// parser reads the body of a message once, as it is pushed, and tells a handler
// of its entities. Its memory is bounded: the open entities, at most maxDepth of
// them, one part header and the beginning of one line. How the body is cut into
// chunks makes no difference.
//
// A line ends at LF. What is wrong with a line is counted on the entity it
// belongs to: its header and data, a multipart's preamble, epilogue and boundary
// lines. Postfix's mime_state.c, which works on single lines too, takes a line
// that merely begins with a boundary for that boundary; here a boundary line is
// the boundary, "--" perhaps, and white space (RFC 2046 5.1.1).
type parser struct {
	to    handler
	stack []*part // the open entities, the message itself first
	line  int     // number of the line that is being read
	parts int     // entities begun, without the message itself
	size  int64   // octets seen

	inHeader bool   // in the header of the innermost entity
	header   []byte // its lines so far
	overflow bool   // they are over maxPartHeader: the rest is dropped
	wanted   wanted // what the handler wants of the innermost entity
	openings int    // lines of it that opening was shown

	plainData bool // in the data of a leaf, behind its opening lines
	open      int  // multiparts in the stack that are not closed
	stopped   bool // a bound was reached: all that follows is data

	held  []byte // the line so far, until it is over maxHeld
	long  longLine
	midst bool // in a line over maxHeld
}

func newParser(to handler) *parser { return &parser{to: to, held: make([]byte, 0, maxHeld)} }

// start begins the message itself, whose header has these fields.
func (p *parser) start(fields partFields) {
	p.stack = append(p.stack, &part{})
	p.begin(p.top(), fields, "text/plain")
}

// write takes the next chunk of the body. It is not kept.
func (p *parser) write(b []byte) {
	p.size += int64(len(b))
	for len(b) > 0 {
		if p.wanted == runsOfLines && p.plainData && len(p.held) == 0 && !p.midst {
			if b = b[p.run(b):]; len(b) == 0 {
				return
			}
		}
		n := bytes.IndexByte(b, '\n') + 1
		piece := b[:n]
		if n == 0 {
			piece = b
		}
		b = b[len(piece):]
		if n > 0 && len(p.held) == 0 && !p.midst && n <= maxHeld {
			p.line++
			p.wholeLine(piece)
			continue
		}
		p.piece(piece, n > 0)
	}
}

// run has the handler take lines of the innermost entity and returns their length.
func (p *parser) run(b []byte) int {
	octets, lines := p.to.lines(p.top(), b)
	p.line += lines
	return octets
}

// piece takes a part of a line.
func (p *parser) piece(b []byte, ends bool) {
	if !p.midst {
		if len(p.held)+len(b) <= maxHeld {
			p.held = append(p.held, b...)
			if ends {
				p.endHeld()
			}
			return
		}
		n := maxHeld - len(p.held)
		p.held = append(p.held, b[:n]...)
		p.beginLong(p.held)
		p.held = p.held[:0]
		b = b[n:]
	}
	p.longData(b, ends)
}

func (p *parser) endHeld() {
	p.line++
	p.wholeLine(p.held)
	p.held = p.held[:0]
}

// close tells the parser that the body is over. A last line without a line end is a line.
func (p *parser) close() {
	switch {
	case p.midst:
		p.endLong()
	case len(p.held) > 0:
		p.endHeld()
	}
	p.endHeaders()
	p.endDownTo(0)
}

func (p *parser) top() *part { return p.stack[len(p.stack)-1] }

// wholeLine takes a line of at most maxHeld octets, with its line end.
func (p *parser) wholeLine(b []byte) {
	text, f := cutLineEnd(b)
	f |= examine(text)
	if p.plainData && (len(text) < 2 || text[0] != '-' || text[1] != '-') {
		p.leafLine(text, f)
		return
	}
	for {
		if i, closing := p.match(text); i >= 0 {
			p.delimiter(i, closing)
			p.count(p.stack[i], len(text), f, false)
			return
		}
		if !p.inHeader {
			break
		}
		if p.headerLine(text) {
			p.count(p.top(), len(text), f, false)
			return
		}
		// The header ended without an empty line. What begins here may be the
		// header of the message in it, or its boundary.
	}
	p.data(text, f, true)
	p.count(p.top(), len(text), f, p.inData())
}

// leafLine takes a line that can only be data of a leaf, as nearly all lines are.
func (p *parser) leafLine(text []byte, f faults) {
	t := p.top()
	if p.wanted >= allLines || p.wanted == eightBitLines && f&eightBits != 0 {
		p.to.data(t, text, f, true)
	}
	if f != 0 || len(text) > maxEncodedLine {
		p.count(t, len(text), f, true)
	}
}

// inData reports whether the parser is in the data of a leaf.
func (p *parser) inData() bool { return !p.inHeader && p.top().kind == leaf }

// data hands the octets of a leaf on. begins tells that they begin a line.
func (p *parser) data(text []byte, f faults, begins bool) {
	if !p.inData() {
		p.top().preamble = p.top().preamble || !p.inHeader && len(text) > 0
		return
	}
	if begins && p.openings < openingLines {
		p.openings++
		p.to.opening(p.top(), text)
	}
	p.plainData = p.openings == openingLines
	if p.wanted >= allLines || p.wanted == eightBitLines && f&eightBits != 0 {
		p.to.data(p.top(), text, f, begins)
	}
}

// count puts what is wrong with the line on record. Octets above 127 are a fault
// of a leaf's data only: of headers other rules speak, and preambles are nobody's.
func (p *parser) count(t *part, length int, f faults, data bool) {
	if length > maxLine {
		t.long.add(p.line)
	}
	if data && length > maxEncodedLine && t.encoded() {
		t.wide.add(p.line)
	}
	if f == 0 {
		return
	}
	if bare := f & (bareCR | bareLF | nul); bare != 0 {
		t.bare.add(p.line)
		t.faults |= bare
	}
	if data && f&eightBits != 0 {
		t.eight.add(p.line)
	}
}

// match finds the open multipart whose boundary line this is, the innermost
// first, and tells whether it is the closing one.
func (p *parser) match(line []byte) (index int, closing bool) {
	if p.open <= 0 || len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	for i := len(p.stack) - 1; i >= 0; i-- {
		t := p.stack[i]
		if t.kind != multipart || t.closed {
			continue
		}
		rest, found := bytes.CutPrefix(line[2:], t.boundary)
		if !found {
			continue
		}
		if blank(rest) {
			return i, false
		}
		if rest, closes := bytes.CutPrefix(bytes.TrimPrefix(rest, t.padding), []byte("--")); closes && blank(rest) {
			return i, true
		}
	}
	return -1, false
}

// blank reports whether b is nothing but the padding that may follow a boundary.
func blank(b []byte) bool { return len(bytes.TrimLeft(b, " \t\r")) == 0 }

// delimiter ends what is open inside the multipart at index i of the stack, and
// begins its next part.
func (p *parser) delimiter(i int, closing bool) {
	p.endHeaders()
	if p.stopped { // a bound was reached by that very header
		return
	}
	p.endDownTo(i + 1)
	t := p.stack[i]
	if closing {
		t.closed = true
		p.open--
		return
	}
	p.push(t)
}

// endDownTo ends the entities from the innermost one down to index i of the stack.
func (p *parser) endDownTo(i int) {
	for len(p.stack) > i {
		t := p.top()
		if t.kind == multipart && !t.closed {
			p.open--
		}
		p.to.end(t)
		p.stack = p.stack[:len(p.stack)-1]
	}
	p.wanted, p.plainData = noLines, false
}

// push begins the next part of t, whose header is read next.
func (p *parser) push(t *part) {
	switch {
	case len(p.stack) > maxDepth:
		p.stop(t, "nested too deep to be read further")
		return
	case p.parts == maxParts:
		p.stop(t, "too many parts to be read further")
		return
	}
	p.parts++
	t.children++
	p.stack = append(p.stack, &part{
		parent: t, number: t.children, depth: t.depth + 1, begins: p.line + 1,
		forwarded: t.forwarded || t.kind == container,
	})
	p.inHeader, p.overflow, p.header = true, false, p.header[:0]
	p.plainData = false
}

// stop has the parser take all that follows for data.
func (p *parser) stop(t *part, what string) {
	for _, open := range p.stack {
		open.cut = true
	}
	p.stopped, p.open = true, 0
	p.to.limit(t, what)
}

// headerLine takes a line of a part's header. It returns false if the line does
// not belong to the header any more.
func (p *parser) headerLine(text []byte) bool {
	switch {
	case len(text) == 0:
		p.endHeader()
		return true
	case text[0] == ' ' || text[0] == '\t':
		if len(p.header) > 0 {
			p.keepLine(text)
			return true
		}
	case isField(text):
		p.keepLine(text)
		return true
	case len(p.header) == 0 && p.top().parent.kind == container && isEnvelope(text):
		return true
	}
	p.endHeader()
	return false
}

// isField reports whether a line begins a header field.
func isField(text []byte) bool {
	colon := bytes.IndexByte(text, ':')
	return colon > 0 && !bytes.ContainsAny(bytes.TrimRight(text[:colon], " \t"), " \t")
}

// isEnvelope recognizes the line of an mbox that some programs leave on top of a forwarded message.
func isEnvelope(text []byte) bool {
	return bytes.HasPrefix(text, []byte("From ")) || bytes.HasPrefix(text, []byte(">From "))
}

// keep adds to the header, as far as its bound allows.
func (p *parser) keep(text []byte) {
	room := maxPartHeader - len(p.header)
	if len(text) > room && !p.overflow {
		p.overflow = true
		p.to.limit(p.top(), "header over 64 KiB, not all of it was read")
	}
	p.header = append(p.header, text[:min(len(text), room)]...)
}

func (p *parser) keepLine(text []byte) {
	if len(p.header) > 0 {
		p.keep([]byte("\n"))
	}
	p.keep(text)
}

// endHeaders ends the header that is being read, and those of messages in it
// that have none.
func (p *parser) endHeaders() {
	for p.inHeader {
		p.endHeader()
	}
}

// endHeader begins the entity whose header was read.
func (p *parser) endHeader() {
	p.inHeader = false
	t := p.top()
	byDefault := "text/plain"
	if t.parent.is("multipart/digest") {
		byDefault = "message/rfc822" // RFC 2046 5.1.5
	}
	p.begin(t, parseFields(p.header), byDefault)
}

func (p *parser) begin(t *part, fields partFields, byDefault string) {
	t.set(fields, byDefault)
	p.wanted, p.openings, p.plainData = p.to.begin(t), 0, false
	switch t.kind {
	case multipart:
		p.open++
	case container:
		p.push(t)
	}
}
