package lint

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// tokenList is a markup that writes down what it is told.
type tokenList struct{ list []string }

func (l *tokenList) text(b []byte)          { l.add("text ", string(b)) }
func (l *tokenList) blank(b []byte)         { l.text(b) }
func (l *tokenList) raw(_ string, b []byte) { l.add("raw ", string(b)) }
func (l *tokenList) comment([]byte, bool)   {}
func (l *tokenList) again([]byte) bool      { return false }
func (l *tokenList) endTag(name []byte)     { l.list = append(l.list, "/"+string(name)) }

// add joins pieces of one text: how they are cut is the scanner's own affair.
func (l *tokenList) add(kind, text string) {
	if last := len(l.list) - 1; last >= 0 && strings.HasPrefix(l.list[last], kind) {
		l.list[last] += text
		return
	}
	l.list = append(l.list, kind+text)
}

func (l *tokenList) startTag(t *tag) {
	var attrs []string
	seen := map[string]bool{}
	for _, a := range t.attrs {
		if !seen[string(a.key)] {
			attrs = append(attrs, fmt.Sprintf("%q=%q", a.key, a.value))
		}
		seen[string(a.key)] = true
	}
	l.list = append(l.list, fmt.Sprintf("%s %v %v", t.name, t.empty, attrs))
}

// endsInValue matches a tag that ends in a value without quotes. If the attribute was there
// before, the library drops it and takes the slash of its value for that of "<br/>".
var endsInValue = regexp.MustCompile(`[\s/"'][^\s/>"']+\s*=\s*[^\s"'>]*/>$`)

// pulled are the tokens that golang.org/x/net/html sees.
func pulled(document string) []string {
	var l tokenList
	z := html.NewTokenizer(strings.NewReader(document))
	raw := false
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return l.list
		case html.TextToken:
			name := "text "
			if raw {
				name = "raw "
			}
			l.add(name, string(z.Raw()))
		case html.EndTagToken:
			name, _ := z.TagName()
			l.endTag(name)
			raw = false
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			t := tag{name: bytes.Clone(name), empty: kind == html.SelfClosingTagToken && !endsInValue.Match(z.Raw())}
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				t.attrs = append(t.attrs, attribute{bytes.Clone(key), bytes.Clone(value)})
			}
			l.startTag(&t)
			var s htmlScanner
			s.tag = t
			s.beginRaw()
			if raw = s.mode == rawText; string(t.name) == "noscript" {
				z.NextIsNotRawText()
			}
		}
	}
}

func pushed(document string, cuts func(left int) int) []string {
	var l tokenList
	s := htmlScanner{to: &l}
	for len(document) > 0 {
		n := min(max(cuts(len(document)), 1), len(document))
		s.write([]byte(document[:n]))
		document = document[n:]
	}
	s.close()
	return l.list
}

// comparable reports whether both scanners are meant to see the same: characters
// that the other one replaces, and the escapes of scripts, are left out.
func comparable(document string) bool {
	lower := strings.ToLower(document)
	return !strings.ContainsAny(document, "&\x00\r") && !(strings.Contains(lower, "<script") && strings.Contains(lower, "<!--"))
}

func wantSameTokens(t *testing.T, document string) {
	t.Helper()
	want := strings.Join(pulled(document), "\n")
	if got := strings.Join(pushed(document, whole), "\n"); got != want && comparable(document) {
		t.Errorf("%.300q\ngot\n%.2000s\nwant\n%.2000s", document, got, want)
	}
	random := rand.New(rand.NewPCG(1, uint64(len(document))))
	if whole, pieces := pushed(document, whole), pushed(document, func(int) int { return random.IntN(50) }); strings.Join(whole, "\n") != strings.Join(pieces, "\n") {
		t.Errorf("%.300q in pieces: %.2000q, whole: %.2000q", document, pieces, whole)
	}
}

// oddDocuments are made of what a scanner may stumble over.
var oddDocuments = []string{
	"", "<", "</", "<!", "<!-", "<!--", "<a", "<a b", "<a b=", "<a b='", "</a", "a < b <3 c", "<>x</>y</ >z", "<?xml version='1.0'?>x",
	"<!doctype html>x", "<!-->x", "<!--->x", "<!---->x", "<!--a--!>x", "<!--!>x-->y", "<!--a-->b-->", "<!-- <p> -- > -->x", "<![CDATA[x]]>y", "<!>x",
	"<BR/>", "<br / >", "<br a/>", "<br a=/>", "<br a=/ a=/>", "<br a='b'/>", "<p =a=b>", "<p a = b c= 'd e' F=\"g>h\" i>x</P  >", "<p a a=b>", "<p/a/b=c>", "<p a=b'c>", "<p a=\">", "<p\na\t=\fb>",
	"<style>a > b { c: '</p>' }</STYLE >x", "<style></styles></style>", "<style>", "<style></style", "<title>a</title><textarea><b></textarea>", "<script>x<y</script>z", "<noscript><p></noscript>",
	"<iframe><p></iframe>", "<xmp><p></xmp><noembed><p></noembed><noframes><p></noframes><plaintext><p></plaintext>", "<style/>a</style>",
}

func TestScannerSeesWhatTheLibrarySees(t *testing.T) {
	for _, document := range oddDocuments {
		wantSameTokens(t, document)
	}
	paths, err := filepath.Glob("testdata/*/*/*.eml")
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		wantSameTokens(t, string(content))
	}
}

// Wherever a window ends, the tokens are the same.
func TestScannerAtTheEdgesOfTheWindow(t *testing.T) {
	const document = `text <p class="a b" id=c>more &amp; more</p><!-- <b> --><style>a{b:c}</style><br/><!d><i a='` + "\n" + `'>x</i>`
	for i, filler := range []string{"x", "<!--y-->", "<b>", `<p a="` + strings.Repeat("z", 40) + `">`} {
		for n := htmlWindow - len(document) - 40; n < htmlWindow+40; n += 1 + 8*i {
			wantSameTokens(t, strings.Repeat(filler, n/len(filler))+strings.Repeat(" ", n%len(filler))+document)
		}
	}
}

func TestScannerJudgesATagThatDoesNotFitByItsBeginning(t *testing.T) {
	long := strings.Repeat("x", 3*htmlWindow)
	for document, want := range map[string]string{
		`<img a=b src="data:` + long + `>" alt="">text`:         "img true",
		`<img a=b src=data:` + long + ` alt="">text`:            "img true",
		`<img a=b src='` + long + `' title="<b>` + long + `">t`: "img true",
		`<img a=b ` + long + ` src="<b>">text`:                  "img true",
		`<img a=b ` + long + `="<b>">text`:                      "img true",
		`<img a=b>text</img a="` + long + `>">text`:             "img false",
		`<img a=b ` + strings.Repeat("c ", htmlWindow) + `>t`:   "img true",
	} {
		var got []string
		s := htmlScanner{to: &cutList{list: &got}}
		s.write([]byte(document))
		s.close()
		if len(got) < 2 || got[0] != want || strings.Contains(strings.Join(got[1:], ""), "b true") || !strings.HasPrefix(got[len(got)-1], "t") {
			t.Errorf("%.60q: %.200q, want %s and the text behind it", document, got, want)
		}
		if len(s.tag.attrs) > maxAttributes || len(s.tag.attrs) == 0 || cap(s.window) != htmlWindow {
			t.Errorf("%.60q: %d attributes, a window of %d", document, len(s.tag.attrs), cap(s.window))
		}
	}
}

// cutList writes down which tags did not fit.
type cutList struct{ list *[]string }

func (l *cutList) text(b []byte)          { *l.list = append(*l.list, string(b)) }
func (l *cutList) blank(b []byte)         { l.text(b) }
func (l *cutList) raw(_ string, b []byte) { l.text(b) }
func (l *cutList) comment([]byte, bool)   {}
func (l *cutList) again([]byte) bool      { return false }
func (l *cutList) endTag([]byte)          {}
func (l *cutList) startTag(t *tag)        { l.text(fmt.Appendf(nil, "%s %v", t.name, t.cut)) }

func FuzzHTML(f *testing.F) {
	for _, document := range oddDocuments {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document string) { wantSameTokens(t, document) })
}
