package lint

import "bytes"

// textDecoder undoes the transfer encoding of a text part as its lines come. A
// line end is handed on as LF, and none that belongs to the boundary.
type textDecoder struct {
	to    func([]byte)
	out   []byte // what is gathered for to
	size  int64  // octets handed on so far
	lines int    // begun

	encoding string
	base64   *base64Lines
	escape   qpEscape
	digit    byte // in qpDigit: the digit
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
	d := &textDecoder{encoding: encoding, to: to, out: make([]byte, 0, gathered)}
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

// write takes a line, or a further piece of one.
func (d *textDecoder) write(line []byte, begins bool) {
	if begins {
		d.lines++
	}
	switch d.encoding {
	case "base64":
		d.base64.decode(line, d.put)
	case "quoted-printable":
		if begins && d.lines > 1 {
			d.endLine()
		}
		d.quotedPrintable(line)
	default:
		if begins && d.lines > 1 {
			d.putByte('\n')
		}
		d.put(line)
	}
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

// quotedPrintable decodes within a line.
func (d *textDecoder) quotedPrintable(b []byte) {
	for len(b) > 0 {
		if d.escape != qpNone {
			if d.inEscape(b[0]) {
				b = b[1:]
			}
			continue
		}
		n := indexOrEnd(b, '=')
		d.put(b[:n])
		if b = b[n:]; len(b) >= len("=3D") && hexDigit(b[1]) >= 0 && hexDigit(b[2]) >= 0 {
			d.putByte(byte(hexDigit(b[1])<<4 | hexDigit(b[2])))
			b = b[len("=3D"):]
		} else if len(b) > 0 {
			d.escape = qpBegun
			b = b[1:]
		}
	}
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

func indexOrEnd(b []byte, c byte) int {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return i
	}
	return len(b)
}
