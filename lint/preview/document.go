package preview

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

func base64Text(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// document returns the html for the browser: cid: references are replaced by what
// they refer to. Without images it is what a mail program shows that does not load
// them: the alternative text in an empty frame.
func (c *Content) document(images bool) string {
	var out strings.Builder
	z := html.NewTokenizer(strings.NewReader(c.HTML))
	for {
		kind := z.Next()
		switch kind {
		case html.ErrorToken:
			return out.String()
		case html.StartTagToken, html.SelfClosingTagToken:
			raw := string(z.Raw()) // of the tag; Token lower-cases and re-quotes
			token := z.Token()
			if c.rewrite(&token, images) {
				raw = token.String()
			}
			out.WriteString(raw)
		case html.TextToken:
			out.WriteString(c.styles(string(z.Raw()), images))
		default:
			out.Write(z.Raw())
		}
	}
}

// rewrite replaces the references of a tag and reports whether there were any.
func (c *Content) rewrite(t *html.Token, images bool) (changed bool) {
	kept := t.Attr[:0]
	for _, a := range t.Attr {
		switch key := strings.ToLower(a.Key); {
		case key == "srcset" || (key == "src" || key == "background" || key == "poster") && !images:
			changed = true
			continue
		case key == "src" || key == "background" || key == "poster":
			if value := c.resolve(a.Val); value != a.Val {
				a.Val, changed = value, true
			}
		case key == "style":
			if value := c.styles(a.Val, images); value != a.Val {
				a.Val, changed = value, true
			}
		}
		kept = append(kept, a)
	}
	t.Attr = kept
	return changed
}

// resolve returns what a cid: URL refers to as a data: URL, and any other URL as it is.
func (c *Content) resolve(ref string) string {
	ref = strings.TrimSpace(ref)
	if len(ref) < len("cid:") || !strings.EqualFold(ref[:len("cid:")], "cid:") {
		return ref
	}
	id := ref[len("cid:"):]
	if decoded, err := url.PathUnescape(id); err == nil { // RFC 2392 2: hex-encoded where URLs need it
		id = decoded
	}
	if part, ok := c.inline[id]; ok {
		return part.dataURL()
	}
	return ref
}

// cssURL is a url() of a style sheet.
var cssURL = regexp.MustCompile(`(?i)url\(\s*(["']?)([^"')]*)(["']?)\s*\)`)

func (c *Content) styles(css string, images bool) string {
	if !strings.Contains(strings.ToLower(css), "url(") {
		return css
	}
	return cssURL.ReplaceAllStringFunc(css, func(match string) string {
		if !images {
			return "none"
		}
		parts := cssURL.FindStringSubmatch(match)
		return "url(" + parts[1] + c.resolve(parts[2]) + parts[3] + ")"
	})
}
