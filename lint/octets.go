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
// the last line of a body may have none.
func cutLineEnd(b []byte) ([]byte, faults) {
	n := len(b)
	switch {
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

// plain reports whether b has no octet above 127, no CR and no NUL. It looks at
// eight octets at a time: (v-lowBits)&^v has the high bit of each octet that is
// zero set (and perhaps of those above it, which does not matter here).
func plain(b []byte) bool {
	for len(b) >= 8 {
		if !plainWord(binary.LittleEndian.Uint64(b)) {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 || c == '\r' || c == 0 {
			return false
		}
	}
	return true
}

func plainWord(v uint64) bool {
	w := v ^ crs
	return (v|(v-lowBits)|(w-lowBits)&^w)&highBits == 0
}

// examine tells what is wrong with the octets of a line without its line end.
func examine(b []byte) faults {
	var f faults
	for len(b) > 0 {
		if len(b) >= 8 && plainWord(binary.LittleEndian.Uint64(b)) {
			b = b[8:]
			continue
		}
		switch c := b[0]; {
		case c >= 0x80:
			f |= eightBits
		case c == '\r':
			f |= bareCR
		case c == 0:
			f |= nul
		}
		b = b[1:]
	}
	return f
}
