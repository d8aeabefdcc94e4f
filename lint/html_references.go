package lint

import (
	"bytes"
	"strings"
)

// Rules on references from html to other parts of the message (RFC 2392).

// maxReferences bounds what is kept of a message: its references and the parts
// that they may mean. Beyond it the rules are silent.
const maxReferences = 256

// maxContentID bounds what is kept of one; a line of a header has no more.
const maxContentID = maxLine

// references are those of the message's own html, and the parts with a Content-ID.
// What was forwarded has its own.
type references struct {
	to    []reference
	index map[string]int // in to
	parts []referable

	current  string // the place of the document that is being read
	read     bool   // there was html
	unread   bool   // a reference may have been missed
	overflow bool   // there are more parts than are kept
}

type reference struct {
	id    string
	where string
	met   bool
}

// referable is a part with a Content-ID.
type referable struct {
	id      string
	where   string
	inline  bool
	image   bool
	related bool // it stands in a multipart/related
}

// begin notes an entity that may be referred to, or that may refer to others.
func (r *references) begin(p *part) {
	switch {
	case p.forwarded:
		return
	case p.is("text/html") && !p.attached() && scannable(p):
		r.read, r.current = true, p.where()
	case p.is("text/html"), p.is("text/css"):
		r.unread = true
	}
	if p.contentID == "" || p.kind != leaf {
		return
	}
	if len(r.parts) == maxReferences {
		r.overflow = true
		return
	}
	related := false
	for up := p.parent; up != nil; up = up.parent {
		related = related || up.is("multipart/related")
	}
	r.parts = append(r.parts, referable{
		id: sameID(p.contentID), where: p.where(), inline: p.disposition.value == "inline",
		image: strings.HasPrefix(p.contentType.value, "image/"), related: related,
	})
}

// sameID is an id as it is compared: programs differ on upper case and on what they encode.
func sameID(id string) string {
	return strings.ToLower(percentDecoded(id[:min(len(id), maxContentID)]))
}

// attributes looks for references in a start tag, but for its style, and reports
// whether there are any.
func (r *references) attributes(t *tag) (found bool) {
	for i := range t.attrs {
		value := t.attrs[i].value
		switch string(t.attrs[i].key) {
		case "style":
		case "srcset":
			found = r.css(value) || found
		default:
			if hasScheme(value, "cid:") {
				r.add(strings.TrimSpace(unescaped(value))[len("cid:"):])
				found = true
			}
		}
	}
	r.unread = r.unread || t.cut
	return found
}

// css looks for references in text that is not only one, and reports whether there are any.
func (r *references) css(b []byte) (found bool) {
	for {
		i := bytes.Index(b, []byte("cid:"))
		if i < 0 {
			return found
		}
		found = true
		b = b[i+len("cid:"):]
		n := bytes.IndexAny(b, "\"')>&, \t\r\n")
		if n < 0 {
			n = len(b)
		}
		r.add(string(b[:n]))
	}
}

// sheet looks for references in a piece of a stylesheet.
func (r *references) sheet(b []byte) {
	if i := bytes.LastIndex(b, []byte("url(")); i >= 0 && bytes.IndexByte(b[i:], ')') < 0 {
		r.unread = true // it was cut in two
		b = b[:i]
	}
	r.css(b)
}

// comment looks at what Outlook alone reads. Of what is missing there nothing is said.
func (r *references) comment(b []byte, whole bool) {
	r.unread = r.unread || !whole
	before := len(r.to)
	r.css(b)
	for i := range r.to[before:] {
		r.to[before+i].met = true
	}
}

func (r *references) add(id string) {
	id = sameID(id)
	if _, known := r.index[id]; known || id == "" {
		return
	}
	if len(r.to) == maxReferences {
		r.unread = true
		return
	}
	if r.index == nil {
		r.index = map[string]int{}
	}
	r.index[id] = len(r.to)
	r.to = append(r.to, reference{id: id, where: r.current})
}

// danglingReferences looks for references without their part, and for parts in a
// multipart/related that nothing refers to: elsewhere a picture may just follow the text.
func danglingReferences(b *body) {
	r := &b.references
	for i := range r.parts {
		part := &r.parts[i]
		if at, ok := r.index[part.id]; ok {
			r.to[at].met = true
		} else if part.inline && part.related && r.read && !r.unread {
			b.findings.add(b.rule, Reject, part.where, "nothing refers to Content-ID "+shown(part.id))
		}
	}
	for _, to := range r.to {
		if !to.met && !r.overflow {
			b.findings.add(b.rule, Reject, to.where, "no part has the id of "+shown("cid:"+to.id))
		}
	}
}

func unrelatedImages(b *body) {
	r := &b.references
	for i := range r.parts {
		part := &r.parts[i]
		if _, referred := r.index[part.id]; referred && part.image && !part.related {
			b.findings.add(b.rule, Reject, part.where, shown("cid:"+part.id))
		}
	}
}
