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
// looks at eight octets at a time: hasZero of a word tells of NUL, and of CR
// after an exclusive or with CRs.
func examine(b []byte) faults {
	var high, zero, cr uint64
	for len(b) >= 8 {
		v := binary.LittleEndian.Uint64(b)
		high |= v
		zero |= hasZero(v)
		cr |= hasZero(v ^ crs)
		b = b[8:]
	}
	for _, c := range b {
		v := uint64(c) | (lowBits - 1) // the other octets are 1
		high |= v
		zero |= hasZero(v)
		cr |= hasZero(v ^ crs)
	}
	var f faults
	if high&highBits != 0 {
		f |= eightBits
	}
	if zero != 0 {
		f |= nul
	}
	if cr != 0 {
		f |= bareCR
	}
	return f
}

// hasZero is not 0 if one of the octets of v is: the difference borrows into the
// high bit of such an octet, and v itself has that bit clear.
func hasZero(v uint64) uint64 { return (v - lowBits) & ^v & highBits }
