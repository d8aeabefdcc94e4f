package parts

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/mail"
	"strings"
	"testing"
)

// tree shows the structure of a message.
func tree(p *Part) string {
	var b strings.Builder
	var show func(p *Part, depth int)
	show = func(p *Part, depth int) {
		fmt.Fprintf(&b, "%s%s", strings.Repeat(" ", depth), p.Type)
		if len(p.Parts) == 0 {
			fmt.Fprintf(&b, " %q", p.Text())
		}
		b.WriteByte('\n')
		for _, child := range p.Parts {
			show(child, depth+1)
		}
	}
	show(p, 0)
	return b.String()
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct{ message, want string }{
		"plain":            {"Subject: x\n\nhello\n", "text/plain \"hello\\n\"\n"},
		"nothing":          {"", "text/plain \"\"\n"},
		"no body":          {"Subject: x\n", "text/plain \"\"\n"},
		"not a field":      {"what is this\nSubject: x\n\nhello", "text/plain \"hello\"\n"},
		"never closed":     {"Content-Type: multipart/mixed; boundary=b\n\nx\n--b\n\none\n--b\n\ntwo", "multipart/mixed\n text/plain \"one\"\n text/plain \"two\"\n"},
		"no boundary":      {"Content-Type: multipart/mixed\n\n--b\n\none\n", "multipart/mixed \"--b\\n\\none\\n\"\n"},
		"other boundary":   {"Content-Type: multipart/mixed; boundary=a\n\nx\n--b/1.2\nContent-Type: text/plain\n\none\n--b/1.2--\n", "multipart/mixed\n text/plain \"one\"\n"},
		"lost fold":        {"Content-Type: multipart/mixed;\nboundary=\"b\"\n\n--b\n\none\n--b--\n", "multipart/mixed\n text/plain \"one\"\n"},
		"mbox":             {" \n\n>From MAILER-DAEMON Fri Nov 27 09:00:00 2026\nSubject: x\n\nhello", "text/plain \"hello\"\n"},
		"longer boundary":  {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--bb\ntwo\n--b-- \nthree", "multipart/mixed\n text/plain \"one\\n--bb\\ntwo\"\n"},
		"broken parameter": {"Content-Type: multipart/mixed; charset; boundary=\"b\"; boundary=c\n\n--b\n\none\n--b--\n", "multipart/mixed\n text/plain \"one\"\n"},
		"digest":           {"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\none\n--b--\n", "multipart/digest\n message/rfc822\n  text/plain \"one\"\n"},
		"base64":           {"Content-Transfer-Encoding: BASE64\n\naGVs\nbG8=\nxxxx!", "text/plain \"hello\"\n"},
		"base64 in pieces": {"Content-Transfer-Encoding: base64\n\naGVs\nbG8=\nIHlv\ndQ==\n-- \nfoot\n", "text/plain \"hello you\"\n"},
		"broken base64":    {"Content-Transfer-Encoding: base64\n\naGVsbG8h*a", "text/plain \"hello!\"\n"},
		"quoted-printable": {"Content-Transfer-Encoding: quoted-printable\n\nh=C3=BC=\nx", "text/plain \"hüx\"\n"},
		"broken quoted":    {"Content-Transfer-Encoding: quoted-printable\n\na=zz=3d b= \nc=\n", "text/plain \"a=zz= bc\"\n"},
		"koi8-r":           {"Content-Type: text/plain; charset=\"KOI8-R\"\n\n\xd0\xcf", "text/plain \"по\"\n"},
		"japanese":         {"Content-Type: text/plain; charset=ISO-2022-JP\n\n\x1b$B$\"\x1b(B", "text/plain \"あ\"\n"},
		"unknown charset":  {"Content-Type: text/plain; charset=x-none\n\nh\xfc", "text/plain \"hü\"\n"},
		"said to be utf-8": {"Content-Type: text/plain; charset=utf-8\n\nh\xfc", "text/plain \"hü\"\n"},
		"latin":            {"Content-Type: text/plain; charset=iso-8859-1\n\nh\xfc", "text/plain \"hü\"\n"},
		"html":             {"Content-Type: text/html\n\n<style>a<b</style><p>a&lt;<br/>b<SCRIPT>if (a<b)</SCRIPT></p><", "text/html \"\\na<\\nb\\n\"\n"},
		"encoded message":  {"Content-Type: message/global\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKaGVsbG8=", "message/global\n text/plain \"hello\"\n"},
	} {
		for _, end := range []string{"\n", "\r\n"} {
			got := strings.ReplaceAll(tree(Read([]byte(strings.ReplaceAll(c.message, "\n", end)))), `\r\n`, `\n`)
			if got != c.want {
				t.Errorf("%s, %q:\n got %s\nwant %s", name, end, got, c.want)
			}
		}
	}
}

// Lines that end in CR alone, as they do nowhere else in a message.
func TestReadCR(t *testing.T) {
	if got := tree(Read([]byte("Content-Type: multipart/mixed; boundary=b\r\r--b\r\rone\r--b--\r"))); got != "multipart/mixed\n text/plain \"one\"\n" {
		t.Error(got)
	}
}

func TestHeaderCharset(t *testing.T) {
	h := ParseHeader([]byte("Subject: =?koi8-r?B?8M/e1ME=?= =?x-none?q?=fc?=\n"))
	if got := h.Get("Subject"); got != "Почтаü" {
		t.Errorf("%q", got)
	}
}

func TestHeader(t *testing.T) {
	h := ParseHeader([]byte("A: one\n  two\n\tthree\nB :=?utf-8?q?=C3=BC?=\nnonsense\n: x\nC: =?x?=\na: four\nReceived: from x by y with ESMTP id 4jcB5J3KD5z1TL3N for z\nReceived: by y (Postfix, from userid 0)\n\tid ABCDEF1234; Sat\n"))
	if h.Get("a") != "one two three" || h.Get("b") != "ü" || h.Get("c") != "=?x?=" || len(h.All("A")) != 2 || h.Get("D") != "" || len(h) != 6 {
		t.Errorf("%q", h)
	}
	if ids := h.ReceivedIDs(); len(ids) != 2 || ids[0] != "4jcB5J3KD5z1TL3N" || ids[1] != "ABCDEF1234" {
		t.Errorf("ids %q", ids)
	}
}

func TestGroups(t *testing.T) {
	groups := Groups([]byte("\nA: 1\nB: 2\n \t\nC: 3\n\n\n\nD: 4"), 10)
	if len(groups) != 3 || groups[0].Get("b") != "2" || groups[2].Get("d") != "4" {
		t.Errorf("%q", groups)
	}
	if groups := Groups([]byte(strings.Repeat("A: 1\n\n", 100)), 10); len(groups) != 10 {
		t.Errorf("%d groups", len(groups))
	}
}

func TestBounds(t *testing.T) {
	deep := strings.Repeat("Content-Type: message/rfc822\n\n", 1000)
	depth := 0
	for p := Read([]byte(deep)); len(p.Parts) > 0; p = p.Parts[0] {
		depth++
	}
	if depth > maxDepth {
		t.Errorf("%d deep", depth)
	}
	wide := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: message/rfc822\n\nA: b\n\nc\n", 5000)
	n := 0
	Read([]byte(wide)).Each(func(*Part) { n++ })
	if n > maxParts+1 {
		t.Errorf("%d parts", n)
	}
	long := Read([]byte("A: " + strings.Repeat("x\n y", 1<<20) + "\n" + strings.Repeat("B: c\n", 100000) + "\nbody"))
	if len(long.Header) > maxFields || len(long.Header.Get("A")) > maxValue {
		t.Errorf("%d fields, %d octets", len(long.Header), len(long.Header.Get("A")))
	}
	if text := Read([]byte("\n" + strings.Repeat("x", 1<<20))).Text(); len(text) > maxText {
		t.Errorf("%d octets of text", len(text))
	}
}

// The parts of messages that the standard library can read are those that it reads.
func TestAgainstStandardLibrary(t *testing.T) {
	message := "Content-Type: multipart/mixed; boundary=\"a b'()+_,-./:=?\"\r\n\r\npreamble\r\n--a b'()+_,-./:=?\r\nX: 1\r\n\r\none\r\n\r\n--a b'()+_,-./:=?  \r\n\r\n\r\n--a b'()+_,-./:=?\r\n\r\n--a b'()+_,-./:=\r\n--a b'()+_,-./:=?--\r\nepilogue"
	m, err := mail.ReadMessage(strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	p := Read([]byte(message))
	r := multipart.NewReader(m.Body, p.Params["boundary"])
	for i := 0; ; i++ {
		part, err := r.NextRawPart()
		if err == io.EOF {
			if i != len(p.Parts) {
				t.Errorf("%d parts, not %d", len(p.Parts), i)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Parts[i].Body, want) {
			t.Errorf("part %d is %q, not %q", i, p.Parts[i].Body, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nA: b\n\nc\n--b--\n"))
	f.Add([]byte("Content-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGI+YTwvYj4="))
	f.Add([]byte("A: =?utf-8?q?=C3=BC?=\n b\n\nx"))
	f.Fuzz(func(t *testing.T, message []byte) {
		n := 0
		Read(message).Each(func(p *Part) {
			n++
			if len(p.Header) > maxFields {
				t.Errorf("%d fields", len(p.Header))
			}
			p.Text()
			Groups(p.Decoded(), 100)
		})
		if n > maxParts+1 {
			t.Errorf("%d parts", n)
		}
	})
}
