package lint

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Rules on encoded-words (RFC 2047).

// maxEncodedWord is the most characters of one, delimiters and all (RFC 2047 2).
const maxEncodedWord = 75

// encodedWord is a piece of a value that was meant as one: "=?utf-8?q?Gr=C3=BC=C3=9Fe?=".
type encodedWord struct {
	all      string // as it stands
	charset  string // lower case, its language left out
	encoding byte   // of whatever letter, in upper case
	data     string
	closed   bool // it has its "?=" before white space comes
}

// nextEncodedWord finds the first one in a value, however wrong it is, and
// returns what follows it. It goes over no octet twice, the name of a charset apart.
func nextEncodedWord(s string) (w encodedWord, rest string, ok bool) {
	for {
		i := strings.Index(s, "=?")
		if i < 0 {
			return w, "", false
		}
		s = s[i:]
		if n := encodedWordData(s); n > 0 {
			w, rest = cutEncodedWord(s, n)
			return w, rest, true
		}
		s = s[len("=?"):]
	}
}

// encodedWordData returns the length of the "=?charset?q?" that s begins with, or 0.
func encodedWordData(s string) int {
	charset := s[len("=?"):]
	n := strings.IndexAny(charset[:min(len(charset), maxCharset)], "()<>@,;:\"/[]?.= \t")
	if n < 0 || len(charset) < n+len("?q?") || charset[n] != '?' || !letter(charset[n+1]) || charset[n+2] != '?' {
		return 0
	}
	return len("=?") + n + len("?q?")
}

// cutEncodedWord cuts one off whose data begins at index n.
func cutEncodedWord(s string, n int) (w encodedWord, rest string) {
	w.encoding = s[n-len("q?")] &^ 0x20
	w.charset, _, _ = strings.Cut(strings.ToLower(s[len("=?"):n-len("?q?")]), "*")
	for i := n; i < len(s); i++ {
		switch {
		case s[i] == ' ' || s[i] == '\t':
			w.all, w.data = s[:i], s[n:i]
			return w, s[i:]
		case s[i] == '?' && i+1 < len(s) && s[i+1] == '=':
			w.all, w.data, w.closed = s[:i+2], s[n:i], true
			return w, s[i+2:]
		}
	}
	w.all, w.data = s, s[n:]
	return w, ""
}

// problem says what is wrong with it (RFC 2047 2, 4), or "".
func (w encodedWord) problem() string {
	switch {
	case !w.closed:
		return "no end before white space"
	case w.charset == "":
		return "no charset"
	case len(w.all) > maxEncodedWord:
		return fmt.Sprintf("%d characters, at most %d", len(w.all), maxEncodedWord)
	case w.encoding == 'B':
		if _, err := base64.StdEncoding.DecodeString(w.data); err != nil {
			return "no base64"
		}
	case w.encoding != 'Q':
		return "an encoding that is neither B nor Q"
	case strings.Contains(w.data, "?"):
		return "a question mark that is not encoded"
	case !wholeEscapes(w.data):
		return "a = that no two hexadecimal digits follow"
	}
	if w.charset == "utf-8" && !utf8.Valid(w.octets()) {
		return "characters that are cut in two, or no UTF-8"
	}
	return ""
}

// octets are what the data stands for, of a word that is well formed otherwise.
func (w encodedWord) octets() []byte {
	if w.encoding == 'B' {
		octets, _ := base64.StdEncoding.DecodeString(w.data)
		return octets
	}
	var octets []byte
	for i := 0; i < len(w.data); i++ {
		c := w.data[i]
		if c == '=' {
			c = byte(hexDigit(w.data[i+1])<<4 | hexDigit(w.data[i+2]))
			i += 2
		}
		octets = append(octets, c)
	}
	return octets
}

func wholeEscapes(s string) bool {
	for {
		_, rest, ok := strings.Cut(s, "=")
		if !ok {
			return true
		}
		if len(rest) < 2 || hexDigit(rest[0]) < 0 || hexDigit(rest[1]) < 0 {
			return false
		}
		s = rest
	}
}

// addressFields are those whose values are address lists.
var addressFields = [...]string{"From", "Sender", "Reply-To", "To", "Cc"}

// encodedWordMisplaced looks where programs take an encoded-word by its letters.
func encodedWordMisplaced(h *header) {
	for i := range h.fields {
		if (h.fields[i].Is("Message-ID") || h.fields[i].Is("Date")) && !h.refused(i) {
			if w, _, ok := nextEncodedWord(h.fields[i].Unfolded()); ok && w.closed {
				h.foundAt(i, shown(w.all))
			}
		}
	}
	for _, name := range addressFields {
		for _, field := range h.encodedAddresses(name) {
			for _, box := range field.boxes {
				if w, _, ok := nextEncodedWord(box.String()); ok && w.closed {
					h.foundAt(field.index, shown(box.String()))
					break
				}
			}
			if address := encodedAddress(field); address != "" {
				h.foundAt(field.index, "no address, but for "+shown(address))
			}
		}
	}
}

// encodedAddress returns what stands in a field in the place of an address and is none
// until it is decoded.
func encodedAddress(field addressField) string {
	if field.err == nil {
		return ""
	}
	for item := range strings.SplitSeq(field.value, ",") {
		item = strings.TrimSpace(item)
		if strings.HasPrefix(item, "=?") && !strings.ContainsAny(item, "<@:") && strings.Contains(decodedWords(item), "@") {
			return item
		}
	}
	return ""
}

// encodedAddresses parses the fields of a name if there is an encoded-word in one.
func (h *header) encodedAddresses(name string) []addressField {
	for _, value := range h.values(name) {
		if strings.Contains(value, "=?") {
			return h.addresses(name)
		}
	}
	return nil
}

// encodedWordMalformed looks at the fields that people are shown. Of each the
// first fault is told.
func encodedWordMalformed(h *header) {
	for i := range h.fields {
		if !h.readByPeople(i) || h.refused(i) {
			continue
		}
		rest := h.fields[i].Unfolded()
		for {
			w, after, ok := nextEncodedWord(rest)
			if !ok {
				break
			}
			if problem := w.problem(); problem != "" {
				h.foundAt(i, problem+": "+shown(w.all))
				break
			}
			rest = after
		}
	}
}

// readByPeople reports whether mail programs show the value of h.fields[i].
func (h *header) readByPeople(i int) bool {
	for _, name := range addressFields {
		if h.fields[i].Is(name) {
			return true
		}
	}
	return h.fields[i].Is("Subject") || h.fields[i].Is("Comments")
}
