package lint

import (
	"encoding/binary"
	"math/bits"
)

// Nearly all lines of quoted-printable are alike: octets that stand for themselves,
// whole escapes, perhaps a soft line break, CRLF. Of these the decoder finds the end,
// judges the octets and decodes them in one go; whatever is in doubt it leaves to the
// way that all other lines take.

// mostOfUsual is how much of a usual line is looked at: the octets that it may have, its
// line end, and what is read at once with the last of them.
const mostOfUsual = maxEncodedLine + len("\r\n") + 8

// usualLines decodes the usual lines that b begins with. It returns how many octets
// these have, and how many lines they are: sound, without faults, of at most 76 octets,
// and none that may be a boundary. They begin behind a line that was written.
func (d *textDecoder) usualLines(b []byte) (n, lines int) {
	if d.escape > qpBegun {
		return 0, 0
	}
	for {
		length := d.usualLine(b[n:])
		if length == 0 {
			d.lines += lines
			return n, lines
		}
		n += length
		lines++
	}
}

// usualLine decodes the line that b begins with and returns its length, with the line
// end. If it is no usual one, or not all there, that is 0, and nothing has changed.
func (d *textDecoder) usualLine(b []byte) (n int) {
	if len(b) > 1 && b[0] == '-' && b[1] == '-' {
		return 0
	}
	b = b[:min(len(b), mostOfUsual)]
	if len(d.out)+len("\n")+len(b) > gathered {
		d.flush()
	}
	out, to := d.out[:gathered], len(d.out)
	if d.escape == qpNone { // the line before ended in no soft line break
		out[to] = '\n'
		to++
	}
	for n+8 <= len(b) {
		v := binary.LittleEndian.Uint64(b[n:])
		binary.LittleEndian.PutUint64(out[to:], v)
		special := (hasZero(v^'='*lowBits) | notPrintable(v)) & highBits
		if special == 0 {
			n, to = n+8, to+8
			continue
		}
		plain := bits.TrailingZeros64(special) / 8
		n, to = n+plain, to+plain
		if n+len("=3D") > len(b) {
			return 0
		}
		switch b[n] {
		case '=':
			high, low := hexValues[b[n+1]], hexValues[b[n+2]]
			if high|low < 0 {
				if n >= maxEncodedLine || b[n+1] != '\r' || b[n+2] != '\n' {
					return 0
				}
				d.out, d.escape = out[:to], qpBegun
				return n + len("=\r\n")
			}
			out[to] = byte(high<<4 | low)
			n, to = n+len("=3D"), to+1
		case '\r':
			if n > maxEncodedLine || b[n+1] != '\n' {
				return 0
			}
			d.out, d.escape = out[:to], qpNone
			return n + len("\r\n")
		case '\t':
			n, to = n+1, to+1
		default:
			return 0
		}
	}
	return 0
}

// notPrintable has a high bit set if an octet of v is none of the printable ones of
// ASCII, and that of the first one is the lowest: the difference has it below a space
// and from 0xA0 on, the sum from DEL up to 0xFE.
func notPrintable(v uint64) uint64 { return (v - ' '*lowBits) | (v + lowBits) }
