package harness

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Letter returns a plain message that nobody can find fault with: from
// sender@example.org to recipient@example.net, dated now. The subject is one
// word, and unique if the message is to be told from others.
func Letter(subject string) []byte {
	return crlf(letterHeader(subject) +
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\n" +
		"Good day,\n\nthis is the letter " + subject + ".\n.A line with a leading dot, \n\nand trailing empty lines.\n\n\n")
}

// WithAttachment returns a well formed multipart message with a base64 attachment.
func WithAttachment(subject, name string, content []byte) []byte {
	return crlf(letterHeader(subject) + `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

This is a message in MIME format.
--outer
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Good day, the figures are attached. Gr=C3=BC=C3=9Fe.
--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<html><body>
<p>Good day, the figures are attached. Gr=C3=BC=C3=9Fe.</p>
</body></html>
--inner--

--outer
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="` + name + "\"\n\n" + base64Lines(content) + "--outer--\n")
}

// BrokenMIME returns a message that says it is multipart and has no boundary.
func BrokenMIME(subject string) []byte {
	return crlf(letterHeader(subject) + "MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n" +
		"--where\nContent-Type: text/plain\n\nWhich part is this?\n--where--\n")
}

func letterHeader(subject string) string {
	return fmt.Sprintf("From: \"The Sender\" <sender@example.org>\nTo: recipient@example.net\nSubject: %s\nDate: %s\nMessage-ID: <%s@example.org>\n",
		subject, time.Now().Format(time.RFC1123Z), subject)
}

func base64Lines(content []byte) string {
	const width = 76 // RFC 2045 6.8
	text := base64.StdEncoding.EncodeToString(content)
	var lines strings.Builder
	for len(text) > 0 {
		n := min(width, len(text))
		lines.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	return lines.String()
}

func crlf(text string) []byte { return []byte(strings.ReplaceAll(text, "\n", "\r\n")) }
