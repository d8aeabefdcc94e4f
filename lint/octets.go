package lint

import "encoding/binary"

// faults are what may be wrong with the octets of a line.
type faults uint8

const (
	eightBits faults = 1 << iota // an octet above 127
	bareCR                       // a CR without LF
	bareLF                       // an LF without CR
	nul
)

// String names the faults that RFC 5321 2.3.8 and 4.1.1.4 forbid.
func (f faults) String() string {
	names := ""
	for _, one := range []struct {
		fault faults
		name  string
	}{{bareCR, "bare CR"}, {bareLF, "bare LF"}, {nul, "NUL"}} {
		if f&one.fault != 0 {
			names = phrases(names, one.name)
		}
	}
	return names
}

// cutLineEnd splits the line end off a line, and tells if it is a bare LF. Only
// the last line of a body may have none, or a bare CR in its place.
func cutLineEnd(b []byte) ([]byte, faults) {
	n := len(b)
	switch {
	case n > 0 && b[n-1] == '\r':
		return b[:n-1], bareCR
	case n == 0 || b[n-1] != '\n':
		return b, 0
	case n > 1 && b[n-2] == '\r':
		return b[:n-2], 0
	}
	return b[:n-1], bareLF
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
	crs      = '\r' * lowBits
)

// examine tells what is wrong with the octets of a line without its line end. It
// looks at eight octets at a time, and again if there are controls among them.
func examine(b []byte) faults {
	if len(b) < 8 {
		return examineShort(b)
	}
	last := binary.LittleEndian.Uint64(b[len(b)-8:])
	high, low := last, belowCR(last)
	for rest := b; len(rest) >= 8; rest = rest[8:] {
		v := binary.LittleEndian.Uint64(rest)
		high |= v
		low |= belowCR(v)
	}
	var f faults
	if high&highBits != 0 {
		f = eightBits
	}
	if low&highBits != 0 {
		for ; len(b) >= 8; b = b[8:] {
			f |= controls(binary.LittleEndian.Uint64(b))
		}
		f |= controls(last)
	}
	return f
}

func examineShort(b []byte) faults {
	var f faults
	for _, c := range b {
		switch {
		case c >= 0x80:
			f |= eightBits
		case c == 0:
			f |= nul
		case c == '\r':
			f |= bareCR
		}
	}
	return f
}

// belowCR has a high bit set if one of the octets of v is NUL, CR or one in between: such
// an octet borrows into its high bit. If none is, no octet borrows from the next.
func belowCR(v uint64) uint64 { return (v - ('\r'+1)*lowBits) &^ v }

// controls tells of CR and NUL.
func controls(v uint64) faults {
	var f faults
	if hasZero(v) != 0 {
		f |= nul
	}
	if hasZero(v^crs) != 0 {
		f |= bareCR
	}
	return f
}

// hasZero is not 0 if one of the octets of v is: the difference borrows into the
// high bit of such an octet, and v itself has that bit clear.
func hasZero(v uint64) uint64 { return (v - lowBits) & ^v & highBits }
