package parts

import (
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// inCharset returns text in UTF-8. What says nothing or something unknown of its
// charset, and what is none of its charset, is taken for UTF-8 if it is that.
func inCharset(text []byte, charset string) string {
	known := charsetOf(charset)
	if known == nil {
		return toUTF8(string(text))
	}
	decoded, err := known.NewDecoder().Bytes(text)
	if err != nil {
		return toUTF8(string(text))
	}
	return string(decoded)
}

// charsetOf returns a charset other than UTF-8 by any of its names, or nil.
func charsetOf(name string) encoding.Encoding {
	name = strings.ToLower(strings.Trim(name, " \t\"'"))
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return nil
	case "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-ms": // supersets of it
		name = "iso-2022-jp"
	}
	known, err := htmlindex.Get(name)
	if err != nil || known == encoding.Replacement {
		return nil
	}
	return known
}

// charsetReader decodes encoded-words (RFC 2047) in charsets that package mime does not know.
func charsetReader(charset string, in io.Reader) (io.Reader, error) {
	if known := charsetOf(charset); known != nil {
		return known.NewDecoder().Reader(in), nil
	}
	text, err := io.ReadAll(in)
	return strings.NewReader(toUTF8(string(text))), err
}

// toUTF8 takes text that is no UTF-8 for ISO 8859-1, which shows at least what is ASCII in it.
func toUTF8(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}
