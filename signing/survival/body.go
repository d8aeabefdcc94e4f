package survival

import (
	"bytes"
	"fmt"
	"strings"

	"pratique/message"
)

// maxPlaces is how many findings of a rule are named; further ones are counted.
const maxPlaces = 3

// body reads a body as Postfix does at delivery (smtp_proto.c, mime_state.c), in
// any chunks, and notes what it will change. Of a line it keeps the beginning.
type body struct {
	limit   int
	relaxed bool

	stack  []*entity // the open entities, the message itself first
	header bool      // in the header of the innermost one
	line   int       // number of the line that is being read, from 1
	fields []byte    // the field that is being read, without line ends
	at     int       // its line

	held   []byte // the beginning of the line
	length int    // of the line so far, without its end
	tail   bool   // what is over the limit holds more than white space
	cr     bool   // its last octet was CR

	long      places // lines that will be wrapped, and that shows
	blank     places // lines of which only white space will be wrapped: it shows if text follows
	eightBits places // entities that will be converted
}

// entity is a MIME entity (RFC 2045 2.4).
type entity struct {
	path      string // as package lint names it: "" the message itself, "1.2"
	mediaType string // lower case
	boundary  string // of a multipart
	children  int
	declared  bool // it was found to be 8bit already
}

// places are findings of one rule.
type places struct {
	first []place
	count int
}

type place struct{ where, detail string }

func (p *places) add(where, detail string) {
	if p.count++; p.count <= maxPlaces {
		p.first = append(p.first, place{where, detail})
	}
}

// Bounds of what is kept. Postfix's own are mime_boundary_length_limit (2048),
// mime_nesting_limit (100) and header_size_limit (102,400).
const (
	maxHeld  = 2 << 10
	maxDepth = 100
	maxField = 100 << 10
)

func newBody(limit int, relaxed bool) *body {
	return &body{limit: limit, relaxed: relaxed, stack: []*entity{{mediaType: "text/plain"}}}
}

func (b *body) top() *entity { return b.stack[len(b.stack)-1] }

// where names an entity, and the line that is meant.
func (e *entity) where(line int) string {
	path := e.path
	if path == "" {
		path = "body"
	}
	return fmt.Sprintf("%s line %d", path, line)
}

// rootField takes a field of the message's own header.
func (b *body) rootField(f message.Field) {
	if f.Is("Content-Type") || f.Is("Content-Transfer-Encoding") {
		b.field(strings.TrimRight(f.Name(), " \t"), f.Unfolded(), f.Name()+"[1]")
	}
}

func (b *body) endRootHeader() { b.endHeader() }

// field takes a field of an entity's header.
func (b *body) field(name, value, where string) {
	e := b.top()
	switch {
	case strings.EqualFold(name, "Content-Type"):
		e.mediaType = strings.ToLower(firstToken(value))
		e.boundary = boundaryOf(value)
	case strings.EqualFold(name, "Content-Transfer-Encoding") && !e.declared:
		// Of several fields Postfix goes by any that says so.
		switch encoding := strings.ToLower(firstToken(value)); encoding {
		case "8bit", "binary":
			e.declared = true
			b.eightBits.add(where, fmt.Sprintf("%.60s, declared %s", e.mediaType, encoding))
		}
	}
}

// write takes the next octets.
func (b *body) write(p []byte) {
	for {
		p = p[b.skip(p):]
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			b.piece(p)
			return
		}
		b.piece(p[:n])
		b.endLine()
		p = p[n+1:]
	}
}

// skip returns how many octets at the start of p are whole lines that need no
// further look, nearly always all of them, and counts them: they are within the
// limit and do not begin as a delimiter does. It does not look at them one by one,
// which would take twice as long, but at as many at once as the limit has room for.
func (b *body) skip(p []byte) int {
	if b.length > 0 || b.cr || b.header || b.blank.count > 0 {
		return 0
	}
	whole := 0
	for whole < len(p) {
		window := p[whole:min(whole+b.limit+1, len(p))]
		window = window[:bytes.LastIndexByte(window, '\n')+1]
		plain := beforeHyphen(window)
		whole += plain
		if len(window) == 0 || plain < len(window) {
			break
		}
	}
	b.line += bytes.Count(p[:whole], []byte("\n"))
	return whole
}

// beforeHyphen returns where the first line of lines starts that begins with a hyphen.
func beforeHyphen(lines []byte) int {
	for at := 0; ; at++ {
		n := bytes.IndexByte(lines[at:], '-')
		if n < 0 {
			return len(lines)
		}
		if at += n; at == 0 || lines[at-1] == '\n' {
			return at
		}
	}
}

// piece takes a part of a line, its LF left out. A CR at its end may belong to the line end.
func (b *body) piece(p []byte) {
	if len(p) == 0 {
		return
	}
	if b.cr {
		b.octets([]byte("\r"))
	}
	b.cr = p[len(p)-1] == '\r'
	if b.cr {
		p = p[:len(p)-1]
	}
	b.octets(p)
}

func (b *body) octets(p []byte) {
	if room := maxHeld - len(b.held); room > 0 {
		b.held = append(b.held, p[:min(len(p), room)]...)
	}
	if over := b.length + len(p) - b.limit; over > 0 && !b.tail {
		b.tail = len(bytes.Trim(p[max(0, len(p)-over):], " \t")) > 0
	}
	b.length += len(p)
}

// endLine judges the line that has ended.
func (b *body) endLine() {
	b.line++
	line := b.held
	b.structure(line)
	if b.length > b.limit {
		b.wrapped()
	} else if len(bytes.Trim(line, " \t")) > 0 {
		b.text()
	}
	b.held, b.length, b.tail, b.cr = b.held[:0], 0, false, false
}

// wrapped notes a line over the limit. In the relaxed form white space at the end
// of a line is nothing, and so is a line of it, unless text follows (RFC 6376 3.4.4).
func (b *body) wrapped() {
	where, detail := b.top().where(b.line), fmt.Sprintf("%d octets, over %d", b.length, b.limit)
	if b.relaxed && !b.tail {
		b.blank.add(where, detail)
		return
	}
	b.text()
	b.long.add(where, detail)
}

// text is told that a line holds more than white space.
func (b *body) text() {
	if b.blank.count == 0 {
		return
	}
	b.long.first = append(b.long.first, b.blank.first...)
	b.long.first = b.long.first[:min(len(b.long.first), maxPlaces)]
	b.long.count += b.blank.count
	b.blank = places{}
}

// close ends the body. A last line without an end is a line.
func (b *body) close() {
	if b.cr {
		b.octets([]byte("\r"))
		b.cr = false
	}
	if b.length > 0 {
		b.endLine()
	}
	b.endField()
}

func (b *body) findings() []message.Finding {
	var found []message.Finding
	for _, rule := range []struct {
		id string
		places
	}{{LongBodyLine, b.long}, {EightBit, b.eightBits}} {
		for i, p := range rule.first {
			if rest := rule.count - maxPlaces; i == maxPlaces-1 && rest > 0 {
				p.detail += fmt.Sprintf(" (and %d more places)", rest)
			}
			found = append(found, message.Finding{Rule: rule.id, Where: p.where, Detail: p.detail})
		}
	}
	return found
}
