package survival

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"slices"
	"strings"
	"testing"

	"pratique/message"
)

func mends(o *Options) { o.Mend = true }

// leaves plays a message from example.org through the checks and returns it as it
// leaves: fields from Subject on, empty line, body.
func leaves(t testing.TB, opts Options, m *message.Message, text string) string {
	t.Helper()
	var body bytes.Buffer
	if err := message.Play(t.Context(), newChain(t, opts, "relaxed/relaxed"), m, strings.NewReader(text), &body); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	m.Header.WriteTo(&b)
	b.WriteString("\r\n")
	if m.NewBody != nil {
		body = *bytes.NewBuffer(m.NewBody)
	}
	b.Write(body.Bytes())
	_, rest, _ := strings.Cut(b.String(), "Subject: x\r\n")
	return rest
}

func TestMending(t *testing.T) {
	const umlaut = "Gr\u00fc\u00dfe = \r\n"
	const quoted = "Gr=C3=BC=C3=9Fe =3D=20\r\n"
	const mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
	const start = "From: a@example.org\r\nSubject: x\r\n"
	long := strings.Repeat("x", 1200)
	soft := strings.TrimSuffix(strings.Repeat(strings.Repeat("x", 75)+"=\r\n", 16), "=\r\n")
	encoded := base64.StdEncoding.EncodeToString([]byte(long))
	var wrapped strings.Builder
	for piece := range slices.Chunk([]byte(encoded), 76) {
		fmt.Fprintf(&wrapped, "%s\r\n", piece)
	}
	for name, c := range map[string]struct {
		text, want string
		told       []string
	}{
		"a text": {"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + umlaut,
			"MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted,
			[]string{"fix S02 body: text/plain as quoted-printable"}},
		"a long line": {"\r\nshort\r\n" + long + "\r\n",
			"Content-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\r\nshort\r\n" + soft + "\r\n",
			[]string{"fix S01 body: text/plain as quoted-printable"}},
		"an image": {"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff\xfe\r\n",
			"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n//4NCg==\r\n",
			[]string{"fix S02 body: image/png as base64"}},
		"declared in vain": {"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\nASCII\r\n",
			"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\r\nASCII\r\n",
			[]string{"fix S02 body: text/plain as 7bit"}},
		"parts": {mixed + "Content-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding:\r\n 8bit\r\nX: y\r\n\r\n" + umlaut +
			"\r\n--b  \r\n\r\n" + long + "\r\n--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded + "\r\n--b--\r\nepilogue\r\n",
			mixed + "Content-Transfer-Encoding: 7bit\r\n\r\npreamble\r\n--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\nX: y\r\n\r\n" + quoted +
				"\r\n--b  \r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + soft +
				"\r\n--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrapped.String() + "--b--\r\nepilogue\r\n",
			[]string{"fix S02 1: text/html as quoted-printable", "fix S01 2: text/plain as quoted-printable", "fix S01 3: application/x as base64"}},
		"nested": {mixed + "\r\n--b\r\nContent-Type: multipart/alternative; boundary=\"i\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--i\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
			umlaut + "--i--\r\n--b--\r\n",
			mixed + "\r\n--b\r\nContent-Type: multipart/alternative; boundary=\"i\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n--i\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
				strings.TrimSuffix(quoted, "\r\n") + "\r\n--i--\r\n--b--\r\n",
			[]string{"fix S02 1.1: text/plain as quoted-printable"}},
		// What can't be mended stays as it is, and is told.
		"a forwarded message beside": {mixed + "\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + umlaut + "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: y\r\n\r\n" +
			umlaut + "--b--\r\n",
			mixed + "\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted + "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: y\r\n\r\n" +
				umlaut + "--b--\r\n",
			[]string{"fix S02 1: text/plain as quoted-printable", "warn S02 2 line 7: message/rfc822, declared 8bit"}},
	} {
		m := &message.Message{Sender: "a@example.org"}
		if got := leaves(t, with(mends), m, start+c.text); got != c.want {
			t.Errorf("%s leaves as\n%q, want\n%q", name, got, c.want)
		}
		if got := told(m); !slices.Equal(got, c.told) {
			t.Errorf("%s: told %q, want %q", name, got, c.told)
		}
	}
}

// Nothing is mended in what bears another signature, what can be read in two ways,
// and what is not ours.
func TestNotMended(t *testing.T) {
	const eight = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
	const text = "\r\nGr\u00fc\u00dfe\r\n"
	const mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	const part = "--b\r\nContent-Transfer-Encoding: 8bit\r\n" + text
	for name, c := range map[string]string{
		"signed by another":    "DKIM-Signature: v=1\r\n" + eight + text,
		"sealed":               "ARC-Seal: i=1\r\n" + eight + text,
		"S/MIME":               "Content-Type: application/pkcs7-mime\r\n" + eight + text,
		"PGP/MIME":             strings.Replace(mixed, "mixed", "signed", 1) + part + "--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n",
		"signed further in":    mixed + part + "--b\r\nContent-Type: multipart/signed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n--i--\r\n--b--\r\n",
		"declared twice":       eight + "Content-Transfer-Encoding: 7bit\r\n" + text,
		"part declared twice":  mixed + strings.Replace(part, "--b\r\n", "--b\r\nContent-Transfer-Encoding: 7bit\r\n", 1) + "--b--\r\n",
		"another encoding":     "Content-Transfer-Encoding: x-uuencode\r\n\r\n" + strings.Repeat("x", 1200) + "\r\n",
		"not base64":           "Content-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("!", 1200) + "\r\n",
		"a bare CR":            eight + text + "a\rb\r\n",
		"not closed":           mixed + part,
		"no boundary":          "Content-Type: multipart/mixed\r\n" + eight + text,
		"a boundary and more":  mixed + part + "--bx\r\n--b--\r\n",
		"parts after the last": mixed + part + "--b--\r\n" + part + "--b--\r\n",
		"no header's end":      mixed + "--b\r\nContent-Transfer-Encoding: 8bit\r\n--b--\r\n",
		"no field":             mixed + "--b\r\nContent-Transfer-Encoding: 8bit\r\nnone\r\n" + text + "--b--\r\n",
		"a long preamble":      mixed + strings.Repeat("x", 1200) + "\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"a forwarded message":  mixed + "--b\r\nContent-Type: message/rfc822\r\n\r\n" + eight + text + "--b--\r\n",
		"too large":            eight + "\r\n" + strings.Repeat("Gr\u00fc\u00dfe\r\n", 1000),
	} {
		opts := with(mends)
		opts.MendMaxSize = 5000
		isNotMended(t, name, opts, &message.Message{Sender: "a@example.org"}, "From: a@example.org\r\nSubject: x\r\n"+c, 1)
	}
	const ordinary = "From: a@example.org\r\nSubject: x\r\n" + eight + text
	isNotMended(t, "mending is off", DefaultOptions(), &message.Message{}, ordinary, 1)
	isNotMended(t, "the MTA takes no body", with(mends), &message.Message{BodyFixed: true}, ordinary, 1)
	isNotMended(t, "unsigned", with(mends), &message.Message{}, strings.Replace(ordinary, ".org", ".net", 1), 0)
	isNotMended(t, "not 8bit", with(mends), &message.Message{}, strings.Replace(ordinary, "8bit", "7bit", 1), 0)
}

func isNotMended(t *testing.T, name string, opts Options, m *message.Message, text string, findings int) {
	t.Helper()
	_, want, _ := strings.Cut(text, "Subject: x\r\n")
	if got := leaves(t, opts, m, text); !strings.HasSuffix(text, got) || got != want && !strings.HasPrefix(name, "signed by") {
		t.Errorf("%s: leaves as %q", name, got)
	}
	if got := told(m); m.NewBody != nil || (len(got) > 0) != (findings > 0) || slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, fix) }) {
		t.Errorf("%s: told %q, new body %v", name, got, m.NewBody != nil)
	}
}

// FuzzMend holds that what is mended has the parts and the decoded content that it
// had, as package multipart reads them, and needs no further mending.
func FuzzMend(f *testing.F) {
	f.Add("text/plain", "8bit", []byte("Gr\u00fc\u00dfe\r\n"))
	f.Add("multipart/mixed; boundary=b", "8bit", []byte("x\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xff \r\n--b\r\n\r\n"+strings.Repeat("y", 120)+"\r\n--b--\r\nz"))
	f.Add("multipart/digest; boundary=b", "", []byte("--b\r\n\r\nA: "+strings.Repeat("y", 120)+"\r\n--b--\r\n"))
	f.Add("image/png", "base64", []byte(strings.Repeat("AAAA", 100)))
	f.Add("text/plain", "quoted-printable", []byte(strings.Repeat("=20", 100)))
	f.Fuzz(func(t *testing.T, contentType, encoding string, body []byte) {
		before := root{contentType, encoding}
		after, err := mend(before, body, minLineLimit)
		if err != nil {
			return
		}
		want, wantErr := contents(before, body)
		got, gotErr := contents(after.root, after.text)
		if !slices.Equal(got, want) || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%q %q %q\nbecame %q %q:\n%q, %v; want\n%q, %v", contentType, encoding, body, after.root.encoding, after.text, got, gotErr, want, wantErr)
		}
		if again, err := mend(after.root, after.text, minLineLimit); err != nil || !bytes.Equal(again.text, after.text) {
			t.Errorf("%q is mended once more, %v:\n%q\n%q", contentType, err, after.text, again.text)
		}
	})
}

// contents are the decoded leaves of a message, each with its type, as the standard library reads them.
func contents(r root, body []byte) ([]string, error) {
	mediaType, params, err := mime.ParseMediaType(r.contentType)
	if err == nil && strings.HasPrefix(mediaType, "multipart/") {
		var all []string
		for parts := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				return all, nil
			} else if err != nil {
				return all, err
			}
			content, err := io.ReadAll(p)
			if err != nil {
				return all, err
			}
			inner, err := contents(root{p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding")}, content)
			if err != nil {
				return all, err
			}
			all = append(all, inner...)
		}
	}
	var decoded io.Reader = bytes.NewReader(body)
	switch encoding := strings.ToLower(firstToken(r.encoding)); encoding {
	case "base64":
		blanks := strings.NewReplacer(" ", "", "\t", "") // which it does not ignore, against RFC 2045 6.8
		decoded = base64.NewDecoder(base64.StdEncoding, strings.NewReader(blanks.Replace(string(body))))
	case "quoted-printable":
		decoded = quotedprintable.NewReader(decoded)
	}
	content, err := io.ReadAll(decoded)
	return []string{mediaType + ": " + string(content)}, err
}

// BenchmarkHolding compares signing with and without mending, of mail that needs none.
func BenchmarkHolding(b *testing.B) {
	for _, mend := range []bool{false, true} {
		chain := newChain(b, with(func(o *Options) { o.Mend = mend }), "relaxed/relaxed")
		for _, size := range []int{10 << 10, 1000 << 10} {
			text := "From: a@example.org\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72)
			b.Run(fmt.Sprintf("%d KiB, mend %v", size>>10, mend), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					if err := message.Play(b.Context(), chain, &message.Message{}, strings.NewReader(text), nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
