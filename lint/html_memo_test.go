package lint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestTagsMeanTheSameEachTime holds that what was remembered of a tag says the same as
// reading it again: an attribute of its own makes every tag one that was never seen.
func TestTagsMeanTheSameEachTime(t *testing.T) {
	opts := DefaultOptions()
	opts.Clients = []string{"gmail", "outlook"}
	opts.Bulk = []string{"ann@example.org"}
	opts.Rules = map[string]string{"M09": "off"} // it goes by the length
	l := newLint(t, opts).Collecting()
	random := rand.New(rand.NewPCG(9, 9))
	pieces := []string{
		"<p>", "<p style='color:#fff'>", "<td style='font-size:0px'>", "<td style='color:white;background:WHITE'>", "<div class=a style='display:none'>",
		"<div style='display:none'>", "<DIV STYLE='Display:None'>", "<span hidden>", "<table bgcolor=#ffffff>", "<font color=white>", "<div style='visibility:hidden;font:inherit'>",
		"<div style='background:url(cid:x)'>", "<div style='background:url(data:image/png;base64,x)'>", "<td background='data:image/gif;x'>", "<td background='cid:y'>",
		"<b onclick=x>", "<iframe>", "</iframe>", "<form action='javascript:x'>", "<a href='https://example.org/'>", "<a href='https://192.0.2.1/'>", "<a href=x name=y>", "<a>", "example.com ", "</a>",
		"<img src=x>", "<img src=x alt=words width=1>", "<img src='cid:z' alt=''>", "<area href='javascript:x' alt=more>", "<style>p{display:flex}</style>", "<title><p></title>", "<br>", "<br/>", "<x-y/>", "<x-y>",
		"</p>", "</td>", "</div>", "</span>", "</table>", "</font>", "</x-y>", "some words to be read", strings.Repeat("hidden words ", 15), " \n", "&nbsp;&amp;&#8203;&eacute",
		"<p title='a>b' style='font-size:0'>", "<p style=\"font-family:'a>b';color:inherit\">", "<td style='display:grid;width:calc(1px)'>", "<video src='https://example.org/a.webp'>",
	}
	for range 3000 {
		var again, once strings.Builder
		usable := make([]string, 1+random.IntN(8))
		for i := range usable {
			usable[i] = pieces[random.IntN(len(pieces))]
		}
		for i := range 20 {
			piece := usable[random.IntN(len(usable))]
			again.WriteString(piece)
			if piece[0] == '<' && letter(piece[1]) {
				n := 1 + nameLength([]byte(piece[1:]))
				piece = piece[:n] + fmt.Sprintf(" x%d='y'", i) + piece[n:]
			}
			once.WriteString(piece)
		}
		got, want := allFindings(t, l, again.String()), allFindings(t, l, once.String())
		if !slices.Equal(got, want) {
			t.Fatalf("%s\n%q, and with tags that differ\n%q", again.String(), got, want)
		}
	}
}

// allFindings are those in a document that stands beside a plain text.
func allFindings(t *testing.T, l *Lint, document string) []string {
	t.Helper()
	m := fromAnn()
	header := plainHeader + "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n"
	if _, err := run(l, m, header, alternative("", "words that the html does not have at all, one of them twice and others thrice", "; charset=utf-8", document), whole); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range m.Findings {
		found = append(found, f.Rule+" "+f.Where+" "+f.Detail)
	}
	return found
}

func TestMemoIsBounded(t *testing.T) {
	var m memo[int]
	for i := range 10 * memoSlots {
		key := fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", i%(2*maxMemoed)))
		slot, known := m.slot(key)
		if known || (slot == nil) != (len(key) > maxMemoed) {
			t.Fatalf("key of %d: known %v, %v", len(key), known, slot)
		}
		slot.set(i)
		if again, known := m.slot(key); known != (slot != nil) || known && again.value != i {
			t.Fatalf("key of %d is not remembered", len(key))
		}
	}
	if len(m.slots) != memoSlots {
		t.Errorf("%d places", len(m.slots))
	}
}

// TestPlainHosts holds the short way to the long one.
func TestPlainHosts(t *testing.T) {
	random := rand.New(rand.NewPCG(10, 10))
	pieces := []string{"https://", "http://", "HTTPS://", "https:/", "//", "example", "EXAMPLE", ".", ".org", ".1", "192.0.2.1", "0x7f", "-", "_", "/", "?", "#", "\\", ":", "@", "%41", "&amp;", "ü", " ", "\n", "[::1]", "a"}
	plain := 0
	for range 100_000 {
		raw := pieces[random.IntN(4)]
		for range random.IntN(7) {
			raw += pieces[random.IntN(len(pieces))]
		}
		host := plainHost([]byte(raw))
		if host == nil {
			continue
		}
		plain++
		if l := parseLink(html.UnescapeString(raw)); l.host != string(host) || l.user != "" || l.address.IsValid() || l.scheme != "https" && l.scheme != "http" {
			t.Fatalf("%q: %q, and %+v", raw, host, l)
		}
	}
	if plain < 300 {
		t.Errorf("only %d are plain", plain)
	}
}

// TestCharacterReferences holds the short way to the library.
func TestCharacterReferences(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 11))
	pieces := []string{"&", ";", "#", "nbsp", "amp", "lt", "gt", "quot", "zwnj", "eacute", "notit", "x", "X41", "160", "8203", "128", "0", "65", "55296", "99999999", " ", "ü", "a", strings.Repeat("7", 40)}
	for range 100_000 {
		var text string
		for range random.IntN(9) {
			text += pieces[random.IntN(len(pieces))]
		}
		if got, want := string(withoutReferences([]byte(text))), html.UnescapeString(text); got != want {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
	}
}
