package lint

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// textDecoder undoes the transfer encoding of a text part as its lines come. A
// line end is handed on as LF, and none that belongs to the boundary.
type textDecoder struct {
	to    func([]byte)
	out   []byte // what is gathered for to
	size  int64  // octets handed on so far
	lines int    // begun

	base64 *base64Lines // nil: it is not base64
	quoted bool         // it is quoted-printable
	escape qpEscape
	digit  byte // in qpDigit: the digit
}

// gathered is how many octets go to a reader at once: lines are too small to be handed on one by one.
const gathered = 4 << 10

// qpEscape is what of a quoted-printable escape was read (RFC 2045 6.7).
type qpEscape uint8

const (
	qpNone  qpEscape = iota
	qpBegun          // "="
	qpDigit          // "=4"
	qpBlank          // "= ": a soft line break, if nothing but white space follows
)

func newTextDecoder(encoding string, to func([]byte)) *textDecoder {
	d := &textDecoder{quoted: encoding == "quoted-printable", to: to, out: make([]byte, 0, gathered)}
	if encoding == "base64" {
		d.base64 = &base64Lines{}
	}
	return d
}

// share has another reader get the text too.
func (d *textDecoder) share(with func([]byte)) {
	first := d.to
	d.to = func(b []byte) { first(b); with(b) }
}

// write takes a line, or a further piece of one. It tells whether that was found
// sound: encoded data with nothing wrong in it, a soft line break apart that it may end in.
func (d *textDecoder) write(line []byte, begins bool) (sound bool) {
	if begins {
		d.lines++
	}
	switch {
	case d.base64 != nil:
		return d.base64Line(line)
	case d.quoted:
		if begins && d.lines > 1 {
			d.endLine()
		}
		return d.quotedPrintable(line)
	}
	if begins && d.lines > 1 {
		d.putByte('\n')
	}
	d.put(line)
	return false
}

// base64Line decodes to where the text is gathered, if the line is whole quanta.
func (d *textDecoder) base64Line(line []byte) (sound bool) {
	if len(line) <= maxHeld {
		if len(d.out)+len(line) > gathered {
			d.flush()
		}
		if n, ok := d.base64.quanta(d.out[len(d.out):gathered], line); ok {
			d.out = d.out[:len(d.out)+n]
			return n == len(line)/4*3
		}
	}
	return d.base64.decode(line, d.put)
}

// close hands on what is left.
func (d *textDecoder) close() {
	if d.escape == qpDigit {
		d.literally()
	}
	d.flush()
}

func (d *textDecoder) put(b []byte) {
	for len(b) > 0 {
		n := min(len(b), gathered-len(d.out))
		d.out = append(d.out, b[:n]...)
		b = b[n:]
		if len(d.out) == gathered {
			d.flush()
		}
	}
}

func (d *textDecoder) putByte(c byte) {
	d.out = append(d.out, c)
	if len(d.out) == gathered {
		d.flush()
	}
}

func (d *textDecoder) flush() {
	if len(d.out) > 0 {
		d.size += int64(len(d.out))
		d.to(d.out)
		d.out = d.out[:0]
	}
}

// endLine ends a line of quoted-printable, which may end in a soft line break.
func (d *textDecoder) endLine() {
	soft := d.escape == qpBegun || d.escape == qpBlank
	if !soft {
		d.literally()
		d.putByte('\n')
	}
	d.escape = qpNone
}

// literally puts what turned out to be no escape.
func (d *textDecoder) literally() {
	switch d.escape {
	case qpBegun:
		d.putByte('=')
	case qpDigit:
		d.putByte('=')
		d.putByte(d.digit)
	case qpBlank:
		d.putByte('=')
		d.putByte(' ')
	}
	d.escape = qpNone
}

// quotedPrintable decodes within a line. It tells whether the octets may stand there,
// and every escape is whole but for a soft line break.
func (d *textDecoder) quotedPrintable(b []byte) (sound bool) {
	sound = d.escape == qpNone
	for len(b) > 0 {
		if d.escape != qpNone {
			if d.inEscape(b[0]) {
				b = b[1:]
			}
			continue
		}
		n, bad := d.wholeEscapes(b[:min(len(b), gathered/2)])
		sound = sound && bad&highBits == 0
		if b = b[n:]; len(b) > 0 && b[0] == '=' {
			sound = sound && len(b) == 1
			d.escape = qpBegun
			b = b[1:]
		}
	}
	return sound
}

// wholeEscapes decodes b up to its end, or to an escape that is none. It returns how far it came, and what has a high bit set if an octet may not stand there
// (RFC 2045 6.7). It copies eight octets at a time; what of them is behind an escape is
// written over.
func (d *textDecoder) wholeEscapes(b []byte) (from int, bad uint64) {
	if len(d.out)+len(b) > gathered {
		d.flush()
	}
	out, to := d.out[:gathered], len(d.out)
	for from+8 <= len(b) {
		v := binary.LittleEndian.Uint64(b[from:])
		binary.LittleEndian.PutUint64(out[to:], v)
		bad |= notPrintable(v)
		escapes := hasZero(v ^ '='*lowBits)
		if escapes == 0 {
			from, to = from+8, to+8
			continue
		}
		n := bits.TrailingZeros64(escapes) / 8
		from, to = from+n, to+n
		if from+len("=3D") > len(b) {
			break
		}
		high, low := hexValues[b[from+1]], hexValues[b[from+2]]
		if high|low < 0 {
			break
		}
		out[to] = byte(high<<4 | low)
		from, to = from+len("=3D"), to+1
	}
	for from < len(b) {
		c := b[from]
		if c != '=' {
			bad |= uint64(c - ' ' | c | (c + 1))
		} else if from+len("=3D") <= len(b) && hexValues[b[from+1]]|hexValues[b[from+2]] >= 0 {
			c = byte(hexValues[b[from+1]]<<4 | hexValues[b[from+2]])
			from += len("3D")
		} else {
			break
		}
		out[to] = c
		from, to = from+1, to+1
	}
	d.out = out[:to]
	return from, bad
}

// inEscape takes the next octet of an escape. It returns false if the octet is none.
func (d *textDecoder) inEscape(c byte) bool {
	switch {
	case d.escape == qpDigit && hexDigit(c) >= 0:
		d.putByte(byte(hexDigit(d.digit)<<4 | hexDigit(c)))
		d.escape = qpNone
	case d.escape == qpBegun && hexDigit(c) >= 0:
		d.escape, d.digit = qpDigit, c
	case d.escape != qpDigit && (c == ' ' || c == '\t'):
		d.escape = qpBlank
	default:
		d.literally()
		return false
	}
	return true
}

// hexValues are what hexDigit says of each octet.
var hexValues = func() (values [256]int8) {
	for c := range values {
		values[c] = int8(hexDigit(byte(c)))
	}
	return values
}()

func indexOrEnd(b []byte, c byte) int {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return i
	}
	return len(b)
}
