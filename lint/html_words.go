package lint

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"golang.org/x/net/html/atom"
)

// The words of a text, as the rule on plain text and html compares them.

// maxWordText is how much of a text is read for its words: versions that say the same
// begin alike, and of more so many bits would be set that it looks like every other.
const maxWordText = 64 << 10

// wordSet is the set of the words that a text begins with, as bits at their hashes. URLs
// are no words: plain text spells out those that html hides.
type wordSet struct {
	bits  [1 << 16 / 64]uint64
	read  int    // octets of text so far
	shown bool   // there is something besides white space
	utf8  uint64 // highBits: octets above 127 are UTF-8; 0: words with such are left out

	hash    uint64
	length  int       // octets of the word that is being read
	block   uint64    // those of them that are not in hash yet, the first one lowest
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

// wordOctets is how many octets of a word are hashed at once.
const wordOctets = 8

// write takes the next octets of the text.
func (w *wordSet) write(b []byte) {
	b = b[:min(len(b), maxWordText-w.read)]
	w.read += len(b)
	for len(b) > 0 {
		if w.length == 0 && !w.url {
			if b = w.plainWords(b); len(b) == 0 {
				return
			}
		}
		c := b[0]
		if c <= ' ' && !w.url {
			w.blank()
			b = b[blanks(b):]
			continue
		}
		switch {
		case w.url:
			n := urlLength(b)
			if b = b[n:]; len(b) > 0 {
				w.url = false
				b = b[1:]
			}
			continue
		case c >= utf8.RuneSelf && w.utf8 == 0:
			w.foreign, w.shown = true, w.shown || c != 0xA0
			w.add(c)
		case c >= utf8.RuneSelf:
			w.multibyte(c)
		default:
			w.left, w.shown = 0, true
			if n := w.letters(b); n > 0 {
				b = b[n:]
				continue
			}
			w.punctuation(c)
		}
		b = b[1:]
	}
}

// blank takes white space.
func (w *wordSet) blank() {
	w.end()
	w.url, w.left = false, 0
}

// plainWords takes words of ASCII and what is between them, up to what may be a URL or
// is no ASCII, or to the last few octets. It returns what follows.
func (w *wordSet) plainWords(b []byte) []byte {
	for len(b) >= wordOctets {
		v := binary.LittleEndian.Uint64(b)
		if v == ' '*lowBits {
			b = b[wordOctets:]
			continue
		}
		n := w.wordLength(v)
		if n == wordOctets {
			rest := w.longWord(b, v)
			if len(rest) == len(b) {
				return b
			}
			b = rest
			continue
		}
		c := b[n]
		if n > 0 && c >= utf8.RuneSelf || n == 0 && (c >= utf8.RuneSelf || c == ':' || c == '/') {
			return b
		}
		w.shown = w.shown || n > 0 || c > ' '
		w.scheme, w.left = 0, 0
		if n > 1 {
			w.set(lowerCase(v) & (1<<(8*n) - 1))
		}
		if n == 0 || c == ' ' {
			n++
		}
		b = b[n:]
	}
	return b
}

// longWord takes a word that fills the first block, if all of it is here and made of
// what wordLength knows. It returns what follows.
func (w *wordSet) longWord(b []byte, v uint64) []byte {
	var hash uint64
	n := wordOctets
	rest := b
	for n == wordOctets {
		hash = mixed(hash ^ lowerCase(v))
		if rest = rest[wordOctets:]; len(rest) < wordOctets {
			return b
		}
		v = binary.LittleEndian.Uint64(rest)
		n = w.wordLength(v)
	}
	if rest[n] >= utf8.RuneSelf {
		return b
	}
	w.shown, w.scheme, w.left = true, 0, 0
	w.set(hash ^ lowerCase(v)&(1<<(8*n)-1))
	return rest[n:]
}

// letters takes the letters and digits of ASCII that b begins with, and returns how many.
func (w *wordSet) letters(b []byte) int {
	total := 0
	for len(b) >= wordOctets {
		v := binary.LittleEndian.Uint64(b)
		n := alphanumeric(v)
		if n == 0 {
			return total
		}
		w.addBlock(lowerCase(v)&(1<<(8*n)-1), n)
		total += n
		if b = b[n:]; n < wordOctets {
			return total
		}
	}
	for _, c := range b {
		if !letter(c) && !digit(c) {
			break
		}
		w.add(c | 0x20)
		total++
	}
	return total
}

// lowerCase sets the bit that makes a letter of ASCII a lower case one. Digits have it.
func lowerCase(v uint64) uint64 { return v | 0x20*lowBits&^(v&highBits>>2) }

// wordLength returns how many octets of v, the lowest first, belong to a word: letters
// and digits of ASCII, and letters of two octets of UTF-8. Words of both kinds are mixed
// in most languages, so that asking first whether there are any would take longer.
func (w *wordSet) wordLength(v uint64) int {
	leads := v & (v << 1) &^ (v << 2) &^ hasZero(v^0xC2*lowBits) & highBits
	pairs := v &^ (v << 1) & (leads << 8) & w.utf8
	return bits.TrailingZeros64(notAlphanumeric(v)&^(pairs|pairs>>8)) / 8
}

// alphanumeric returns how many octets of v, the lowest first, are letters or digits of ASCII.
func alphanumeric(v uint64) int { return bits.TrailingZeros64(notAlphanumeric(v)) / 8 }

// notAlphanumeric has the high bit of each octet that is no letter or digit of ASCII.
// What is added to each octet, of which the high bit was taken, has that bit set from
// the first character of a range on, or from the one behind it.
func notAlphanumeric(v uint64) uint64 {
	low := v &^ highBits
	folded := low | 0x20*lowBits
	letters := (folded + (0x80-'a')*lowBits) &^ (folded + (0x80-'z'-1)*lowBits)
	digits := (low + (0x80-'0')*lowBits) &^ (low + (0x80-'9'-1)*lowBits)
	return (^(letters | digits) | v) & highBits
}

func (w *wordSet) add(c byte) { w.addBlock(uint64(c), 1) }

// addBlock adds n octets to the word, which may begin in one block and end in the next.
func (w *wordSet) addBlock(v uint64, n int) {
	if w.length == 0 {
		w.hash, w.block, w.scheme = 0, 0, 0
	}
	at := w.length % wordOctets
	w.length += n
	w.block |= v << (8 * at)
	if at+n >= wordOctets {
		w.hash = mixed(w.hash ^ w.block)
		w.block = 0
		if at > 0 {
			w.block = v >> (8 * (wordOctets - at))
		}
	}
}

// mixed spreads what an octet says over all bits.
func mixed(h uint64) uint64 {
	h *= 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio, an odd number
	return h ^ h>>32
}

// blanks is how many octets of white space b begins with: html is often indented.
func blanks(b []byte) int {
	n := 0
	for n+8 <= len(b) && binary.LittleEndian.Uint64(b[n:]) == ' '*lowBits {
		n += 8
	}
	for n < len(b) && b[n] <= ' ' {
		n++
	}
	return n
}

// urlLength is the length of what a URL goes on with.
func urlLength(b []byte) int {
	for i, c := range b {
		if c <= ' ' || c == '>' || c == ')' || c == ']' || c == '"' {
			return i
		}
	}
	return len(b)
}

func (w *wordSet) punctuation(c byte) {
	scheme := w.scheme
	w.end()
	switch {
	case c == ':':
		w.scheme = 1
	case c == '/' && scheme > 0:
		w.scheme = scheme + 1
	}
	if w.scheme == len("://") {
		w.url, w.scheme = true, 0
	}
}

func (w *wordSet) multibyte(c byte) {
	switch {
	case c >= 0xC0:
		if w.class, w.left = classOf(c); w.class != wordLetter {
			w.end()
		}
	case w.left == 0: // it begins nowhere
		w.end()
		return
	default:
		w.left--
	}
	w.shown = w.shown || w.class != wordSeparator || c >= 0xF0 // of the separators pictures alone show something for certain
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
		w.set(w.hash ^ w.block)
	}
	w.length, w.foreign, w.scheme = 0, false, 0
}

// set adds a word by what its last block came to.
func (w *wordSet) set(h uint64) {
	h = mixed(h)
	w.bits[h>>6%uint64(len(w.bits))] |= 1 << (h % 64)
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

// endsWord reports whether a tag sets off what stands before it from what follows.
func endsWord(name atom.Atom) bool {
	switch name {
	case atom.A, atom.B, atom.Big, atom.Em, atom.Font, atom.I, atom.S, atom.Small, atom.Span, atom.Strong, atom.Sub, atom.Sup, atom.U, atom.Wbr:
		return false
	}
	return true
}
