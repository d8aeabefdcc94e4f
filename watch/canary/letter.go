package canary

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// markField is the header field that bears the token.
const markField = "X-Pratique-Canary"

// compose returns a message as applications send them: text and html, encoded,
// with nothing that a filter could object to.
func compose(o Options, token, host string, at time.Time) []byte {
	var b bytes.Buffer
	boundary := "canary-" + token
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("From: Canary <%s>", o.From)
	line("To: <%s>", o.To)
	line("Subject: Canary of %s", host)
	line("Date: %s", at.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	line("Message-ID: <canary.%s@%s>", token, domainOf(o.From))
	line("%s: %s", markField, token)
	line("Auto-Submitted: auto-generated")
	line("MIME-Version: 1.0")
	line("Content-Type: multipart/alternative; boundary=%q\r\n", boundary)
	for _, part := range []struct{ kind, text string }{
		{"plain", "This message tests the way of mail from %s.=20\r\nIt may be deleted: =C3=A4=C3=B6=C3=BC.\r\n"},
		{"html", "<!DOCTYPE html><html><body><p>This message tests the way of mail from %s.</p>\r\n<p>It may be deleted: =C3=A4=C3=B6=C3=BC.</p></body></html>\r\n"},
	} {
		line("--%s", boundary)
		line("Content-Type: text/%s; charset=utf-8", part.kind)
		line("Content-Transfer-Encoding: quoted-printable\r\n")
		fmt.Fprintf(&b, part.text, host)
	}
	line("--%s--", boundary)
	return b.Bytes()
}

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// send hands the message to the MTA, as an application on this host does, and returns its last reply.
func send(ctx context.Context, o Options, helo string, letter []byte) (reply string, err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", o.MTA)
	if err != nil {
		return "", err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c := smtp.NewClient(conn)
	defer c.Close()
	if err := c.Hello(helo); err != nil {
		return "", err
	}
	if err := c.Mail(o.From, nil); err != nil {
		return "", err
	}
	if err := c.Rcpt(o.To, nil); err != nil {
		return "", err
	}
	data, err := c.Data()
	if err != nil {
		return "", err
	}
	if _, err := data.Write(letter); err != nil {
		return "", err
	}
	answer, err := data.CloseWithResponse()
	if err != nil {
		return "", err
	}
	_ = c.Quit() // it is taken: what comes after that does not matter
	return answer.StatusText, nil
}
