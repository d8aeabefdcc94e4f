package lint

import (
	"fmt"
	"strings"
)

// The rule on plain text and html that should say the same.

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
	if charset == "utf-8" {
		set.utf8 = highBits
	}
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
