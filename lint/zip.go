package lint

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// zipNames reads the file names of a zip archive from its base64 lines, as they
// come, and keeps the first one that is blocked. It follows the local file
// headers and the central directory behind them (APPNOTE.TXT 4.3); what is
// compressed is skipped. A directory that is encrypted as a whole stays unread.
type zipNames struct {
	base64  base64Lines
	step    zipStep
	skip    int64            // octets to skip before the next record
	record  [zipCentral]byte // fixed part of the current record
	have    int              // octets of it so far
	name    []byte           // of the current file, its end if it is long
	missing int              // octets of the name to come
	seen    int              // records read
	blocked string           // first blocked name
	count   int              // blocked names
}

type zipStep uint8

const (
	zipScanning zipStep = iota // look for the next record: junk may stand before it, or a file of unknown length
	zipAtRecord                // a record begins here
	zipInName
	zipDone // more records than are read
)

// Signatures and fixed lengths of the records (APPNOTE.TXT 4.3.7, 4.3.12).
const (
	zipLocalSignature   = "PK\x03\x04"
	zipCentralSignature = "PK\x01\x02"
	zipLocal            = 30
	zipCentral          = 46
	maxZipName          = 256 // of a longer one the end is kept, where the extension is
	maxZipRecords       = 1 << 20
)

// write takes a line of base64 data.
func (z *zipNames) write(line []byte) {
	if z.step != zipDone {
		z.base64.decode(line, z.read)
	}
}

func (z *zipNames) read(b []byte) {
	for len(b) > 0 && z.step != zipDone {
		switch {
		case z.skip > 0:
			n := min(z.skip, int64(len(b)))
			z.skip -= n
			b = b[n:]
		case z.step == zipInName:
			b = z.readName(b)
		case z.step == zipScanning:
			b = z.scan(b)
		default:
			b = z.readRecord(b)
		}
	}
}

// readRecord collects the fixed part of a record; its signature says how long that is.
func (z *zipNames) readRecord(b []byte) []byte {
	want := len(zipLocalSignature)
	if z.have >= want {
		want = z.recordLength()
	}
	n := copy(z.record[z.have:want], b)
	z.have += n
	if z.have < want {
		return b[n:]
	}
	if want == len(zipLocalSignature) {
		if z.recordLength() == 0 {
			z.rescan()
		}
		return b[n:]
	}
	z.have = 0
	z.beginName()
	return b[n:]
}

// rescan looks for the next record from the foreign signature on that was read.
func (z *zipNames) rescan() {
	foreign := [len(zipLocalSignature)]byte(z.record[:])
	z.have, z.step = 0, zipScanning
	z.scan(foreign[:])
}

// recordLength is the length of the fixed part by its signature, 0 for a record without a name.
func (z *zipNames) recordLength() int {
	switch string(z.record[:len(zipLocalSignature)]) {
	case zipLocalSignature:
		return zipLocal
	case zipCentralSignature:
		return zipCentral
	}
	return 0
}

func (z *zipNames) beginName() {
	if z.seen++; z.seen > maxZipRecords {
		z.step = zipDone
		return
	}
	at := 26
	if z.central() {
		at = 28
	}
	z.missing = int(binary.LittleEndian.Uint16(z.record[at:]))
	z.name = z.name[:0]
	z.step = zipInName
	if z.missing > maxZipName {
		z.skip = int64(z.missing - maxZipName)
		z.missing = maxZipName
	}
	if z.missing == 0 {
		z.endName()
	}
}

func (z *zipNames) central() bool { return z.recordLength() == zipCentral }

func (z *zipNames) readName(b []byte) []byte {
	n := min(z.missing, len(b))
	z.name = append(z.name, b[:n]...)
	z.missing -= n
	if z.missing == 0 {
		z.endName()
	}
	return b[n:]
}

// endName judges the name and finds out where the next record begins.
func (z *zipNames) endName() {
	z.judge(string(z.name))
	z.step = zipAtRecord
	if z.central() {
		extra := binary.LittleEndian.Uint16(z.record[30:])
		comment := binary.LittleEndian.Uint16(z.record[32:])
		z.skip = int64(extra) + int64(comment)
		return
	}
	const sizeFollows = 1 << 3 // general purpose bit 3: the size stands behind the data
	flags := binary.LittleEndian.Uint16(z.record[6:])
	size := binary.LittleEndian.Uint32(z.record[18:])
	z.skip = int64(binary.LittleEndian.Uint16(z.record[28:]))
	if flags&sizeFollows != 0 || size == 1<<32-1 { // or Zip64, in an extra field
		z.step = zipScanning
		return
	}
	z.skip += int64(size)
}

// judge counts a blocked name once, although it stands in both kinds of record.
func (z *zipNames) judge(name string) {
	if blockedExtension(name) == "" || z.central() && z.count > 0 {
		return
	}
	if z.count++; z.count == 1 {
		z.blocked = name
	}
}

// scan looks for the signature of the next record.
func (z *zipNames) scan(b []byte) []byte {
	for len(b) > 0 {
		if z.have == 0 {
			i := bytes.IndexByte(b, 'P')
			if i < 0 {
				return nil
			}
			b = b[i:]
		}
		z.record[z.have] = b[0]
		z.have++
		switch {
		case !z.beginsSignature():
			again := z.have > 1 && b[0] == 'P'
			z.have = 0
			if again {
				continue
			}
		case z.have == len(zipLocalSignature):
			z.step = zipAtRecord
			return b[1:]
		}
		b = b[1:]
	}
	return nil
}

// beginsSignature reports whether the octets of the record so far begin one with a name.
func (z *zipNames) beginsSignature() bool {
	s := string(z.record[:z.have])
	return s == zipLocalSignature[:z.have] || s == zipCentralSignature[:z.have]
}

// base64Lines decodes base64 that comes in lines, quanta across line ends
// included. What is not of the alphabet is skipped (RFC 2045 6.8).
type base64Lines struct {
	rest  [4]byte // of an incomplete quantum
	have  int
	ended bool
	out   [768]byte
}

// decode tells whether the line was found sound: whole quanta of digits alone.
func (d *base64Lines) decode(line []byte, to func([]byte)) (sound bool) {
	sound = !d.ended
	for len(line) > 0 && !d.ended {
		chunk := line[:min(len(line), 1024)]
		line = line[len(chunk):]
		if n, ok := d.quanta(d.out[:], chunk); ok {
			sound = sound && n == len(chunk)/4*3
			to(d.out[:n])
			continue
		}
		sound = false
		d.slowly(chunk, to)
	}
	return sound
}

// quanta decodes a line that is whole quanta, which nearly all are.
func (d *base64Lines) quanta(out, line []byte) (n int, ok bool) {
	if d.have != 0 || d.ended || len(line) == 0 || len(line)%4 != 0 {
		return 0, false
	}
	n, err := base64.StdEncoding.Decode(out, line)
	if err != nil {
		return 0, false
	}
	d.ended = line[len(line)-1] == '='
	return n, true
}

// slowly puts quanta together octet by octet.
func (d *base64Lines) slowly(chunk []byte, to func([]byte)) {
	n := 0
	for _, c := range chunk {
		if !inBase64(c) {
			continue
		}
		d.rest[d.have] = c
		if d.have++; d.have < len(d.rest) {
			continue
		}
		d.have = 0
		m, err := base64.StdEncoding.Decode(d.out[n:], d.rest[:])
		n += m
		if err != nil || c == '=' {
			d.ended = true
			break
		}
	}
	to(d.out[:n])
}

func inBase64(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '='
}
