package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"pratique/integration/harness"
	"pratique/scanning/clamdtest"
)

// step is messages to send and the answer that each of them must get.
type step struct {
	what string
	why  string
	from string // the client's address
	mail harness.Mail
	want []want
}

type want struct {
	to   string // the command that is answered: MAIL, or "." for the message
	code int
	text string // in the answer
}

// goodSubject is the message that is shown and verified when it was delivered.
const goodSubject = "figures"

func steps() []step {
	mail := func(from string, data []byte) harness.Mail {
		return harness.Mail{From: from, To: []string{"recipient@example.net"}, Data: data}
	}
	accepted := want{".", 250, "queued as"}
	limited := want{".", 451, ""}
	figures := bytes.Repeat([]byte("2026;11;24;1013.25;8.5\r\n"), 200)
	return []step{
		{
			what: "a good multipart message with an attachment",
			why:  "admitted, well formed, clean, within its limit: signed and on its way",
			from: "127.0.0.1", mail: mail("sender@example.org", harness.WithAttachment(goodSubject, "figures.csv", figures)),
			want: []want{accepted},
		},
		{
			what: "the EICAR test file in a base64 attachment",
			why:  "clamd found it: refused for good, and never in the queue",
			from: "127.0.0.1", mail: mail("sender@example.org", harness.WithAttachment("infected", "report.dat", clamdtest.EICAR())),
			want: []want{{".", 554, clamdtest.EICARName}},
		},
		{
			what: "a message with broken MIME: multipart without a boundary",
			why:  "rule M01 (RFC 2046 5.1.1): no receiver could tell the parts",
			from: "127.0.0.1", mail: mail("sender@example.org", harness.BrokenMIME("broken")),
			want: []want{{".", 550, "M01"}},
		},
		{
			what: "a good message from 127.0.0.2, which is not on the allowlist",
			why:  "refused at MAIL: the message itself was never asked for",
			from: "127.0.0.2", mail: mail("sender@example.org", harness.Letter("stranger")),
			want: []want{{"MAIL", 550, "127.0.0.2"}},
		},
		{
			what: fmt.Sprintf("%d messages from one sender, whose limit is %d in an hour", limit+2, limit),
			why:  "over the limit: told to try again later, and not counted",
			from: "127.0.0.1", mail: mail("news@example.org", harness.Letter("news")),
			want: append(repeat(accepted, limit), repeat(limited, 2)...),
		},
	}
}

func repeat(w want, n int) []want {
	all := make([]want, n)
	for i := range all {
		all[i] = w
	}
	return all
}

// send sends the messages of a step one after the other and compares the answers.
func (d *demo) send(ctx context.Context, s step) error {
	d.line("sent", "%s", s.what)
	for i, want := range s.want {
		answer, err := harness.Send(ctx, d.postfix.Addr(), s.from, s.mail)
		if err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		d.line(label("answer", i), "%s", answered(answer))
		if answer.To != want.to || answer.Code != want.code || !strings.Contains(answer.String(), want.text) {
			return fmt.Errorf("%s: expected %d %q in answer to %s", s.what, want.code, want.text, want.to)
		}
	}
	d.line("why", "%s", s.why)
	d.blank()
	return nil
}

// label labels the first of several lines.
func label(text string, i int) string {
	if i > 0 {
		return ""
	}
	return text
}

func answered(a harness.Answer) string {
	to := a.To
	if to == "." {
		to = "the message"
	}
	return fmt.Sprintf("%s (to %s)", a.Reply, to)
}
