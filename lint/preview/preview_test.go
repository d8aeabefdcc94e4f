package preview

import (
	"os"
	"strings"
	"testing"
)

func read(t *testing.T, source string) *Content {
	t.Helper()
	c, err := Read([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func letter(t *testing.T) []byte {
	t.Helper()
	source, err := os.ReadFile("testdata/letter.eml")
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestRead(t *testing.T) {
	c := read(t, string(letter(t)))
	if !strings.Contains(c.HTML, "<h1>Grüße</h1>") || !strings.HasPrefix(c.Text, "Grüße from the shop") {
		t.Errorf("html %q, text %q", c.HTML, c.Text)
	}
	if c.Fields[0] != (Field{"From", "Shop <shop@example.org>"}) || c.Fields[2] != (Field{"Subject", "Grüße"}) {
		t.Errorf("%v", c.Fields)
	}
	if part := c.inline["logo"]; part.mediaType != "image/png" || !strings.HasPrefix(string(part.data), "\x89PNG") {
		t.Errorf("%v", c.inline)
	}
}

func TestReadTakesWhatThereIs(t *testing.T) {
	const mixed = "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
	for name, c := range map[string]struct{ source, html, text string }{
		"latin-1":             {"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe", "", "Grüße"},
		"an unknown charset":  {"Content-Type: text/plain; charset=x-klingon\n\nGr\xfc\xdfe", "", "Gr\ufffde"},
		"an unknown encoding": {"Content-Type: text/html\nContent-Transfer-Encoding: x-zip\n\n<p>", "<p>", ""},
		"no type":             {"Subject: x\n\ntext", "", "text"},
		"an attachment":       {mixed + "Content-Type: text/html\nContent-Disposition: attachment\n\n<p>no\n--b\nContent-Type: text/html\n\n<p>yes\n--b--\n", "<p>yes", ""},
		"no closing boundary": {mixed + "Content-Type: text/html\n\n<p>", "<p>", ""},
		"broken base64":       {mixed + "Content-Type: text/html\nContent-Transfer-Encoding: base64\n\nPHA+!!\n--b\n\ntext\n--b--\n", "<p>", "text"},
		"no parts":            {"Content-Type: multipart/mixed\n\nx", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, c.source)
			if got.HTML != c.html || got.Text != c.text {
				t.Errorf("html %q, text %q; want %q, %q", got.HTML, got.Text, c.html, c.text)
			}
		})
	}
}

func TestDocument(t *testing.T) {
	c := &Content{inline: map[string]inlined{"a%b": {"image/gif", []byte("x")}}}
	const data = "data:image/gif;base64,eA=="
	for _, test := range []struct{ html, with, without string }{
		{"<p CLASS=x>a &amp; b<br/>", "<p CLASS=x>a &amp; b<br/>", "<p CLASS=x>a &amp; b<br/>"},
		{`<img alt=x src=cid:a%25b>`, `<img alt="x" src="` + data + `">`, `<img alt="x">`},
		{`<img src="CID:a%b">`, `<img src="` + data + `">`, `<img>`},
		{`<img src="cid:none">`, `<img src="cid:none">`, `<img>`},
		{`<img src="https://x.example/" srcset="y 2x">`, `<img src="https://x.example/">`, `<img>`},
		{`<td background="cid:a%25b">`, `<td background="` + data + `">`, `<td>`},
		{`<td style="background:url('cid:a%25b')">`, `<td style="background:url(&#39;` + data + `&#39;)">`, `<td style="background:none">`},
		{`<style>p{background:url(cid:a%25b)}</style>`, `<style>p{background:url(` + data + `)}</style>`, `<style>p{background:none}</style>`},
		{`<!-- cid:a --><a href="cid:a%25b">x</a>`, `<!-- cid:a --><a href="cid:a%25b">x</a>`, `<!-- cid:a --><a href="cid:a%25b">x</a>`},
		{"<p", "", ""},
	} {
		c.HTML = test.html
		if got := c.document(true); got != test.with {
			t.Errorf("%s\ngot  %s\nwant %s", test.html, got, test.with)
		}
		if got := c.document(false); got != test.without {
			t.Errorf("%s, no images\ngot  %s\nwant %s", test.html, got, test.without)
		}
	}
}
