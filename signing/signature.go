package signing

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// signatureField is the name of the field (RFC 6376 3.5).
const signatureField = "DKIM-Signature"

// columns is where the lines of a signature end at the latest, in octets without
// the line end (RFC 5322 2.1.1); only a long domain or identity goes beyond.
const columns = 78

// usualSignature is about how long the value of a signature field of an RSA-2048 key
// is, in octets. It only saves growing to it.
const usualSignature = 1024

// statement is what all signatures of a message say alike.
type statement struct {
	canon    canonicalization
	time     time.Time
	expire   time.Duration // 0: never
	names    []string      // h=
	bodyHash []byte
}

// unsigned returns the value of the signature field of a key up to its empty
// b=, which comes last: that much is signed (RFC 6376 3.7).
func (s statement) unsigned(e *entry, k publishedKey) *folder {
	f := &folder{column: len(signatureField + ":")}
	f.Grow(usualSignature)
	f.word("v=1;")
	f.word("a=", k.Algorithm(), ";")
	f.word("c=", s.canon.String(), ";")
	f.word("d=", e.domain, ";")
	f.word("s=", k.selector, ";")
	if e.identity != "" {
		f.word("i=", e.identity, ";")
	}
	f.word("t=", strconv.FormatInt(s.time.Unix(), 10), ";")
	if s.expire != 0 {
		f.word("x=", strconv.FormatInt(s.time.Add(s.expire).Unix(), 10), ";")
	}
	f.names("h=", s.names)
	f.newLine()
	f.text("bh=")
	f.text(base64.StdEncoding.EncodeToString(s.bodyHash))
	f.text(";")
	f.newLine()
	f.text("b=")
	return f
}

// folder writes a field value in lines of at most columns octets.
type folder struct {
	strings.Builder
	column int
}

// word writes text that can't be folded, given in parts, after a space or on a new line.
func (f *folder) word(parts ...string) {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	if f.column+1+length > columns {
		f.newLine()
	} else {
		f.text(" ")
	}
	for _, part := range parts {
		f.text(part)
	}
}

// names writes a tag with names between colons, after which it may be folded.
func (f *folder) names(tag string, names []string) {
	f.newLine()
	f.text(tag)
	for i, name := range names {
		separator := ":"
		if i == len(names)-1 {
			separator = ";"
		}
		if f.column+len(name)+1 > columns {
			f.newLine()
		}
		f.text(name)
		f.text(separator)
	}
}

// data writes text that can be folded anywhere.
func (f *folder) data(text string) {
	for len(text) > columns-f.column {
		n := columns - f.column
		f.text(text[:n])
		f.newLine()
		text = text[n:]
	}
	f.text(text)
}

func (f *folder) newLine() {
	f.WriteString("\r\n ")
	f.column = 1
}

func (f *folder) text(text string) {
	f.WriteString(text)
	f.column += len(text)
}
