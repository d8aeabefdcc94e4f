package lint

// shownText is an open text part that a mail program shows and that rules read.
type shownText struct {
	decoder     *textDecoder
	document    *document    // nil: plain text
	words       *wordSet     // nil: it is in no multipart/alternative
	unsubscribe *unsubscribe // nil: nobody looks for that, or it was found
}

// openText returns what reads a text, or nil if no rule does. Attachments are not
// read, and not what was forwarded with its own header.
func (b *body) openText(p *part) *shownText {
	html := p.is("text/html")
	if !html && !p.is("text/plain") || p.attached() || p.forwarded {
		return nil
	}
	t := &shownText{}
	if v := versionsFor(p); v != nil {
		t.words = v.begin(p)
	}
	if b.unsubscribe != nil && b.unsubscribe.begin(p) {
		t.unsubscribe = b.unsubscribe
	}
	if html {
		t.document = b.newDocument(t, scannable(p))
	} else if t.words == nil && t.unsubscribe == nil {
		return nil
	}
	t.decoder = newTextDecoder(p.encoding, t.decoded)
	return t
}

func (t *shownText) decoded(b []byte) {
	if t.document != nil {
		t.document.write(b)
		return
	}
	t.read(b)
}

// reading reports whether a rule reads the text itself.
func (t *shownText) reading() bool { return t.words != nil || t.unsubscribe != nil }

// read takes text without markup.
func (t *shownText) read(b []byte) {
	if t.words != nil {
		t.words.write(b)
	}
	if t.unsubscribe != nil {
		t.unsubscribe.write(b)
	}
}

func (t *shownText) close() {
	t.decoder.close()
	if t.document != nil {
		t.document.close()
	}
	if t.words != nil {
		t.words.end()
	}
	if t.unsubscribe != nil {
		t.unsubscribe.end()
	}
}
