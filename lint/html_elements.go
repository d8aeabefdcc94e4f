package lint

import (
	"bytes"
	"strings"

	"golang.org/x/net/html/atom"
)

// Rules on elements and their attributes.

// strippedThings are those that mail programs take out of a document.
type strippedThings struct {
	script, iframe, form, object, embed, event spot
}

// startTag reports whether there is anything that is taken out.
func (s *strippedThings) startTag(d *document, name atom.Atom, t *tag) (noted bool) {
	var seen *spot
	switch name {
	case atom.Script:
		// Gmail and Outlook read JSON-LD and cards of actions from such elements.
		if strings.Contains(t.get("type"), "json") {
			return false
		}
		seen = &s.script
	case atom.Iframe:
		seen = &s.iframe
	case atom.Form:
		seen = &s.form
	case atom.Object:
		seen = &s.object
	case atom.Embed:
		seen = &s.embed
	}
	if seen != nil {
		seen.see(d, func() string { return "<" + name.String() + ">" })
	}
	for i := range t.attrs {
		if isEvent(&t.attrs[i]) {
			s.event.see(d, func() string { return "attribute " + shown(t.attrs[i].key) })
			noted = true
		}
	}
	return noted || seen != nil
}

// events are the attributes that hold a script (HTML 8.1.8.2), without their "on".
const events = " abort afterprint animationend animationiteration animationstart auxclick beforeinput beforeprint beforeunload blur " +
	"cancel canplay canplaythrough change click close contextmenu copy cut dblclick drag dragend dragenter dragleave dragover dragstart drop " +
	"durationchange ended error focus focusin focusout formdata hashchange input invalid keydown keypress keyup load loadeddata loadedmetadata " +
	"loadstart message mousedown mouseenter mouseleave mousemove mouseout mouseover mouseup mousewheel offline online pagehide pageshow paste " +
	"pause play playing pointercancel pointerdown pointerenter pointerleave pointermove pointerout pointerover pointerup popstate progress " +
	"ratechange readystatechange reset resize scroll scrollend search seeked seeking select selectstart show stalled storage submit suspend " +
	"timeupdate toggle touchcancel touchend touchmove touchstart transitionend unload volumechange waiting wheel "

func isEvent(a *attribute) bool {
	return len(a.key) > len("on") && a.key[0] == 'o' && a.key[1] == 'n' && strings.Contains(events, " "+string(a.key[len("on"):])+" ")
}

func strippedElements(b *body, p *part) {
	d := p.document()
	if d == nil {
		return
	}
	s := &d.stripped
	for _, seen := range []*spot{&s.script, &s.iframe, &s.form, &s.object, &s.embed, &s.event} {
		b.foundSpot(p, seen)
	}
}

// images are those of a document that have something wrong with them.
type images struct {
	noAlt, noWidth spot
	embedded       spot // those in a data: URI
}

// startTag looks for images in data: URIs, in src, background and the like, and
// judges an img. It reports whether there is anything to be told.
func (s *images) startTag(d *document, name atom.Atom, t *tag) (noted bool) {
	for i := range t.attrs {
		if value := t.attrs[i].value; hasScheme(value, "data:image/") {
			s.embedded.see(d, func() string { return shown(bytes.TrimSpace(value)) })
			noted = true
		}
	}
	if name == atom.Img && !t.cut {
		s.image(d, t)
	}
	return noted
}

// hasScheme reports whether a URL begins with a scheme, which is in lower case.
func hasScheme(value []byte, scheme string) bool {
	for len(value) > 0 && value[0] <= ' ' {
		value = value[1:]
	}
	return hasPrefixFold(value, scheme)
}

// css looks for an image in a data: URI. A font may be in one, too.
func (s *images) css(d *document, style []byte) (found bool) {
	i := bytes.Index(style, []byte("data:image/"))
	if i >= 0 {
		s.embedded.see(d, func() string { return shown(style[i:]) })
	}
	return i >= 0
}

func (s *images) image(d *document, t *tag) {
	source := func() string { return "<img src=" + shown(t.get("src")) + ">" }
	if !t.has("alt") {
		s.noAlt.see(d, func() string { return source() + " without alt" })
	}
	// What comes along is there at once, and nothing moves.
	if !hasScheme(t.raw("src"), "cid:") && !t.has("width") && !strings.Contains(strings.ToLower(t.get("style")), "width") {
		s.noWidth.see(d, func() string { return source() + " without width" })
	}
}

func embeddedImages(b *body, p *part) {
	if d := p.document(); d != nil {
		b.foundSpot(p, &d.images.embedded)
	}
}

func imageAttributes(b *body, p *part) {
	if d := p.document(); d != nil {
		b.foundSpot(p, &d.images.noAlt)
		b.foundSpot(p, &d.images.noWidth)
	}
}
