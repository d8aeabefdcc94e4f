package lint

import (
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pratique/message"
)

func TestTextDecoder(t *testing.T) {
	tests := []struct{ name, encoding, lines, want string }{
		{"7bit", "7bit", "a=\nb\n\nc", "a=\nb\n\nc"},
		{"one line", "", "a", "a"},
		{"base64 across lines", "base64", "SGVs\nbG8\n=", "Hello"},
		{"quoted-printable", "quoted-printable", "a=3D=e2=82=AC\nb", "a=€\nb"},
		{"soft line breaks", "quoted-printable", "a=\nb= \t\n=\n=3D=\nc=", "ab=c"},
		{"what is no escape", "quoted-printable", "a = b==4=\n=4\n=zz=3=41= c", "a = b==4=4\n=zz=3A= c"},
		{"half an escape at the end", "quoted-printable", "a=4", "a=4"},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 2, 1000} {
			var got []byte
			d := newTextDecoder(tt.encoding, func(b []byte) { got = append(got, b...) })
			for line := range strings.SplitSeq(tt.lines, "\n") {
				d.write(nil, true)
				for piece := range slices.Chunk([]byte(line), size) {
					d.write(piece, false)
				}
			}
			d.close()
			if string(got) != tt.want || d.size != int64(len(got)) {
				t.Errorf("%s in pieces of %d: %q, want %q", tt.name, size, got, tt.want)
			}
		}
	}
}

// htmlFindings are the details of what a rule finds in a document, each with its action.
func htmlFindings(t *testing.T, opts Options, rule, document string) []string {
	t.Helper()
	m := fromAnn()
	header := plainHeader + "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
	if _, err := run(newLint(t, opts).Collecting(), m, header, document, whole); err != nil {
		t.Fatal(err)
	}
	var details []string
	for _, f := range m.Findings {
		if f.Rule == rule {
			details = append(details, f.Action+" "+f.Detail)
		}
	}
	return details
}

func TestMisleadingLinks(t *testing.T) {
	tests := map[string]bool{ // text|target: whether they differ
		"example.org|https://example.org/":                            false,
		"example.org|https://EXAMPLE.ORG./":                           false,
		"https://example.org/|https://click.example.org/":             false,
		"https://example.org/a?b#c|http://example.com":                true,
		"http://example.org:8080|http://example.com":                  true,
		"www.example.org|//example.com/":                              true,
		"www.readme.md|https://example.com/":                          true,
		"example.org/path|https://example.org.example.com/":           true,
		"(example.org)|https://example.com/":                          true,
		"a.example.co.uk|https://b.example.co.uk":                     false,
		"a.co.uk|https://b.co.uk":                                     true,
		"https://ann.github.io|https://bob.github.io":                 true,
		"example&#46;org|https://example.com/":                        true,
		"https://exam&#8203;ple.org|https://example.com/":             true,
		"<b>example</b>.<i>org</i>|https://example.com/":              true,
		"m&uuml;nchen.de|https://xn--mnchen-3ya.de/":                  false,
		"example.org|https://192.0.2.1/":                              true,
		"example.org|https://example.com@example.org/":                false,
		`example.org|https:\\example.com\`:                            true,
		"see example.org|https://example.com/":                        false,
		"example.org and more|https://example.com/":                   false,
		"https://example.org/long/...|https://example.org/long/er":    false,
		"ann@example.org|https://example.com/":                        false,
		"ASP.NET|https://learn.example.com/":                          false,
		"example.net|https://example.com/":                            true,
		"example.de/a|https://example.com/":                           true,
		"here.Click|https://example.com/":                             false,
		"Dr.Med|https://example.com/":                                 false,
		"main.py|https://example.com/":                                false,
		"Node.js|https://example.com/":                                false,
		"1.2.3|https://example.com/":                                  false,
		"com|https://example.org/":                                    false,
		"...|https://example.org/":                                    false,
		"example.org|mailto:ann@example.com":                          false,
		"example.org|{{link}}":                                        false,
		"example.org|/path":                                           false,
		"https://example.org/|https://www.google.com/url?q=x":         false,
		"https://example.org/|https://urldefense.com/v3/__https://x/": false,
		"https://example.org/|https://noturldefense.com/":             true,
	}
	for pair, want := range tests {
		text, target, _ := strings.Cut(pair, "|")
		found := htmlFindings(t, DefaultOptions(), "T04", `<p>x<a href="`+target+`"> `+text+"\n</a>example.net")
		if (len(found) > 0) != want {
			t.Errorf("%s: %q, want a finding: %v", pair, found, want)
		}
	}
}

func TestDeceivingLinks(t *testing.T) {
	tests := map[string]string{ // the action, "" for no finding
		"https://example.org/":                "",
		"javascript:alert(1)":                 "reject",
		" JAVA\tSCRIPT:alert(1)":              "reject",
		"&#106;avascript&colon;alert(1)":      "reject",
		"vbscript:x":                          "reject",
		"javascript:void(0);":                 "warn",
		"javascript: void( 0 )":               "warn",
		"javascript:":                         "warn",
		"data:text/html;base64,PGI+":          "reject",
		"data:image/png;base64,AAAA":          "warn",
		"database:1":                          "",
		"data":                                "",
		"http://203.0.113.7":                  "reject",
		"http://203.0.113.7:8080/":            "reject",
		"http://0xcb.0.0x71.7/":               "reject",
		"http://0xCB007107":                   "reject",
		"http://3405803783":                   "reject",
		"http://0313.0.0161.07":               "reject",
		"http://203.28935":                    "reject",
		"http://%32%30%33.0.113.7/":           "reject",
		"http://[2001:db8::1]/":               "reject",
		`http:\\203.0.113.7`:                  "reject",
		"//203.0.113.7/":                      "reject",
		"http:203.0.113.7/":                   "reject",
		"http://192.168.1.1/":                 "warn",
		"http://127.0.0.1:8080/":              "warn",
		"https://[fd00::1]/":                  "warn",
		"http://100.64.0.1/":                  "warn",
		"http://0x7f.1/":                      "reject",
		"http://203.0.113.7.example.org/":     "",
		"http://203.0.113.256/":               "",
		"http://1.2.3.4.5/":                   "",
		"http://09.1/":                        "",
		"http://4294967296/":                  "",
		"https://example.org/?u=http://1.2.3": "",
		"mailto:ann@203.0.113.7":              "",
		"https://example.com@example.org/":    "reject",
		"https://www.example.com:x@x.org":     "reject",
		"https://example%2Ecom@example.org/":  "reject",
		"ftp://john.doe@ftp.example.org/":     "",
		"https://user:secret@example.org/":    "",
		"https://example.org/@example.com":    "",
	}
	for target, want := range tests {
		for _, element := range []string{`a href`, `area href`, `form action`} {
			found := htmlFindings(t, DefaultOptions(), "T05", `<`+element+`="`+target+`">x`)
			got := ""
			if len(found) > 0 {
				got, _, _ = strings.Cut(found[0], " ")
			}
			if got != want || len(found) > 1 {
				t.Errorf("%s: %q, want %q", target, found, want)
			}
		}
	}
}

func TestAFindingInHTMLNamesItsLine(t *testing.T) {
	filler := strings.Repeat("<p>filler</p>\r\n", 5000)
	got := htmlFindings(t, DefaultOptions(), "T02", filler+"<p onclick=x>\r\n<p\r\nonclick=y>"+filler+"<script>")
	want := []string{"warn <script>, html line 10003", `warn attribute "onclick", html line 5001 (and 1 more)`}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestHTMLThatIsNotLookedAt(t *testing.T) {
	const document = "<script>"
	for fields, want := range map[string]bool{
		"Content-Type: text/html":                                           true,
		"Content-Type: text/html; charset=shift_jis":                        true,
		"Content-Type: text/html; charset=UTF-16LE":                         false,
		"Content-Type: text/html; charset=iso-2022-jp":                      false,
		"Content-Type: text/html; charset=utf-7":                            false,
		"Content-Type: text/html\r\nContent-Disposition: attachment":        false,
		"Content-Type: text/html; name=a.html":                              false,
		"Content-Type: text/plain":                                          false,
		"Content-Type: message/rfc822\r\n\r\nContent-Type: text/html\r\n\r": false,
	} {
		m := fromAnn()
		body := "--b\r\n" + fields + "\r\n\r\n" + document + "\r\n--b--\r\n"
		if _, err := run(newLint(t, DefaultOptions()).Collecting(), m, plainHeader+"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n", body, whole); err != nil {
			t.Fatal(err)
		}
		got := false
		for _, f := range m.Findings {
			got = got || f.Rule == "T02"
		}
		if got != want {
			t.Errorf("%s: looked at: %v, want %v", fields, got, want)
		}
	}
}

// everyTextRule has every rule on html and text look at the mail of example.org.
func everyTextRule() Options {
	opts := DefaultOptions()
	opts.Bulk = []string{"example.org"}
	opts.Clients = []string{"gmail", "outlook"}
	return opts
}

// Documents that are made to be slow or to be kept.
func TestHTMLIsReadInLinearTimeAndConstantMemory(t *testing.T) {
	const header = plainHeader + "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n"
	const before = "--b\r\n\r\nHello\r\n--b\r\nContent-Type: text/html\r\n\r\n"
	for name, document := range map[string][2]string{ // what stands first, and what is repeated
		"one tag without an end":    {"<a href=\"", "x"},
		"attributes":                {"<a ", "b=c d "},
		"attributes without values": {"<a ", "b "},
		"quotes":                    {"<a b=", "\"'"},
		"links":                     {"", "<a href='http://example.org/'>example.com</a>"},
		"links within links":        {"", "<a href=//0x7f.1>"},
		"open tags":                 {"", "<b>"},
		"images":                    {"", "<img src=data:>"},
		"references":                {"", "&"},
		"a link of references":      {"<a href='", "&amp;"},
		"less-than signs":           {"", "<"},
		"comments":                  {"", "<!-->"},
		"one comment":               {"<!--", "- >"},
		"dashes in a comment":       {"<!--", "--! -"},
		"raw text":                  {"<style>", "</styl"},
		"end tags":                  {"", "</a b='>'>"},
		"lines":                     {"<p onclick=x>", "\r\n"},
		"hidden text":               {"<p hidden>", "a &amp; "},
		"end tags of nothing":       {strings.Repeat("<p>", 200), "</q>"},
		"words":                     {"", "word https://a "},
		"images by cid:":            {"", "<img src=cid:a%0><p style=b:cid:c>"},
		"declarations":              {"<style>", "a{b:c(;d:e}"},
		"one declaration":           {"<style>a{", "b:1vw/*"},
		"style attributes":          {"", "<p style='a:b;c:url(d;e)'>"},
		"one style attribute":       {"<p style='", "a:(;\"/*;"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLint(t, everyTextRule()).Collecting()
			wantLinear(t, name, func(n int) float64 {
				body := before + document[0] + strings.Repeat(document[1], n)
				return fastest(func() {
					if _, err := run(l, fromAnn(), header, body, whole); err != nil {
						t.Fatal(err)
					}
				})
			})
			body := before + document[0] + strings.Repeat(document[1], (1<<20)/len(document[1]))
			if kept := keptBy(t, l, header, body); kept > 512<<10 {
				t.Errorf("%d octets are kept of %d", kept, len(body))
			}
		})
	}
}

// keptBy returns how much memory is in use behind the last chunk of a body.
func keptBy(t *testing.T, l *Lint, header, body string) int64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	left := len(body)
	_, err := run(l, fromAnn(), header, body, func(n int) int {
		if left = n; n > 100 {
			return max(n/2, 100)
		}
		if after.HeapAlloc == 0 {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
		return n
	})
	if err != nil || after.HeapAlloc == 0 {
		t.Fatalf("%d octets left, %v", left, err)
	}
	runtime.KeepAlive(body)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// Any split of the body gives the same findings, whatever is in it.
func FuzzTexts(f *testing.F) {
	for _, document := range oddDocuments {
		f.Add(document, "plain", uint64(1))
	}
	f.Add("<a href=3D'http://1.2.3.4/'>exa=\r\nmple.org</a><img src=cid:x><p style=display:none>x", "Hello", uint64(0))
	f.Add(strings.Repeat("<p>K=C3=B6ln=\r\n</p>\r\n", openingLines)+"--x=\r\n= \r\n=4", "Hello", uint64(0))
	f.Add("PGEgaHJlZj0n\r\naHR0cDov", "SGVsbG8=", uint64(1))
	l := newLint(f, everyTextRule()).Collecting()
	f.Fuzz(func(t *testing.T, html, plain string, seed uint64) {
		encoding := "\r\nContent-Transfer-Encoding: " + []string{"quoted-printable", "base64", "8bit"}[seed%3] + "\r\n\r\n"
		body := "--b\r\nContent-Type: text/plain" + encoding + plain + "\r\n--b\r\nContent-Type: text/html" + encoding + html + "\r\n--b--\r\n"
		header := plainHeader + "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n"
		findings := func(cuts func(int) int) []message.Finding {
			m := fromAnn()
			if _, err := run(l, m, header, body, cuts); err != nil {
				t.Fatal(err)
			}
			return m.Findings
		}
		random := rand.New(rand.NewPCG(seed, 1))
		want := findings(whole)
		if got := findings(func(int) int { return random.IntN(40) }); !reflect.DeepEqual(got, want) {
			t.Errorf("in pieces %+v, whole %+v", got, want)
		}
		for _, found := range want {
			if text := found.Where + found.Detail; len(text) > 1000 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%+v", found)
			}
		}
	})
}
