package lint

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"golang.org/x/net/html/atom"

	"pratique/lint/caniemail"
)

// The rule on what the configured mail clients do not show.

// lackedFeatures are the features that one of the configured clients lacks.
type lackedFeatures struct {
	names []string                    // as a finding shows them: "border-radius", …
	by    []string                    // and who lacks it: "gmail, outlook.windows"
	kinds map[string]map[string][]int // kind, then name: indexes in these
}

// newLackedFeatures returns those that one of the clients lacks, or nil without clients.
func newLackedFeatures(clients []string) (*lackedFeatures, error) {
	if len(clients) == 0 {
		return nil, nil
	}
	data, err := caniemail.Load()
	if err != nil {
		return nil, fmt.Errorf("load the data on mail clients: %w", err)
	}
	l := &lackedFeatures{kinds: map[string]map[string][]int{}}
	for _, kind := range caniemail.Kinds() {
		l.kinds[kind] = map[string][]int{}
	}
	for _, f := range data.Features {
		lacked := f.LackedBy(clients)
		if len(lacked) == 0 {
			continue
		}
		for _, key := range f.Keys {
			kind, name, _ := strings.Cut(key, ":")
			l.kinds[kind][name] = append(l.kinds[kind][name], len(l.names))
		}
		l.names = append(l.names, f.Name)
		l.by = append(l.by, strings.Join(lacked, ", "))
	}
	return l, nil
}

// usedFeatures are those of them that a document uses.
type usedFeatures struct {
	document *document
	lacked   *lackedFeatures
	lines    []int // of the first use, by index; 0: not used
	sheet    stylesheet
}

func newUsedFeatures(d *document, l *lackedFeatures) *usedFeatures {
	u := &usedFeatures{document: d, lacked: l, lines: make([]int, len(l.names))}
	u.sheet.to = u
	return u
}

// see notes a feature, if it is one that is lacked.
func (u *usedFeatures) see(kind string, name []byte) {
	for _, i := range u.lacked.kinds[kind][string(name)] {
		if u.lines[i] == 0 {
			u.lines[i] = u.document.scanner.line() + u.sheet.lines
		}
	}
}

func (u *usedFeatures) startTag(name atom.Atom, t *tag) {
	u.see("element", t.name)
	for i := range t.attrs {
		a := &t.attrs[i]
		u.see("attribute", a.key)
		switch string(a.key) {
		case "type":
			u.see("type", fmt.Appendf(nil, "%s:%s", t.name, bytes.ToLower(a.value)))
		case "src":
			if name == atom.Img {
				u.image(unescaped(a.value))
			}
		case "href":
			u.link(a.value)
		case "name":
			if name == atom.Meta {
				u.see("meta", bytes.ToLower(a.value))
			}
		}
	}
}

// image goes by the extension of the name.
func (u *usedFeatures) image(source string) {
	source, _, _ = strings.Cut(source, "?")
	u.see("image", []byte(strings.ToLower(strings.TrimPrefix(path.Ext(source), "."))))
}

func (u *usedFeatures) link(target []byte) {
	switch {
	case len(target) > 1 && target[0] == '#':
		u.see("link", target[:1])
	case hasPrefixFold(target, "mailto:"):
		u.see("link", []byte("mailto:"))
	}
}

// style takes a piece of a style element.
func (u *usedFeatures) style(b []byte) {
	u.sheet.write(b)
	u.sheet.lines = 0 // the scanner counts them from here on
}

func (u *usedFeatures) atRule(b []byte) {
	n := 1 + identLength(b[1:])
	u.see("at", lowered(b[:n]))
	for rest := lowered(b[n:]); ; {
		_, condition, found := bytes.Cut(rest, []byte("("))
		if !found {
			return
		}
		rest = bytes.TrimSpace(condition)
		u.see("media", rest[:identLength(rest)])
	}
}

func (u *usedFeatures) selector(b []byte) {
	depth := 0
	for len(b) > 0 {
		n := 1
		switch c := b[0]; {
		case c == '"' || c == '\'':
			n = stringLength(b)
		case c == ':':
			b = bytes.TrimLeft(b, ":")
			n = identLength(b)
			u.see("pseudo", lowered(b[:n]))
		case c == '[':
			u.see("selector", b[:1])
			n = indexOrEnd(b, ']')
		case c == '(':
			depth++
		case c == ')':
			depth--
		case (c == '.' || c == '#') && len(b) > 1 && inIdent(b[1]) && !digit(b[1]):
			u.see("selector", b[:1])
		case strings.IndexByte(">+~*", c) >= 0 && depth == 0:
			u.see("selector", b[:1])
		}
		b = b[n:]
	}
}

func (u *usedFeatures) declaration(property, value []byte) {
	if bytes.HasPrefix(property, []byte("--")) {
		property = property[:len("--")]
	}
	u.see("property", property)
	value = lowered(value)
	u.see("declaration", fmt.Appendf(nil, "%s:%s", property, value[:identLength(value)]))
	for len(value) > 0 {
		value = value[u.valuePiece(value):]
	}
}

// valuePiece looks at the piece that a value begins with, and returns its length.
func (u *usedFeatures) valuePiece(b []byte) int {
	switch c := b[0]; {
	case c == '"' || c == '\'':
		return stringLength(b)
	case c == '#':
		return 1 + identLength(b[1:])
	case digit(c):
		n := len(b) - len(bytes.TrimLeft(b, "0123456789."))
		unit := b[n:]
		unit = unit[:identLength(unit)]
		u.see("unit", unit)
		return n + len(unit)
	case c == '-' && len(b) > 1 && (digit(b[1]) || b[1] == '.'), !inIdent(c):
		return 1
	}
	n := identLength(b)
	if n == len(b) || b[n] != '(' {
		u.see("keyword", b[:n])
		return n
	}
	u.see("function", b[:n])
	if string(b[:n]) == "url" {
		return indexOrEnd(b, ')')
	}
	return n + 1
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// maxShownFeatures is how many a finding names.
const maxShownFeatures = 6

// unsupported names every feature once, some to a finding.
func unsupported(b *body, p *part) {
	d := p.document()
	if d == nil || d.features == nil {
		return
	}
	var names []string
	for i, line := range d.features.lines {
		if line > 0 {
			names = append(names, fmt.Sprintf("%s at html line %d (%s)", d.features.lacked.names[i], line, d.features.lacked.by[i]))
		}
	}
	for i := 0; i < len(names) && i < maxPlaces*maxShownFeatures; i += maxShownFeatures {
		end := min(i+maxShownFeatures, len(names))
		detail := strings.Join(names[i:end], "; ")
		if rest := len(names) - end; rest > 0 && i == (maxPlaces-1)*maxShownFeatures {
			detail += fmt.Sprintf("; and %d more", rest)
		}
		b.found(p, p.where(), detail)
	}
}
