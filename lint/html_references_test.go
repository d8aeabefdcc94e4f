package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// related is a multipart/related body with boundary b: a document and empty inline images with these ids.
func related(document string, ids ...string) string {
	var b strings.Builder
	b.WriteString("--b\r\nContent-Type: text/html\r\n\r\n" + document + "\r\n")
	for _, id := range ids {
		b.WriteString("--b\r\nContent-Type: image/png\r\nContent-Disposition: inline\r\nContent-ID: " + id + "\r\n\r\n")
	}
	return b.String() + "--b--\r\n"
}

func relatedFindings(t *testing.T, body string) []string {
	t.Helper()
	m := fromAnn()
	header := plainHeader + "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n"
	if _, err := run(newLint(t, DefaultOptions()).Collecting(), m, header, body, whole); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range m.Findings {
		if f.Rule == "M15" {
			found = append(found, f.Where+" "+f.Detail)
		}
	}
	return found
}

func TestReferencesAreMet(t *testing.T) {
	padding := strings.Repeat("<p>x</p>", htmlWindow/8-1)
	for _, document := range []string{
		"<img src=cid:a@b>", "<img src=' CID:A%40B '>", "<td background='cid:a@b'>", "<img srcset='x.png 1x, cid:a@b 2x'>",
		"<p style='background: url(cid:a@b)'>", "<p style=\"background: url('cid:a@b')\">", "<style>p { background: url(\"cid:a@b\") }</style>",
		"<!--[if mso]><v:fill src=\"cid:a@b\"><![endif]-->", "<object data=cid:a@b>", "<img src='cid:a&#64;b'>",
		padding + "<!--xxxxxxxx cid:a@b -->", "<!--" + strings.Repeat("x", 2*htmlWindow) + " cid:a@b -->",
	} {
		if found := relatedFindings(t, related(document, "<a@b>")); len(found) > 0 {
			t.Errorf("%.80s: %q", document, found)
		}
		want := []string{`1 no part has the id of "cid:a@b"`}
		if strings.Contains(document, "<!--") {
			want = nil
		}
		if found := relatedFindings(t, related(document)); !slices.Equal(found, want) {
			t.Errorf("%.80s without the part: %q, want %q", document, found, want)
		}
		if found := relatedFindings(t, related("<p>", "<a@b>")); len(found) != 1 || found[0] != `2 nothing refers to Content-ID "a@b"` {
			t.Errorf("not referred to: %q", found)
		}
	}
}

// Where something may have been missed nothing is said.
func TestReferencesAreNotGuessed(t *testing.T) {
	const unused = "--b\r\nContent-Type: image/png\r\nContent-Disposition: inline\r\nContent-ID: <a@b>\r\n\r\n--b--\r\n"
	var many []string
	var document strings.Builder
	for i := range maxReferences + 10 {
		many = append(many, fmt.Sprintf("<%d@b>", i))
		fmt.Fprintf(&document, "<img src=cid:%d@b>", i)
	}
	for name, body := range map[string]string{
		"charset":                   "--b\r\nContent-Type: text/html; charset=utf-16\r\n\r\n" + unused,
		"another html part":         "--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b\r\nContent-Type: text/html; name=a.html\r\n\r\n" + unused,
		"stylesheet":                "--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b\r\nContent-Type: text/css\r\n\r\n" + unused,
		"no html":                   "--b\r\nContent-Type: text/plain\r\n\r\n" + unused,
		"long tag":                  related("<img title='"+strings.Repeat("x", 2*htmlWindow)+"' src=cid:a@b>", "<a@b>"),
		"too many of them":          related(document.String(), many...),
		"html of forwarded message": "--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: text/html\r\n\r\n<img src=cid:a@b>\r\n" + unused,
	} {
		if found := relatedFindings(t, body); len(found) > 0 {
			t.Errorf("%s: %q", name, found)
		}
	}
}
