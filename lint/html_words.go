package lint

import (
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/net/html/atom"
)

// The rule on plain text and html that should say the same.

// wordSet is the set of the words of a text, as bits at their hashes. Of a very
// long text so many bits are set that it looks like every other: then nothing is
// found. URLs are no words: plain text spells out those that html hides.
type wordSet struct {
	bits  [1 << 16 / 64]uint64
	shown bool // there is something besides white space
	utf8  bool // octets above 127 are UTF-8; in other charsets words with such are left out

	hash    uint32
	length  int       // octets of the word that is being read
	foreign bool      // it has octets of another charset
	class   utf8Class // of the character that is being read
	left    int       // its octets to come
	scheme  int       // how much of "://" was read
	url     bool      // in a URL, up to its end
}

// utf8Class is what a character above 127 is to a word, by the first octet of its UTF-8.
type utf8Class uint8

const (
	wordLetter    utf8Class = iota // U+00C0 to U+07FF: alphabets
	wordItself                     // U+0800 to U+1FFF, U+3000 to U+EFFF: scripts that set no spaces, and their neighbours
	wordSeparator                  // punctuation and symbols, full width forms, emoji
)

func classOf(lead byte) (class utf8Class, following int) {
	switch {
	case lead >= 0xF0:
		return wordSeparator, 3
	case lead == 0xE2, lead == 0xEF:
		return wordSeparator, 2
	case lead >= 0xE0:
		return wordItself, 2
	case lead == 0xC2:
		return wordSeparator, 1
	}
	return wordLetter, 1
}

// FNV-1a.
const (
	hashOffset = 2166136261
	hashPrime  = 16777619
)

// write takes the next octets of the text.
func (w *wordSet) write(b []byte) {
	for _, c := range b {
		w.shown = w.shown || c > ' '
		switch {
		case w.url:
			w.url = c > ' ' && c != '>' && c != ')' && c != ']' && c != '"'
		case letter(c):
			w.add(c | 0x20)
		case c >= '0' && c <= '9':
			w.add(c)
		case c < 0x80:
			w.punctuation(c)
		case !w.utf8:
			w.foreign = true
			w.add(c)
		default:
			w.multibyte(c)
		}
	}
}

func (w *wordSet) add(c byte) {
	if w.length == 0 {
		w.hash = hashOffset
	}
	w.hash = (w.hash ^ uint32(c)) * hashPrime
	w.length++
}

func (w *wordSet) punctuation(c byte) {
	w.end()
	switch {
	case c == ':':
		w.scheme = 1
	case c == '/' && w.scheme > 0:
		w.scheme++
	default:
		w.scheme = 0
	}
	if w.scheme == len("://") {
		w.url, w.scheme = true, 0
	}
}

func (w *wordSet) multibyte(c byte) {
	if c >= 0xC0 {
		if w.class, w.left = classOf(c); w.class != wordLetter {
			w.end()
		}
	} else {
		w.left--
	}
	if w.class != wordSeparator {
		w.add(c)
	}
	if w.class == wordItself && w.left == 0 {
		w.end()
	}
}

// end ends the word. Single letters are none.
func (w *wordSet) end() {
	if w.length > 1 && !w.foreign {
		h := w.hash ^ w.hash>>16
		w.bits[h>>6&uint32(len(w.bits)-1)] |= 1 << (h & 63)
	}
	w.length, w.foreign, w.scheme = 0, false, 0
}

func (w *wordSet) count() int {
	n := 0
	for _, word := range w.bits {
		n += bits.OnesCount64(word)
	}
	return n
}

// shared counts the words that both sets have.
func (w *wordSet) shared(other *wordSet) int {
	n := 0
	for i := range w.bits {
		n += bits.OnesCount64(w.bits[i] & other.bits[i])
	}
	return n
}

// versions are the words of a multipart/alternative.
type versions struct {
	plain, html wordSet
	charset     string // of the first text, "" until there is one
	strange     bool   // the charsets can't be compared
	plains      int
	htmls       int
}

// versionsFor returns the outermost multipart/alternative that a text of the
// message stands in, or nil.
func versionsFor(p *part) *versions {
	var outer *part
	for up := p.parent; up != nil; up = up.parent {
		if up.is("multipart/alternative") {
			outer = up
		}
	}
	if outer == nil {
		return nil
	}
	if outer.rules.versions == nil {
		outer.rules.versions = &versions{}
	}
	return outer.rules.versions
}

// begin returns the set for the words of a text.
func (v *versions) begin(p *part) *wordSet {
	set := &v.plain
	if p.is("text/html") {
		set = &v.html
		v.htmls++
	} else {
		v.plains++
	}
	charset := charsetOf(p)
	v.strange = v.strange || !scannable(p) || v.charset != "" && v.charset != charset
	v.charset = charset
	set.utf8 = charset == "utf-8"
	return set
}

// charsetOf is the charset of a text, in lower case; ASCII is UTF-8.
func charsetOf(p *part) string {
	charset, _ := p.contentType.param("charset")
	switch charset = strings.ToLower(strings.TrimSpace(charset)); charset {
	case "", "us-ascii", "ascii", "utf8":
		return "utf-8"
	}
	return charset
}

// What makes two versions differ: hardly a word of the html in the plain text, as
// when that only says to use another program, or most words of the plain text in no
// html. A summary of a long newsletter is neither.
const (
	someWords  = 5 // of the html, where the plain text is empty
	fewWords   = 8 // of each, where they share none
	minOfHTML  = 5 // percent of the html's words, where it has longHTML of them
	longHTML   = 40
	minOfPlain = 20 // percent of the plain text's words, where it has longPlain of them
	longPlain  = 20
)

// differ says how the plain text differs from the html, or returns "".
func (v *versions) differ() string {
	plain, html, shared := v.plain.count(), v.html.count(), v.plain.shared(&v.html)
	switch {
	case v.plains == 0 || v.htmls == 0:
		return ""
	case !v.plain.shown && html >= someWords:
		return fmt.Sprintf("the plain text is empty, the html has %d words", html)
	case v.strange:
		return ""
	case html >= longHTML && shared*100 < minOfHTML*html,
		plain >= longPlain && html >= fewWords && shared*100 < minOfPlain*plain,
		plain >= fewWords && html >= fewWords && shared == 0:
		return fmt.Sprintf("of %d words of the plain text and %d of the html %d are the same", plain, html, shared)
	}
	return ""
}

func alternativesDiffer(b *body, p *part) {
	if v := p.rules.versions; v != nil && !p.cut {
		if how := v.differ(); how != "" {
			b.found(p, p.where(), how)
		}
	}
}

// endsWord reports whether a tag sets off what stands before it from what follows.
func endsWord(name atom.Atom) bool {
	switch name {
	case atom.A, atom.B, atom.Big, atom.Em, atom.Font, atom.I, atom.S, atom.Small, atom.Span, atom.Strong, atom.Sub, atom.Sup, atom.U, atom.Wbr:
		return false
	}
	return true
}
