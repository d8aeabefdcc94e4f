package lint

import (
	"bytes"
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"pratique/message"
)

// benchBody is what a benchmark sends: header fields and a body of about a size.
type benchBody struct {
	name   string
	fields string
	body   []byte
}

const benchHeader = "Received: from client.example.org (client.example.org [192.0.2.1])\r\n\tby mail.example.org with ESMTPSA id 4X;\r\n\tMon, 02 Jun 2025 10:00:00 +0200\r\n" +
	"From: Ann Example <ann@example.org>\r\nTo: Bob Example <bob@example.net>\r\nSubject: Greetings\r\n" +
	"Date: Mon, 02 Jun 2025 10:00:00 +0200\r\nMessage-ID: <20250602080000.1234@example.org>\r\nMIME-Version: 1.0\r\n"

func lines(line string, size int) []byte {
	return bytes.Repeat([]byte(line+"\r\n"), size/(len(line)+2)+1)
}

func attachment(mediaType string, size int) benchBody {
	var b bytes.Buffer
	b.WriteString("--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: " + mediaType + "\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	data := make([]byte, 57)
	for i := range data {
		data[i] = byte(i * 37)
	}
	b.Write(lines(base64.StdEncoding.EncodeToString(data), size))
	b.WriteString("--b--\r\n")
	return benchBody{fields: "Content-Type: multipart/mixed; boundary=b\r\n", body: b.Bytes()}
}

func benchBodies(tb testing.TB) []benchBody {
	const mib = 1 << 20
	text := strings.Repeat("plain text, ", 6)
	all := []benchBody{
		{name: "typical-2KiB", fields: "Content-Type: text/plain; charset=utf-8\r\n", body: lines(text, 2<<10)},
		{name: "text-1MiB", fields: "Content-Type: text/plain\r\n", body: lines(text, mib)},
		{name: "text-8bit-1MiB", fields: "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", body: lines(strings.Repeat("Grüße aus Köln, ", 4), mib)},
		{name: "html-qp-1MiB", fields: "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n", body: lines("<p style=3D\"color:red\">Gr=C3=BC=C3=9Fe aus K=C3=B6ln</p><p>und anderswo=", mib)},
		{name: "crlf-only-1MiB", fields: "", body: lines("", mib)},
		{name: "dashes-1MiB", fields: "Content-Type: multipart/mixed; boundary=b\r\n", body: append([]byte("--b\r\n\r\n--b--\r\n"), lines("--", mib)...)},
	}
	for _, a := range []struct {
		name, mediaType string
		size            int
	}{
		{"base64-1MiB", "application/pdf", mib},
		{"base64-25MiB", "application/pdf", 25 * mib},
	} {
		b := attachment(a.mediaType, a.size)
		b.name = a.name
		all = append(all, b)
	}
	for _, encoding := range []string{"quoted-printable", "8bit", "base64"} {
		all = append(all, newsletterMessage(tb, encoding, mib))
	}
	archive := attachment("application/zip", 0)
	archive.name = "zip-1MiB"
	names := strings.Fields(strings.Repeat("report.pdf ", mib/3000*3/4))
	archive.body = bytes.Replace(archive.body, []byte("\r\n--b--"), []byte("\r\n--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"+strings.Join(zipLines(tb, false, names...), "\r\n")+"\r\n--b--"), 1)
	return append(all, archive)
}

func BenchmarkLint(b *testing.B) {
	for _, bb := range benchBodies(b) {
		for _, clients := range [][]string{nil, {"gmail", "outlook", "apple-mail"}} {
			if clients != nil && !strings.HasPrefix(bb.name, "newsletter") {
				continue
			}
			b.Run(bb.name+strings.Repeat("+clients", min(len(clients), 1)), func(b *testing.B) {
				benchmarkBody(b, bb, clients)
			})
		}
	}
}

func benchmarkBody(b *testing.B, bb benchBody, clients []string) {
	l := newLint(b, Options{MaxSize: 1 << 30, Clients: clients})
	header := fieldsOf(benchHeader + bb.fields)
	b.SetBytes(int64(len(bb.body)))
	b.ReportAllocs()
	for b.Loop() {
		m := &message.Message{Sender: "ann@example.org"}
		for _, f := range header {
			m.Header.Receive(f)
		}
		pass(b, l, m, bb.body)
	}
}

// fieldsOf splits a header with CRLF line ends into its fields.
func fieldsOf(header string) []message.Field {
	var fields []message.Field
	for rest := []byte(header); len(rest) > 0; {
		n := fieldLength(rest)
		name, value, _ := strings.Cut(string(rest[:n-2]), ":")
		fields = append(fields, message.NewField(name, value))
		rest = rest[n:]
	}
	return fields
}

// pass sends a message through l in chunks of 64 KiB, as an MTA does.
func pass(tb testing.TB, l *Lint, m *message.Message, body []byte) {
	inspector, err := l.Begin(context.Background(), m)
	if err == nil {
		err = inspector.Header()
	}
	for len(body) > 0 && err == nil {
		n := min(len(body), 64<<10)
		_, err = inspector.Write(body[:n])
		body = body[n:]
	}
	if err == nil {
		err = inspector.End()
	}
	if err != nil {
		tb.Fatal(err)
	}
	if err := inspector.Close(); err != nil {
		tb.Fatal(err)
	}
}
