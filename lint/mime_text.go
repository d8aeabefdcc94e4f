package lint

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// Rules on text, its alternatives, and whether a declared type is the true one.

// partRules is what the rules keep with an open entity.
type partRules struct {
	plain, html int // of a multipart/alternative: the number of the first branch that holds such text
	sniff       sniffer
	zip         *zipNames
	text        *shownText   // nil: no rule reads it
	encoded     *encodedData // nil: it is not encoded
	octets      *textOctets  // nil: any octet may stand in it
	versions    *versions    // of the outermost multipart/alternative
}

// quotedPrintable is the decoder of the part if that is quoted-printable, or nil.
func (r *partRules) quotedPrintable() *textDecoder {
	var d *textDecoder
	switch {
	case r.text != nil:
		d = r.text.decoder
	case r.octets != nil:
		d = r.octets.decoder
	}
	if d == nil || !d.quoted {
		return nil
	}
	return d
}

// htmlAlone judges html that stands in no multipart/alternative, and notes for
// those around it which of their branches hold what.
func htmlAlone(b *body, p *part) {
	html := p.is("text/html")
	if !html && !p.is("text/plain") || p.attached() || p.forwarded {
		return
	}
	alternatives := 0
	for up := p.parent; up != nil; up = up.parent {
		if !up.is("multipart/alternative") {
			continue
		}
		alternatives++
		branch := &up.rules.plain
		if html {
			branch = &up.rules.html
		}
		if *branch == 0 {
			*branch = up.children
		}
	}
	if html && alternatives == 0 {
		b.found(p, p.where(), "")
	}
}

// htmlOnlyAlternative leaves an alternative inside another one to the outer one.
func htmlOnlyAlternative(b *body, p *part) {
	if p.rules.html == 0 || p.rules.plain != 0 || p.cut {
		return
	}
	for up := p.parent; up != nil; up = up.parent {
		if up.is("multipart/alternative") {
			return
		}
	}
	b.found(p, p.where(), "multipart/alternative without text/plain")
}

func alternativeOrder(b *body, p *part) {
	if p.rules.html != 0 && p.rules.html < p.rules.plain {
		b.found(p, p.where(), "")
	}
}

// sniffer looks at the first lines of a leaf for what it is not declared to be.
type sniffer struct {
	begun    bool // a line that is not blank was seen
	boundary bool // the line before reads like a boundary
	html     bool
	parts    bool
}

func (s *sniffer) line(p *part, text []byte) {
	if s.boundary && (hasPrefixFold(text, "content-type:") || hasPrefixFold(text, "content-transfer-encoding:")) {
		s.parts = true
	}
	s.boundary = len(text) > 2 && text[0] == '-' && text[1] == '-' && bytes.IndexByte(text, ' ') < 0
	if !s.begun && len(bytes.TrimSpace(text)) > 0 {
		s.begun = true
		s.html = beginsHTML(p, bytes.TrimSpace(text))
	}
}

func beginsHTML(p *part, text []byte) bool {
	if p.encoding == "base64" {
		decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		n, _ := base64.StdEncoding.Decode(decoded, text)
		text = bytes.TrimSpace(decoded[:n])
	}
	return readsAsHTML(bytes.TrimPrefix(text, []byte("\ufeff")))
}

// htmlPrefixes and htmlTags begin documents that were meant as html.
var (
	htmlPrefixes = [...]string{"<!doctype html", "<html", "<!--", "<?xml"}
	htmlTags     = [...]string{"<head", "<body", "<div", "<p", "<table", "<br"}
)

// readsAsHTML reports whether a line begins an html document. Plain text may begin
// with "<" as well, as in "<ann@example.org> wrote:".
func readsAsHTML(text []byte) bool {
	for _, prefix := range htmlPrefixes {
		if hasPrefixFold(text, prefix) {
			return true
		}
	}
	for _, tag := range htmlTags {
		if hasPrefixFold(text, tag) && endsTag(text[len(tag):]) {
			return true
		}
	}
	return false
}

// endsTag reports whether what follows the name of a tag can only be markup: its
// end, or attributes.
func endsTag(rest []byte) bool {
	blank := len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t')
	rest = bytes.TrimLeft(rest, " \t")
	return bytes.HasPrefix(rest, []byte(">")) || bytes.HasPrefix(rest, []byte("/>")) || blank && bytes.IndexByte(rest, '=') > 0
}

// hasPrefixFold reports whether b begins with a prefix, which is in lower case, in whatever case.
func hasPrefixFold(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if c := b[i]; c != prefix[i] && (!letter(c) || c|0x20 != prefix[i]) {
			return false
		}
	}
	return true
}

// typeMismatch is for the message's own words: attachments may be mislabelled,
// and what was forwarded is as it was.
func typeMismatch(b *body, p *part) {
	if p.forwarded || p.attached() || p.cut {
		return
	}
	switch {
	case p.is("text/plain") && p.rules.sniff.html:
		b.found(p, p.where(), "text/plain that is html")
	case p.parent == nil && p.rules.sniff.parts && strings.HasPrefix(p.contentType.value, "text/"):
		b.found(p, p.where(), shown(p.contentType.value)+" that holds MIME parts")
	case p.kind == multipart && p.children > 0 && p.closed:
		if wrong := wrongParts(p); wrong != "" {
			b.found(p, p.where(), shown(p.contentType.value)+" with "+wrong)
		}
	}
}

// wrongParts tells of a multipart that lacks the parts that its type calls for.
func wrongParts(p *part) string {
	switch p.contentType.value {
	case "multipart/alternative":
		if p.children == 1 {
			return "a single part"
		}
	case "multipart/signed", "multipart/encrypted": // RFC 1847 2.1, 2.2
		if p.children != 2 {
			return "other than two parts"
		}
	}
	return ""
}
