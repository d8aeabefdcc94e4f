package lint

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// alternative is the body of a multipart/alternative with boundary b.
func alternative(plainFields, plain, htmlFields, html string) string {
	return "--b\r\nContent-Type: text/plain" + plainFields + "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + plain +
		"\r\n--b\r\nContent-Type: text/html" + htmlFields + "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + html + "\r\n--b--\r\n"
}

// alternativeFindings are the details of what a rule finds in a multipart/alternative.
func alternativeFindings(t *testing.T, opts Options, rule, fields, body string) []string {
	t.Helper()
	m := fromAnn()
	header := plainHeader + "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n" + fields
	if _, err := run(newLint(t, opts).Collecting(), m, header, body, whole); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range m.Findings {
		if f.Rule == rule {
			found = append(found, f.Where+" "+f.Detail)
		}
	}
	return found
}

func TestPlainTextAndHTML(t *testing.T) {
	const (
		utf8   = "; charset=utf-8"
		latin1 = "; charset=iso-8859-1"
		german = "Sehr geehrte Damen und Herren, die schönsten Gärten öffnen für Sie ihre Türen: über zwanzig große Häuser zeigen, was grünt und blüht. " +
			"Kommen Sie früh, denn nachmittags wird es voll. Wir freuen uns auf Sie und grüßen herzlich aus Köln."
		japanese = "いつもご利用いただきありがとうございます。来週から夏のセールが始まります。全品半額ですので、ぜひお店にお越しください。" +
			"皆様のお越しを心よりお待ちしております。今後ともよろしくお願いいたします。"
		russian = "Дорогие друзья, на следующей неделе начинается летняя распродажа. Все товары за полцены, приходите в наш магазин, мы будем рады вас видеть."
		order   = "Thank you for your order 4711. We have sent it today. You will have it within three days. If you have questions, just answer this message."
	)
	entities := strings.NewReplacer("ö", "&ouml;", "ä", "&auml;", "ü", "&#252;", "ß", "&szlig;")
	long := func(text string) string { return "<p>" + strings.Repeat("<b>"+text+"</b> ", 3) }
	tests := []struct {
		name, plainFields, plain, htmlFields, html string
		differs                                    bool
	}{
		{"the same", utf8, german, utf8, "<p>" + german, false},
		{"entities", utf8, german, utf8, "<p>" + entities.Replace(german), false},
		{"entities in ASCII", utf8, german, "", "<p>" + entities.Replace(german), false},
		{"wrapped and quoted", utf8, "> " + strings.ReplaceAll(german, " ", "\r\n> "), utf8, long(german), false},
		{"upper case", "", strings.ToUpper(order), "", long(order), false},
		{"markup between words", "", order, "", "<table><td>" + strings.ReplaceAll(order, " ", "</td><td>"), false},
		{"markup within words", "", order, "", strings.ReplaceAll(order, "e", "<b>e</b>"), false},
		{"text in images", "", order, "", "<img alt='" + order + "'>", false},
		{"URLs spelt out", "", strings.ReplaceAll(order, " ", " <https://click.example.org/a/b-c?d=e> "), "", long(order), false},
		{"more URLs than words", "", "Thank you for your order 4711.\r\n" + spelledOut(30), "", long(order), false},
		{"a teaser", "", "Thank you! We have sent your order: https://example.org/4711", "", long(order + german), false},
		{"little to compare", "", "See attachment", "", "<p>Hello", false},
		{"a picture alone", "", "", "", "<img src=x>", false},
		{"japanese", utf8, strings.ReplaceAll(japanese, "。", "。\r\n"), utf8, "<p>" + japanese, false},
		{"japanese wrapped elsewhere", utf8, "い\r\n" + strings.ReplaceAll(japanese, "の", "の\r\n"), utf8, "<p>" + japanese, false},
		{"russian", utf8, russian, utf8, "<p>" + russian, false},
		{"charsets that differ", latin1, "Gr\xfc\xdfe aus K\xf6ln und anderswo, wo man uns auch noch gerne liest und h\xf6rt", utf8, long(russian), false},
		{"one charset of old", latin1, "Gr\xfc\xdfe aus K\xf6ln, liebe Freunde", latin1, "<p>Gr\xfc\xdfe aus K&ouml;ln, liebe Freunde", false},
		{"stateful charset", "; charset=iso-2022-jp", "\x1b$B$3$s\x1b(B", "; charset=iso-2022-jp", "<p>\x1b$B$3<p>\x1b(B", false},
		{"empty", utf8, "", utf8, "<p>" + german, true},
		{"blank", latin1, " \r\n\r\n", utf8, "<p>" + german, true},
		{"stub", "", "Your mail program can't show HTML. Please look at https://example.org/view?id=1", "", long(german), true},
		{"another message", "", order, "", "<p>" + german, true},
		{"another language", utf8, german, utf8, "<p>" + russian, true},
		{"japanese stub", utf8, "HTMLメールに対応していません", utf8, long(russian), true},
	}
	for _, tt := range tests {
		found := alternativeFindings(t, DefaultOptions(), "M17", "", alternative(tt.plainFields, tt.plain, tt.htmlFields, tt.html))
		if (len(found) > 0) != tt.differs {
			t.Errorf("%s: %q, want a finding: %v", tt.name, found, tt.differs)
		}
	}
}

// spelledOut are URLs of some words each.
func spelledOut(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "https://click%d.example.org/part%d/of-%d?other=%d\r\n", i, i, i, i)
	}
	return b.String()
}

// TestWordsInPieces holds that a text has the same words however it is cut.
func TestWordsInPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(12, 12))
	pieces := []string{"a", "Word", "words", "eightoct", "nine9letters", "averyverylongwordofmanyletters", " ", "   ", "\n", ",", "://", "https://x.org/a)", ":", "/", "ü", "größe", "Straßenbahnfahrt", "привет", "日本", "\u00a0", "\xc3", "\x80", "\xe2\x80", "—", "😀", "\xff"}
	for range 20_000 {
		var text []byte
		for range random.IntN(12) {
			text = append(text, pieces[random.IntN(len(pieces))]...)
		}
		isUTF8 := highBits * uint64(random.IntN(2))
		whole, cut := wordSet{utf8: isUTF8}, wordSet{utf8: isUTF8}
		whole.write(text)
		whole.end()
		for rest := text; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			cut.write(rest[:n])
			rest = rest[n:]
		}
		cut.end()
		if whole.bits != cut.bits || whole.shown != cut.shown {
			t.Fatalf("%q: %d words, in pieces %d", text, whole.count(), cut.count())
		}
		upper := wordSet{utf8: isUTF8}
		upper.write(bytes.Map(func(r rune) rune {
			if r < 0x80 {
				return unicode.ToUpper(r)
			}
			return r
		}, text))
		upper.end()
		if whole.bits != upper.bits && utf8.Valid(text) {
			t.Fatalf("%q: %d words, in upper case %d", text, whole.count(), upper.count())
		}
	}
}

// Texts of an alternative inside another one are those of the outer one.
func TestPlainTextAndHTMLInPieces(t *testing.T) {
	const text = "one two three four five six seven eight nine ten"
	inner := strings.ReplaceAll(alternative("", text, "", "<p>"+text), "--b", "--i")
	body := "--b\r\nContent-Type: text/plain\r\n\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n" + inner + "--b--\r\n"
	if found := alternativeFindings(t, DefaultOptions(), "M17", "", body); len(found) > 0 {
		t.Errorf("%q", found)
	}
	body = "--b\r\nContent-Type: text/plain\r\n\r\n" + text + "\r\n--b\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n" +
		"--i\r\nContent-Type: text/html\r\n\r\none two three four five\r\n--i\r\nContent-Type: image/png\r\n\r\n\r\n" +
		"--i\r\nContent-Type: text/html\r\n\r\nsix seven eight nine ten\r\n--i--\r\n--b--\r\n"
	if found := alternativeFindings(t, DefaultOptions(), "M17", "", body); len(found) > 0 {
		t.Errorf("%q", found)
	}
}

func TestUnsubscribeLinks(t *testing.T) {
	opts := DefaultOptions()
	opts.Bulk = []string{"ann@example.org"}
	long := strings.Repeat("word ", 2*gatheredText/5)
	tests := map[string]bool{ // plain text | html: whether there is a way out
		"Hello|Hello": false,
		"Hello|<a href='https://example.org/'>Unsubscribe here</a>":  true,
		"Hello|<a href='https://example.org/Unsubscribe?x'>here</a>": true,
		"Hello|<a href='https://l.example.org/a?b&amp;c'>here</a>":   true,
		"Hello|<a href='https://l.example.org/a'>here</a>":           false,
		"Hello|<img alt='Newsletter abbestellen' src=x>":             true,
		"Hello https://l.example.org/a?b&c|Hello":                    true,
		"Hello\r\nABMELDEN: https://example.org/|Hello":              true,
		"Hello|" + long[:gatheredText-7] + "unsubscribe" + long:      true,
		"Hello|" + long[:gatheredText-3] + "unsubscribe":             true,
		"Hello|<p>un</p>":                                    false,
		"unsub|scribe":                                       false,
		"Hello|Se d&eacute;sinscrire":                        true,
		"Hello|Pour vous désabonner, cliquez ici":            true,
		"Hello|Si no desea recibir más, puede darse de baja": true,
		"Hello|Cancelar inscrição":                           true,
		"Hello|Clicca qui per disiscriverti":                 true,
		"Hello|Klik hier om u uit te schrijven":              true,
		"Hello|Zrezygnuj lub wypisz się":                     true,
		"Hello|ОТПИСАТЬСЯ":                                   true,
		"Hello|配信停止はこちら":                                     true,
		"Hello|点击退订":                                         true,
		"Hello|수신거부":                                         true,
		"Hello|Abonelikten çık":                              true,
		"Hello|You get this because you are a customer. Update your preferences.":  true,
		"Hello|<!-- unsubscribe --><style>.unsubscribe{color:red}</style>":         false,
		"Hello|<title>unsubscribe</title>":                                         false,
		"Hello|<a class='unsubscribe' href='https://example.org/x'>Leave us</a>.":  false,
		"Hello|<area href='https://example.org/optout' alt=x><p style='color:red'": true,
	}
	for pair, want := range tests {
		plain, html, _ := strings.Cut(pair, "|")
		body := alternative("; charset=utf-8", plain, "; charset=utf-8", html)
		found := alternativeFindings(t, opts, "L06", "List-Unsubscribe: <mailto:x@example.org>, (web)\r\n <https://l.example.org/a?b&c>\r\n", body)
		if (len(found) == 0) != want {
			t.Errorf("%.80s: %q, want a way out: %v", pair, found, want)
		}
	}
	for name, body := range map[string]string{
		"charset":  alternative("", "Hello", "; charset=koi8-r", "x"),
		"no text":  "--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n--b--\r\n",
		"attached": "--b\r\nContent-Type: text/plain; name=a.txt\r\n\r\nx\r\n--b--\r\n",
	} {
		if found := alternativeFindings(t, opts, "L06", "", body); len(found) > 0 {
			t.Errorf("%s: %q", name, found)
		}
	}
}

func TestUnsubscribeWordsAreInLowerCaseAndShort(t *testing.T) {
	for word := range strings.SplitSeq(unsubscribeWords, "|") {
		if word != strings.ToLower(word) || len(word) < 2 || len(word) > maxPhrase {
			t.Errorf("%q", word)
		}
	}
}

func TestBulkSenders(t *testing.T) {
	tests := map[string]bool{ // pattern | envelope sender | From
		"news@example.org|News@Example.org|a@example.net":      true,
		"news@example.org|bounce@example.net|news@example.org": true,
		"news@example.org|ann@example.org|ann@example.org":     false,
		"example.org|ann@EXAMPLE.org|a@example.net":            true,
		"example.org|ann@a.example.org|a@example.net":          false,
		"*.example.org|ann@a.b.example.org|a@example.net":      true,
		"*.example.org|ann@example.org|a@example.net":          false,
		"*.example.org||a@a.example.org":                       true,
		"example.org||a@notexample.org":                        false,
	}
	for test, want := range tests {
		parts := strings.Split(test, "|")
		opts := DefaultOptions()
		opts.Bulk = []string{"other@example.com", parts[0]}
		m := fromAnn()
		m.Sender = parts[1]
		header := strings.Replace(plainHeader, "ann@example.org", parts[2], 1)
		if _, err := run(newLint(t, opts).Collecting(), m, header, "Hello\r\n", whole); err != nil {
			t.Fatal(err)
		}
		if got := len(m.Findings) == 2 && m.Findings[0].Rule == "L01" && m.Findings[1].Rule == "L06"; got != want || !want && m.Findings != nil {
			t.Errorf("%s: %+v, want bulk: %v", test, m.Findings, want)
		}
	}
}
