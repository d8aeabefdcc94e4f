package lint

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Rules on the octets of encoded data and of text.

// encodedData judges base64 and quoted-printable data as its lines come. It
// keeps the first thing that is wrong.
type encodedData struct {
	base64  bool
	problem string
	line    int

	digits int    // of base64, modulo 4
	padded bool   // "=" was seen
	rest   []byte // of quoted-printable: an escape at the end of a piece
}

// newEncodedData returns nil for what is not encoded.
func newEncodedData(p *part) *encodedData {
	switch {
	case p.kind != leaf:
		return nil
	case p.encoding == "base64":
		return &encodedData{base64: true}
	case p.encoding == "quoted-printable":
		return &encodedData{}
	}
	return nil
}

// write takes a line, or a further piece of one, and what who decoded it says of it.
func (e *encodedData) write(b []byte, begins, sound bool, line int) {
	if e.problem != "" {
		return
	}
	switch {
	case e.base64 && sound && !e.padded:
		return // whole quanta leave the count of digits as it is
	case sound && !e.base64 && (len(e.rest) == 0 || begins && len(e.rest) == 1):
		e.rest = e.rest[:0]
		if len(b) > 0 && b[len(b)-1] == '=' {
			e.rest = append(e.rest, '=')
		}
		return
	case e.base64:
		e.problem = e.base64Line(b)
	default:
		e.problem = e.quotedPrintable(b, begins)
	}
	if e.problem != "" {
		e.line = line
	}
}

// atLine reports whether lines that are sound may follow without being written: of the
// line before a soft line break is left at most, which the next line drops.
func (e *encodedData) atLine() bool { return e.problem != "" || len(e.rest) <= len("=") }

// The classes of octets in base64 data (RFC 2045 6.8).
const (
	b64Digit = iota
	b64Space
	b64Pad
	b64Junk
)

// base64Classes is the class of each octet.
func base64Classes() *[256]byte {
	var classes [256]byte
	for i := range classes {
		classes[i] = b64Junk
	}
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		classes[c] = b64Digit
	}
	for _, c := range []byte(" \t\r") {
		classes[c] = b64Space
	}
	classes['='] = b64Pad
	return &classes
}

var base64Class = base64Classes()

func (e *encodedData) base64Line(b []byte) string {
	if !e.padded {
		var worst byte
		for _, c := range b {
			worst |= base64Class[c]
		}
		if worst == b64Digit {
			e.digits = (e.digits + len(b)) % 4
			return ""
		}
	}
	for i, c := range b {
		switch base64Class[c] {
		case b64Digit:
			if e.padded {
				return "data behind the padding"
			}
			e.digits = (e.digits + 1) % 4
		case b64Pad:
			e.padded = true
		case b64Junk:
			return "no base64: " + shown(b[i:])
		}
	}
	return ""
}

func (e *encodedData) quotedPrintable(b []byte, begins bool) string {
	if begins {
		if problem := e.endOfLine(); problem != "" {
			return problem
		}
	}
	if len(e.rest) > 0 {
		b = append(bytes.Clone(e.rest), b...)
		e.rest = e.rest[:0]
	}
	for i, c := range b {
		if (c < ' ' || c > '~') && c != '\t' && c != '\r' {
			return "an octet that must be encoded: " + shown(b[i:])
		}
	}
	for {
		i := bytes.IndexByte(b, '=')
		switch {
		case i < 0:
			return ""
		case len(bytes.TrimRight(b[i+1:], " \t\r")) == 0 || len(b)-i < 3:
			e.rest = append(e.rest, b[i:min(len(b), i+3)]...) // a soft line break, or cut between pieces
			return ""
		case hexDigit(b[i+1]) < 0 || hexDigit(b[i+2]) < 0:
			return "a \"=\" without two digits: " + shown(b[i:])
		}
		b = b[i+3:]
	}
}

// endOfLine judges what was left of the line before: a soft line break, with
// white space at most (RFC 2045 6.7).
func (e *encodedData) endOfLine() string {
	rest := e.rest
	e.rest = e.rest[:0]
	if len(rest) > 1 && len(bytes.TrimRight(rest[1:], " \t\r")) > 0 {
		return "a \"=\" without two digits: " + shown(rest)
	}
	return ""
}

// close judges the end of the data.
func (e *encodedData) close(line int) {
	if e.problem != "" {
		return
	}
	if e.base64 && !e.padded && e.digits == 1 {
		e.problem = "cut off: a digit is left over"
	} else if !e.base64 {
		e.problem = e.endOfLine()
	}
	e.line = line
}

func dataInvalid(b *body, p *part) {
	if e := p.rules.encoded; e != nil && e.problem != "" {
		b.found(p, p.line(e.line), e.problem)
	}
}

// bodyEightBit warns of what an MTA converts after signing where the next hop can't
// take it. With SMTPUTF8 there is no such next hop (RFC 6531 3.1).
func bodyEightBit(b *body, p *part) {
	if p.eight.count > 0 && p.kind == leaf && !b.smtputf8 && !b.m.Header.Overflow() && (p.encoding == "8bit" || p.encoding == "binary") {
		b.foundSpots(p, p.eight, "declared "+p.encoding)
	}
}

// textOctets holds the octets of a text part against its charset.
type textOctets struct {
	encoded bool
	decoder *textDecoder // nil: it is not encoded, or that of another reader of the part serves
	utf8    bool         // else ASCII alone is allowed
	charset string       // as it is declared
	carry   []byte       // the beginning of a character
	line    int          // of what is not encoded: the line that was read last
	bad     []byte       // the first octets that are not of the charset, at most maxBad
}

// maxBad is how many octets are shown of those that are not of the charset.
const maxBad = 8

// newTextOctets returns nil where nothing is to be held against anything. Where
// 8-bit octets may not stand at all, M10 speaks of it.
func newTextOctets(p *part) *textOctets {
	if p.kind != leaf || !strings.HasPrefix(p.contentType.value, "text/") {
		return nil
	}
	switch p.encoding {
	case "8bit", "binary", "quoted-printable", "base64":
	default:
		return nil
	}
	charset, _ := p.contentType.param("charset")
	t := &textOctets{charset: charset, encoded: p.encoded()}
	switch strings.ToLower(charset) {
	case "utf-8", "utf8":
		t.utf8 = true
	case "us-ascii", "ascii":
	case "":
		if !p.is("text/plain") && !p.is("text/html") {
			return nil // others have defaults of their own
		}
	default:
		return nil // of other charsets every octet means something, or we do not know it
	}
	switch shown := p.rules.text; {
	case !t.encoded:
	case shown != nil:
		shown.decoder.share(t.write)
	default:
		t.decoder = newTextDecoder(p.encoding, t.write)
	}
	return t
}

// data takes a line as it stands, or a further piece of one. Of what is not
// encoded, lines of ASCII may be left out, and are passed over.
func (t *textOctets) data(b []byte, f faults, begins bool, line int) {
	switch {
	case t.decoder != nil:
		t.decoder.write(b, begins)
	case t.encoded || f&eightBits == 0:
	default:
		if line != t.line {
			t.endText() // no character of UTF-8 goes on over a line end
			if t.bad != nil {
				return
			}
			t.line = line
		}
		t.write(b)
	}
}

func (t *textOctets) write(b []byte) {
	if t.bad != nil { // it may have been cut between pieces
		t.bad = append(t.bad, b[:min(len(b), maxBad-len(t.bad))]...)
		return
	}
	if !t.utf8 {
		for i, c := range b {
			if c >= utf8.RuneSelf {
				t.bad = bytes.Clone(b[i:min(len(b), i+maxBad)])
				return
			}
		}
		return
	}
	if len(t.carry) > 0 {
		b = append(t.carry, b...)
		t.carry = nil
	}
	whole := b[:len(b)-cutCharacter(b)]
	if utf8.Valid(whole) {
		t.carry = bytes.Clone(b[len(whole):])
		return
	}
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			t.bad = bytes.Clone(b[:min(len(b), maxBad)])
			return
		}
		b = b[n:]
	}
}

// cutCharacter returns how many octets at the end begin a character of UTF-8 and do not end it.
func cutCharacter(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (t *textOctets) close() {
	if t.decoder != nil {
		t.decoder.close()
	}
	t.endText()
}

func (t *textOctets) endText() {
	if t.bad == nil && len(t.carry) > 0 {
		t.bad = t.carry
	}
	t.carry = nil
}

func charsetWrong(b *body, p *part) {
	t := p.rules.octets
	if t == nil || t.bad == nil {
		return
	}
	where, what := p.where(), "not "+shown(t.charset)+": "
	if t.line > 0 {
		where = p.line(t.line)
	}
	if t.charset == "" {
		what = "no charset is declared, and there is "
	}
	b.found(p, where, what+shown(t.bad))
}
