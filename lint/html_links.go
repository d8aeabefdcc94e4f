package lint

import (
	"bytes"
	"strings"
	"unicode"

	"golang.org/x/net/html/atom"
)

// Rules on links.

// maxLinkText is how much of a link's text is kept: longer than any host.
const maxLinkText = 512

// links are those of a document that deceive, and the one that is open.
type links struct {
	misleading spot
	scheme     spot // javascript: and the like
	address    spot // IP addresses that anyone may reach
	user       spot
	harmless   spot // such as begin like these but lead nowhere, or into one's own network

	open   bool
	target string // of the open link: its host
	text   []byte // and its text so far
}

// startTag judges the URLs of a tag. It reports whether there was one that is not plain.
func (l *links) startTag(d *document, name atom.Atom, t *tag) (noted bool) {
	key := "href"
	switch name {
	case atom.A:
		l.close(d)
	case atom.Area, atom.Base:
	case atom.Form:
		key = "action"
	case atom.Iframe, atom.Frame:
		key = "src"
	default:
		return l.others(d, name, t)
	}
	noted = l.others(d, name, t)
	raw := t.raw(key)
	if raw == nil {
		return noted
	}
	if host := plainHost(raw); host != nil {
		l.begin(name, host)
		return noted
	}
	link := parseLink(unescaped(raw))
	l.judge(d, &link)
	l.begin(name, []byte(link.host))
	return true
}

// others judges the attributes that are links of any element, and where things are
// loaded from. It reports whether there was one that is not plain.
func (l *links) others(d *document, name atom.Atom, t *tag) (noted bool) {
	for i := range t.attrs {
		value := t.attrs[i].value
		switch string(t.attrs[i].key) {
		case "formaction", "xlink:href":
			link := parseLink(unescaped(value))
			l.judge(d, &link)
			noted = true
		case "content":
			if target := refreshTarget(name, t); target != nil {
				link := parseLink(unescaped(target))
				l.judge(d, &link)
				noted = true
			}
		case "src", "background":
			noted = l.loads(d, value) || noted
		case "href": // of others it is a link
			noted = name == atom.Link && l.loads(d, value) || noted
		}
	}
	return noted
}

// loads judges what is loaded from elsewhere, which is held against addresses alone.
func (l *links) loads(d *document, value []byte) (noted bool) {
	if plainHost(value) != nil || !hasScheme(value, "http") {
		return false
	}
	if link := parseLink(unescaped(value)); link.address.IsValid() {
		l.judge(d, &link)
	}
	return true
}

// refreshTarget returns where a meta element sends the reader, or nil: "0; url=https://…".
func refreshTarget(name atom.Atom, t *tag) []byte {
	if name != atom.Meta || !bytes.EqualFold(bytes.TrimSpace(t.raw("http-equiv")), []byte("refresh")) {
		return nil
	}
	_, target, ok := bytes.Cut(t.raw("content"), []byte("="))
	if !ok {
		return nil
	}
	return bytes.Trim(target, " '\"")
}

// begin opens a link to a host.
func (l *links) begin(name atom.Atom, host []byte) {
	if name != atom.A || len(host) == 0 {
		return
	}
	l.open = true
	if l.target != string(host) {
		l.target = string(host)
	}
}

// judge holds a link against what deceives.
func (l *links) judge(d *document, link *link) {
	var seen *spot
	switch {
	case link.scheme == "javascript" && doesNothing(link.rest), link.scheme == "data" && hasPrefixFold([]byte(link.rest), "image/"):
		seen = &l.harmless
	case link.scheme == "javascript", link.scheme == "vbscript", link.scheme == "data":
		seen = &l.scheme
	case link.user != "" && isDomain(link.user):
		seen = &l.user
	case link.address.IsValid() && !link.disguised && ownNetwork(link.address):
		seen = &l.harmless
	case link.address.IsValid():
		seen = &l.address
	default:
		return
	}
	seen.see(d, func() string { return shown(link.text) })
}

// doesNothing recognizes the scripts of links that lead nowhere. They come along
// when a piece of a web page is pasted into a message.
func doesNothing(script string) bool {
	script = strings.ToLower(strings.Join(strings.Fields(script), ""))
	switch strings.TrimRight(script, ";") {
	case "", "void(0)", "void0", "false", "returnfalse", "//":
		return true
	}
	return false
}

func (l *links) write(b []byte) {
	if l.open {
		l.text = append(l.text, b[:min(len(b), maxLinkText-len(l.text))]...)
	}
}

// close ends the open link. Where there is no dot there is no domain.
func (l *links) close(d *document) {
	if !l.open {
		return
	}
	if bytes.IndexByte(l.text, '.') >= 0 || bytes.IndexByte(l.text, '&') >= 0 {
		l.compare(d)
	}
	l.open, l.text = false, l.text[:0]
}

// compare holds the text of the open link against its target.
func (l *links) compare(d *document) {
	text := strings.TrimSpace(strings.Map(visible, unescaped(l.text)))
	if named := namedHost(text); named != "" && !sameOwner(named, l.target) && !rewrites(l.target) {
		l.misleading.see(d, func() string { return shown(text) + " leads to " + shown(l.target) })
	}
}

// visible drops the characters without width that are put into long URLs, so that they wrap.
func visible(r rune) rune {
	if unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

// rewriters are services that replace the links of the mail they look at by their
// own. Such links come back in every reply that quotes one.
var rewriters = [...]string{
	"safelinks.protection.outlook.com", "safelinks.protection.office365.us", "urldefense.com", "urldefense.proofpoint.com", "urldefense.us",
	"linkprotect.cudasvc.com", "mimecast.com", "mimecastprotect.com", "secure-web.cisco.com", "clicktime.symantec.com", "url.emailprotection.link",
	"protection.sophos.com", "trendmicro.com", "fireeye.com", "trustwave.com", "hornetsecurity.com", "barracuda.com", "www.google.com",
}

func rewrites(host string) bool {
	for _, r := range rewriters {
		if host == r || strings.HasSuffix(host, "."+r) {
			return true
		}
	}
	return false
}

func misleadingLinks(b *body, p *part) {
	if d := p.document(); d != nil {
		b.foundSpot(p, &d.links.misleading)
	}
}

// deceivingLinks warns at most of what only begins like a deception.
func deceivingLinks(b *body, p *part) {
	d := p.document()
	if d == nil {
		return
	}
	for _, seen := range []*spot{&d.links.scheme, &d.links.address, &d.links.user} {
		b.foundSpot(p, seen)
	}
	if d.links.harmless.count > 0 {
		b.findings.add(b.rule, Warn, p.where(), d.links.harmless.detail())
	}
}
