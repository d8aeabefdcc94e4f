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

func (s *strippedThings) startTag(d *document, name atom.Atom, t *tag) {
	var seen *spot
	switch name {
	case atom.Script:
		// Gmail and Outlook read JSON-LD and cards of actions from such elements.
		if strings.Contains(t.get("type"), "json") {
			return
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
		}
	}
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
	name, ok := bytes.CutPrefix(a.key, []byte("on"))
	return ok && len(name) > 0 && strings.Contains(events, " "+string(name)+" ")
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

// attributes looks for images in data: URIs: in src, background and the like, and in CSS.
func (s *images) attributes(d *document, t *tag) {
	for i := range t.attrs {
		value := t.attrs[i].value
		if string(t.attrs[i].key) == "style" {
			s.css(d, value)
		} else if hasPrefixFold(bytes.TrimSpace(value), "data:image/") {
			s.embedded.see(d, func() string { return shown(bytes.TrimSpace(value)) })
		}
	}
}

// css looks for images in data: URIs. A font may be in one, too.
func (s *images) css(d *document, style []byte) {
	if i := bytes.Index(style, []byte("data:image/")); i >= 0 {
		s.embedded.see(d, func() string { return shown(style[i:]) })
	}
}

func (s *images) image(d *document, t *tag) {
	source := func() string { return "<img src=" + shown(t.get("src")) + ">" }
	if t.cut {
		return
	}
	if !t.has("alt") {
		s.noAlt.see(d, func() string { return source() + " without alt" })
	}
	inside := hasPrefixFold(bytes.TrimSpace(t.raw("src")), "cid:") // it is there at once, and nothing moves
	if !inside && !t.has("width") && !strings.Contains(strings.ToLower(t.get("style")), "width") {
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
