package parts

import (
	"html"
	"strings"
)

// stripTags turns html into text: what ends a line on the screen ends one here, and
// style and script are left out.
func stripTags(text string) string {
	var b strings.Builder
	for text != "" {
		before, rest, found := strings.Cut(text, "<")
		b.WriteString(before)
		if !found {
			break
		}
		var tag string
		tag, text, _ = strings.Cut(rest, ">")
		switch name := tagName(tag); {
		case name == "style" || name == "script":
			text = behindHidden(text, name)
		case endsLine(strings.TrimPrefix(name, "/")):
			b.WriteByte('\n')
		}
	}
	return html.UnescapeString(b.String())
}

// behindHidden returns what follows the end of an element whose content is no
// text, or nothing if it has no end.
func behindHidden(text, element string) string {
	for text != "" {
		_, rest, _ := strings.Cut(text, "</")
		if len(rest) >= len(element) && strings.EqualFold(rest[:len(element)], element) {
			_, rest, _ = strings.Cut(rest, ">")
			return rest
		}
		text = rest
	}
	return ""
}

// tagName returns the name of a tag in lower case, with its slash if it closes.
func tagName(tag string) string {
	end := 0
	for end < len(tag) && (tag[end] != '/' || end == 0) && !strings.ContainsRune(" \t\r\n", rune(tag[end])) {
		end++
	}
	return strings.ToLower(tag[:end])
}

func endsLine(element string) bool {
	switch element {
	case "br", "p", "div", "tr", "li", "table", "h1", "h2", "h3", "h4", "pre", "hr":
		return true
	}
	return false
}
