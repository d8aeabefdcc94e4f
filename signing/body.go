package signing

import (
	"bytes"
	"encoding/binary"
	"io"
)

var space = []byte(" ")

// A body takes the body of a message in any chunks and writes it to a hash in
// its canonical form (RFC 6376 3.4.3, 3.4.4). Its memory does not grow with the
// body. Writing to a hash never fails, so no method does.
//
// Only CRLF ends a line. A bare CR or LF is an octet as any other, but verifiers
// do not agree on that (dkimpy and go-msgauth make CRLF of a bare LF, OpenDKIM
// fails on a bare CR in relaxed), so no signature of such mail is valid for all.
type body interface {
	io.Writer
	finish() // the last octet was written
}

func newBody(relaxed bool, hash io.Writer) body {
	out := canonicalOutput{hash: hash}
	if relaxed {
		return &relaxedBody{out: out}
	}
	return &simpleBody{out: out}
}

// canonicalOutput holds line ends back until something follows them: both
// algorithms ignore empty lines at the end of a body.
type canonicalOutput struct {
	hash   io.Writer
	ends   int64 // CRLFs that wait for more text
	wrote  bool  // any text
	gather []byte
}

// Small pieces are gathered up to gatherSize: hashing them one by one costs more
// than copying. Those from wholeSize on go to the hash as they are. Nearly all
// messages have no others, and need no memory for it.
const (
	gatherSize = 4096
	wholeSize  = gatherSize / 4
)

// lineEnds is what many CRLFs are written with at once.
var lineEnds = bytes.Repeat(crlf, 512)

// text writes octets that do not end in a line end or the first half of one.
func (o *canonicalOutput) text(p []byte) {
	if len(p) == 0 {
		return
	}
	o.wrote = true
	o.flushEnds()
	if len(p) >= wholeSize {
		o.flush()
		o.hash.Write(p)
		return
	}
	if len(o.gather)+len(p) > gatherSize {
		o.flush()
	}
	if o.gather == nil {
		o.gather = make([]byte, 0, gatherSize)
	}
	o.gather = append(o.gather, p...)
}

func (o *canonicalOutput) flush() {
	if len(o.gather) > 0 {
		o.hash.Write(o.gather)
		o.gather = o.gather[:0]
	}
}

func (o *canonicalOutput) flushEnds() {
	if o.ends == 1 && o.gather != nil && len(o.gather)+2 <= gatherSize { // nearly always, between small pieces
		o.gather = append(o.gather, crlf...)
		o.ends = 0
		return
	}
	if o.ends > 0 {
		o.flush()
	}
	for o.ends > 0 {
		n := min(o.ends, int64(len(lineEnds)/2))
		o.hash.Write(lineEnds[:2*n])
		o.ends -= n
	}
}

// lines writes text of whole lines, or any text that does not end in CR.
func (o *canonicalOutput) lines(p []byte) {
	end := len(p)
	for end >= 2 && p[end-1] == '\n' && p[end-2] == '\r' {
		end -= 2
	}
	o.text(p[:end])
	o.ends += int64(len(p)-end) / 2
}

// finish ends the body with one CRLF.
func (o *canonicalOutput) finish() {
	o.ends = 1
	o.flushEnds()
	o.flush()
}

// simpleBody changes nothing but the empty lines at the end (RFC 6376 3.4.3).
type simpleBody struct {
	out canonicalOutput
	cr  bool // the last octet was CR: half a line end, perhaps
}

func (b *simpleBody) Write(p []byte) (int, error) {
	n := len(p)
	if n == 0 {
		return 0, nil
	}
	if b.cr {
		if p[0] == '\n' {
			b.out.ends++
			p = p[1:]
		} else {
			b.out.text(crlf[:1])
		}
	}
	if b.cr = bytes.HasSuffix(p, crlf[:1]); b.cr {
		p = p[:len(p)-1]
	}
	b.out.lines(p)
	return n, nil
}

// finish gives an empty body one CRLF as well.
func (b *simpleBody) finish() {
	if b.cr {
		b.out.text(crlf[:1])
	}
	b.out.finish()
}

// relaxedBody ignores white space at the end of lines, makes one space of each
// other run of it, and ignores the empty lines at the end (RFC 6376 3.4.4).
type relaxedBody struct {
	out   canonicalOutput
	space bool // white space was seen, and what follows decides on it
	cr    bool // then CR was seen, and what follows decides on that
}

func (b *relaxedBody) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		switch {
		case b.cr && p[0] == '\n':
			b.endLine()
			p = p[1:]
		case b.cr:
			b.cr = false
			b.word(crlf[:1])
		default:
			if !b.space {
				whole := unchanged(p)
				b.out.lines(p[:whole])
				p = p[whole:]
			}
			p = b.line(p)
		}
	}
	return n, nil
}

// finish leaves an empty body empty.
func (b *relaxedBody) finish() {
	if b.cr {
		b.word(crlf[:1])
	}
	if b.out.wrote {
		b.out.finish()
	}
}

func (b *relaxedBody) endLine() {
	b.space, b.cr = false, false
	b.out.ends++
}

// word writes text that does not begin with white space, or that begins a line.
func (b *relaxedBody) word(p []byte) {
	if b.space {
		b.space = false
		b.out.text(space)
	}
	b.out.text(p)
}

// line takes p up to its first CRLF or LF, or all of it, and returns the rest.
func (b *relaxedBody) line(p []byte) (rest []byte) {
	text := p
	if lf := bytes.IndexByte(p, '\n'); lf >= 0 {
		text, rest = p[:lf+1], p[lf+1:]
	}
	if line, ended := bytes.CutSuffix(text, crlf); ended {
		b.words(line)
		b.endLine()
		return rest
	}
	text, b.cr = bytes.CutSuffix(text, crlf[:1])
	b.words(text)
	return rest
}

// words takes a part of a line.
func (b *relaxedBody) words(text []byte) {
	for {
		if b.space {
			text = bytes.TrimLeft(text, " \t")
		}
		if len(text) == 0 {
			return
		}
		end := singleSpaced(text)
		b.word(text[:end])
		text = text[end:]
		b.space = len(text) > 0
	}
}

// singleSpaced returns how many octets at the start of p stay as they are
// whatever follows p: up to white space that is not one space between words.
func singleSpaced(p []byte) int {
	for i, c := range p {
		if c == '\t' || c == ' ' && (i+1 == len(p) || isSpace(p[i+1])) {
			return i
		}
	}
	return len(p)
}

// unchanged returns how many octets at the start of p are whole lines that
// relaxed leaves as they are, which is nearly all of nearly every message: they
// go to the hash uncopied.
func unchanged(p []byte) int {
	whole := 0
	usual := 0 // octets of the line before, which in base64 are those of the next one
	for {
		if end := whole + usual; usual > 2 && end <= len(p) && p[end-2] == '\r' && p[end-1] == '\n' && plain(p[whole:end-2]) {
			whole = end
			continue
		}
		for whole+2 <= len(p) && p[whole] == '\r' && p[whole+1] == '\n' {
			whole += 2
		}
		lf := bytes.IndexByte(p[whole:], '\n')
		if lf < 1 || p[whole+lf-1] != '\r' || !plain(p[whole:whole+lf-1]) {
			return whole
		}
		usual = lf + 1
		whole += usual
	}
}

// plain reports whether a line, without its end, holds no control character,
// no two spaces in a row, and no space at its end.
func plain(line []byte) bool {
	if len(line) < 8 {
		return plainOctets(line)
	}
	before := uint64(0) // whether the octet before was a space, in the lowest octet
	rest := line
	for ; len(rest) >= 32; rest = rest[32:] { // most mail is base64, without any blank
		w0, w1 := binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[8:])
		w2, w3 := binary.LittleEndian.Uint64(rest[16:]), binary.LittleEndian.Uint64(rest[24:])
		if (borrows(w0, 0x21)|borrows(w1, 0x21)|borrows(w2, 0x21)|borrows(w3, 0x21))&high != 0 {
			break
		}
	}
	for ; len(rest) >= 8; rest = rest[8:] {
		word := binary.LittleEndian.Uint64(rest)
		blanks := below(word, 0x21)
		if blanks == 0 {
			before = 0
			continue
		}
		if below(word, 0x20)|blanks&(blanks<<8|before) != 0 {
			return false
		}
		before = blanks >> 56
	}
	// The last octets, together with some that were looked at already.
	word := binary.LittleEndian.Uint64(line[len(line)-8:])
	blanks := below(word, 0x21)
	return below(word, 0x20)|blanks&(blanks<<8) == 0 && line[len(line)-1] != ' '
}

// below compares eight octets at once with a limit of at most 0x80. In what it
// returns, the high bit of each octet tells whether that octet is less.
func below(word, limit uint64) uint64 {
	// Adding what the limit lacks of 0x80 sets the high bit of all that are not
	// less; no sum of two octets without their high bits carries into the next.
	return ^((word&^high + (0x80-limit)*ones) | word) & high
}

// borrows is below at half the cost, for those who ask whether there is any such
// octet at all: the lowest high bit that is set is right, those above it may not be.
func borrows(word, limit uint64) uint64 { return (word - limit*ones) &^ word }

const (
	ones = 0x0101010101010101 // in each octet
	high = 0x80 * ones
)

func plainOctets(line []byte) bool {
	space := false
	for _, c := range line {
		if c < ' ' || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return !space
}
