package integration

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/message"
	"pratique/signing"
	"pratique/signing/survival"
)

// survivalCorpus are messages that an MTA may change once they are signed.
func survivalCorpus() map[string]string {
	const plain = "From: sender@example.org\r\nTo: recipient@example.net\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@example.org>\r\n"
	const mime = plain + "MIME-Version: 1.0\r\n"
	const text = mime + "Content-Type: text/plain; charset=utf-8\r\n"
	const mixed = mime + "Content-Type: multipart/mixed; boundary=b\r\n"
	const umlaut = "Gr\u00fc\u00dfe\r\n"
	x := func(n int) string { return strings.Repeat("x", n) }
	part := func(header, body string) string { return "--b\r\n" + header + "\r\n" + body }
	const end = "--b--\r\n"
	corpus := map[string]string{
		"plain":                    text + "\r\nhello\r\n",
		"no MIME":                  plain + "\r\nhello\r\n",
		"no body":                  text + "\r\n",
		"no last line end":         text + "\r\nhello",
		"trailing blanks":          text + "\r\nhello  \t\r\n\r\n\r\n",
		"dots":                     text + "\r\n.\r\n..\r\n.x\r\n",
		"from line":                text + "\r\nFrom here\r\n",
		"8bit":                     text + "Content-Transfer-Encoding: 8bit\r\n\r\n" + umlaut,
		"8bit upper case":          text + "Content-Transfer-Encoding: 8BIT\r\n\r\n" + umlaut,
		"8bit in quotes":           text + "Content-Transfer-Encoding: \"8bit\"\r\n\r\n" + umlaut,
		"8bit with comment":        text + "Content-Transfer-Encoding: 8bit (eight)\r\n\r\n" + umlaut,
		"8bit comment first":       text + "Content-Transfer-Encoding: (eight) 8bit\r\n\r\n" + umlaut,
		"8bit and ASCII":           text + "Content-Transfer-Encoding: 8bit\r\n\r\nhello\r\n",
		"8bit without body":        text + "Content-Transfer-Encoding: 8bit\r\n\r\n",
		"8bit folded":              text + "Content-Transfer-Encoding:\r\n 8bit\r\n\r\n" + umlaut,
		"8bit twice":               text + "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + umlaut,
		"8bit first of two":        text + "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + umlaut,
		"8bit without version":     plain + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + umlaut,
		"8bit without type":        mime + "Content-Transfer-Encoding: 8bit\r\n\r\n" + umlaut,
		"binary":                   text + "Content-Transfer-Encoding: binary\r\n\r\n" + umlaut,
		"7bit that lies":           text + "Content-Transfer-Encoding: 7bit\r\n\r\n" + umlaut,
		"undeclared":               text + "\r\n" + umlaut,
		"unknown encoding":         text + "Content-Transfer-Encoding: x-uuencode\r\n\r\n" + umlaut,
		"quoted-printable":         text + "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n",
		"quoted-printable 8bit":    text + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + umlaut,
		"base64":                   text + "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n",
		"8bit header":              strings.Replace(text, "MIME-", "Comments: "+umlaut+"MIME-", 1) + "\r\nhello\r\n",
		"8bit html":                mime + "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>" + umlaut,
		"8bit image":               mime + "Content-Type: image/png\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xff\xfe\r\n",
		"part 8bit":                mixed + "\r\n" + part("Content-Transfer-Encoding: 8bit\r\n", umlaut) + end,
		"part 8bit ASCII":          mixed + "\r\n" + part("Content-Transfer-Encoding: 8bit\r\n", "hello\r\n") + end,
		"second part 8bit":         mixed + "\r\n" + part("", "hello\r\n") + part("Content-Transfer-Encoding: 8bit\r\n", umlaut) + end,
		"part 7bit that lies":      mixed + "\r\n" + part("", umlaut) + end,
		"multipart 8bit":           mixed + "Content-Transfer-Encoding: 8bit\r\n\r\n" + part("Content-Transfer-Encoding: 8bit\r\n", umlaut) + end,
		"multipart 8bit parts 7":   mixed + "Content-Transfer-Encoding: 8bit\r\n\r\n" + part("", "hello\r\n") + end,
		"multipart 7bit parts 8":   mixed + "Content-Transfer-Encoding: 7bit\r\n\r\n" + part("Content-Transfer-Encoding: 8bit\r\n", umlaut) + end,
		"multipart base64 parts 8": mixed + "Content-Transfer-Encoding: base64\r\n\r\n" + part("Content-Transfer-Encoding: 8bit\r\n", umlaut) + end,
		"8bit preamble":            mixed + "\r\n" + umlaut + part("", "hello\r\n") + end,
		"8bit epilogue":            mixed + "\r\n" + part("", "hello\r\n") + end + umlaut,
		"8bit preamble declared":   mixed + "Content-Transfer-Encoding: 8bit\r\n\r\n" + umlaut + part("", "hello\r\n") + end,
		"no boundary":              mime + "Content-Type: multipart/mixed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + umlaut,
		"boundary never":           mixed + "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + umlaut,
		"not closed":               mixed + "\r\n" + part("Content-Transfer-Encoding: 8bit\r\n", umlaut),
		"boundary prefix":          mixed + "\r\n" + "--bx\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + umlaut + end,
		"boundary padded":          mixed + "\r\n" + "--b  \r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + umlaut + end,
		"part header alone":        mixed + "\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n" + end,
		"nested 8bit": mixed + "\r\n" + part("Content-Type: multipart/alternative; boundary=i\r\n",
			"--i\r\n\r\nhello\r\n--i\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"+umlaut+"--i--\r\n") + end,
		"nested declared": mixed + "\r\n" + part("Content-Type: multipart/alternative; boundary=i\r\nContent-Transfer-Encoding: 8bit\r\n",
			"--i\r\n\r\nhello\r\n--i--\r\n") + end,
		"message 8bit":            mixed + "\r\n" + part("Content-Type: message/rfc822\r\n", "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"+umlaut) + end,
		"message declared":        mixed + "\r\n" + part("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n", "Subject: x\r\n\r\nhello\r\n") + end,
		"message both":            mixed + "\r\n" + part("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n", "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"+umlaut) + end,
		"message at top":          mime + "Content-Type: message/rfc822\r\n\r\nSubject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + umlaut,
		"message base64":          mixed + "\r\n" + part("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n", "aGVsbG8=\r\n") + end,
		"message base64 inner":    mixed + "\r\n" + part("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n", "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n") + end,
		"report inner":            mixed + "\r\n" + part("Content-Type: message/delivery-status\r\n", "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n") + end,
		"partial inner":           mixed + "\r\n" + part("Content-Type: message/partial; id=x; number=1\r\n", "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n") + end,
		"external inner":          mixed + "\r\n" + part("Content-Type: message/external-body; access-type=x\r\n", "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n") + end,
		"text inner":              mixed + "\r\n" + part("Content-Type: text/rfc822-headers\r\n", "Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n") + end,
		"body without empty line": mixed + "\r\n--b\r\nContent-Type: text/plain\r\nno field\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n" + end,
		"boundary in quotes":      mime + "Content-Type: multipart/mixed; charset=x; Boundary=\"b;\\\"c\"\r\n\r\n--b;\"c\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n--b;\"c--\r\n",
		"boundary after comment":  mime + "Content-Type: multipart/mixed (x); boundary=b (y)\r\n\r\n" + part("Content-Transfer-Encoding: 8bit\r\n", umlaut) + end,
		"boundary of text":        mime + "Content-Type: text/plain; boundary=b\r\n\r\n" + part("Content-Transfer-Encoding: 8bit\r\n", umlaut) + end,
		"after the end":           mixed + "\r\n" + part("", "hello\r\n") + end + part("Content-Transfer-Encoding: 8bit\r\n", umlaut),
		"999 spaces, then text":   text + "\r\nhello" + strings.Repeat(" ", 1200) + "\r\n\r\nworld\r\n",
		"999 spaces, then none":   text + "\r\nhello" + strings.Repeat(" ", 1200) + "\r\n \r\n\t\r\n",
		"1200 spaces alone":       text + "\r\n" + strings.Repeat(" ", 1200) + "\r\n",
		"998 and a space":         text + "\r\n" + x(998) + " \r\n",
		"a space at 999":          text + "\r\n" + x(998) + " x\r\n",
		"message global":          mixed + "\r\n" + part("Content-Type: message/global\r\n", "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"+umlaut) + end,
		"message partial":         mixed + "\r\n" + part("Content-Type: message/partial; id=x; number=1\r\nContent-Transfer-Encoding: 8bit\r\n", umlaut) + end,
		"delivery status":         mixed + "\r\n" + part("Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n", "Reporting-MTA: dns; x\r\n") + end,
		"digest":                  mime + "Content-Type: multipart/digest; boundary=b\r\n\r\n" + part("", "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"+umlaut) + end,
		"signed 8bit":             mime + "Content-Type: multipart/signed; boundary=b\r\n\r\n" + part("Content-Transfer-Encoding: 8bit\r\n", umlaut) + part("Content-Type: application/pgp-signature\r\n", "x\r\n") + end,
		"999 in preamble":         mixed + "\r\n" + x(999) + "\r\n" + part("", "hello\r\n") + end,
		"999 in epilogue":         mixed + "\r\n" + part("", "hello\r\n") + end + x(999) + "\r\n",
		"999 in part":             mixed + "\r\n" + part("", x(999)+"\r\n") + end,
		"999 in part header":      mixed + "\r\n" + part("X-Long: "+x(991)+"\r\n", "hello\r\n") + end,
		"999 in base64":           mixed + "\r\n" + part("Content-Transfer-Encoding: base64\r\n", x(1000)+"\r\n") + end,
		"999 in message":          mixed + "\r\n" + part("Content-Type: message/rfc822\r\n", "Subject: x\r\n\r\n"+x(999)+"\r\n") + end,
		"999 at the end":          text + "\r\nhello\r\n" + x(999),
		"999 dots":                text + "\r\n" + strings.Repeat(".", 998) + "\r\n",
		"999 spaces":              text + "\r\nhello" + strings.Repeat(" ", 1200) + "\r\n",
		"998 8bit octets":         text + "Content-Transfer-Encoding: 8bit\r\n\r\n" + strings.Repeat("\u00fc", 499) + "\r\n",
		"1000 8bit octets":        text + "Content-Transfer-Encoding: 8bit\r\n\r\n" + strings.Repeat("\u00fc", 500) + "\r\n",
		"long unsigned field":     plain + "X-Long: " + x(991) + "\r\n\r\nhello\r\n",
		"998 in field":            plain + "Subject-X: " + x(987) + "\r\n\r\nhello\r\n",
		"long signed field":       plain + "References: <" + x(1200) + "@example.org>\r\n\r\nhello\r\n",
		"long signed words":       plain + "Cc: " + strings.Repeat("someone@example.net, ", 60) + "a@example.net\r\n\r\nhello\r\n",
		"long folded field":       plain + "References: <" + x(600) + "@a>\r\n <" + x(600) + "@b>\r\n\r\nhello\r\n",
		"long space in field":     plain + "References: <a@b>" + strings.Repeat(" ", 1200) + "<c@d>\r\n\r\nhello\r\n",
	}
	for _, n := range []int{997, 998, 999, 1000, 2000, 2047, 2048, 2049, 4096, 100_000} {
		corpus[fmt.Sprintf("line of %d", n)] = text + "\r\n" + x(n) + "\r\nhello\r\n"
	}
	for name, m := range corpus {
		corpus[name] = fmt.Sprintf(strings.Replace(m, "From:", "Subject: "+subjectOf(name)+"\r\nFrom:", 1), subjectOf(name))
	}
	return corpus
}

func subjectOf(name string) string { return "survival-" + strings.ReplaceAll(name, " ", "-") }

func TestSurvival(t *testing.T) {
	for _, form := range []string{"relaxed/relaxed", "simple/simple"} {
		t.Run(form, func(t *testing.T) {
			w := newWorld(t, tables{
				signing: signingKeys.TOML(fmt.Sprintf("canonicalization = %q", form)),
				lint:    "[lint.rules]\n" + offRules,
			}, harness.SinkOptions{EightBitMIME: true})
			narrow, err := harness.StartSink(harness.SinkOptions{})
			started(t, narrow, err)
			host, port, _ := net.SplitHostPort(narrow.Addr())
			p := w.postfix(w.overUnix(), "transport_maps", fmt.Sprintf("inline:{narrow.example=smtp:[%s]:%s}", host, port))
			c, err := harness.Dial(w.ctx, p.Addr(), "")
			started(t, c, err)
			corpus := survivalCorpus()
			for name, m := range corpus {
				answer, err := c.Send(harness.Mail{From: "sender@example.org", To: []string{"a@example.net", "b@narrow.example"}, Data: []byte(m)})
				if err != nil || !answer.Accepted() {
					t.Fatalf("%s: answered %s, %v", name, answer, err)
				}
			}
			for name, m := range corpus {
				forecast := forecastOf(t, survival.DefaultOptions(), form, []byte(m))
				for hop, sink := range map[string]*harness.Sink{"8BITMIME": w.sink, "none": narrow} {
					if survives := w.survives(sink, name); survives != forecast[hop] {
						t.Errorf("%s, over a hop with %s: survives %v, the forecast was %v", name, hop, survives, forecast[hop])
					}
				}
			}
		})
	}
}

// forecastOf plays a message through the checks that mend, sign and forecast, and tells
// whether it is to survive a hop that offers 8BITMIME, and one that does not.
func forecastOf(t *testing.T, opts survival.Options, form string, data []byte) map[string]bool {
	t.Helper()
	keys := signing.DefaultOptions()
	keys.Canonicalization = form
	keys.Domains = []signing.Domain{{Domain: "example.org", Keys: []signing.Key{{Selector: harness.Ed25519Selector, File: signingKeys.Ed25519File}}}}
	signer, err := signing.New(keys, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := signing.ParseForm(form)
	if err != nil {
		t.Fatal(err)
	}
	mender, err := survival.NewMender(opts, parsed)
	if err != nil {
		t.Fatal(err)
	}
	forecaster, err := survival.New(opts, parsed)
	if err != nil {
		t.Fatal(err)
	}
	m := &message.Message{Sender: "sender@example.org"}
	chain := message.NewChain(message.Link{Check: mender}, message.Link{Check: signer}, message.Link{Check: forecaster})
	if err := message.Play(t.Context(), chain, m, bytes.NewReader(data), nil); err != nil {
		t.Fatal(err)
	}
	wide, narrow := true, true
	for _, f := range m.Findings {
		if f.Action == "fix" {
			continue
		}
		narrow = false
		wide = wide && f.Rule == survival.EightBit
	}
	return map[string]bool{"8BITMIME": wide, "none": narrow}
}

const offRules = `M01 = "off"
M03 = "off"
M05 = "off"
M06 = "off"
M09 = "off"
M10 = "off"
H17 = "off"
H22 = "off"
M04 = "off"
`

func (w *world) survives(sink *harness.Sink, name string) bool {
	w.Helper()
	d, err := sink.Await(w.ctx, "Subject: "+subjectOf(name)+"\r\n")
	if err != nil {
		w.Fatal(err)
	}
	results, err := signing.Verify(w.ctx, bytes.NewReader(d.Data), func(_ context.Context, name string) ([]string, error) {
		return []string{signingKeys.Records[name]}, nil
	})
	if err != nil || len(results) != 2 {
		w.Fatalf("%s: %d signatures, %v:\n%.2000s", name, len(results), err, d.Data)
	}
	if (results[0].Err == nil) != (results[1].Err == nil) {
		w.Errorf("%s: only one signature survives", name)
	}
	return results[0].Err == nil
}
