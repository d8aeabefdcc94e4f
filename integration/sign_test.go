package integration

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// oddLetter has a header that canonicalization must get right: folding, tabs,
// runs of white space, nothing after the colon, mixed case; and a body with
// white space at line ends and empty lines at its end.
func oddLetter(subject string) []byte {
	_, body, _ := bytes.Cut(harness.Letter(subject), []byte("\r\n\r\n"))
	head, _, _ := bytes.Cut(harness.Letter(subject), []byte("\r\n\r\n"))
	odd := "\r\nX-Folded: one\r\n  two\r\n\tthree  \r\nreply-to:sender@example.org\r\nX-Empty:\r\n" +
		"In-Reply-To:   <first@example.org>\t\r\nReferences: <zero@example.org>\r\n <first@example.org>\r\n\r\n"
	return slices.Concat(head, []byte(odd), body, []byte("tab\t \r\n \r\n\r\n\r\n"))
}

func TestSignatures(t *testing.T) {
	for _, canonicalization := range []string{"relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed"} {
		t.Run(canonicalization, func(t *testing.T) {
			c := tables{signing: signingKeys.TOML(fmt.Sprintf("canonicalization = %q", canonicalization))}
			w := newWorld(t, c, harness.SinkOptions{EightBitMIME: true})
			t.Run("postfix unix", func(t *testing.T) { w.on(t).signs(w.postfix(w.overUnix()).Addr()) })
			t.Run("postfix tcp", func(t *testing.T) { w.on(t).signs(w.postfix(w.overTCP()).Addr()) })
			t.Run("sendmail", func(t *testing.T) { w.on(t).signs(w.sendmail().Addr()) })
		})
	}
}

// signs sends several messages in one session, as a mail program does, and has
// every one verified as it arrived.
func (w *world) signs(addr string) {
	w.Helper()
	c, err := harness.Dial(w.ctx, addr, "")
	started(w.T, c, err)
	unique := func(name string) string { return fmt.Sprintf("%s-%d", name, len(w.sink.Deliveries())) }
	for _, letter := range []struct {
		subject string
		data    func(subject string) []byte
	}{
		{"first", harness.Letter},
		{"second", harness.Letter},
		{"attached", func(s string) []byte {
			return harness.WithAttachment(s, "figures.csv", bytes.Repeat([]byte("1;2;3\r\n"), 20_000))
		}},
		{"odd", oddLetter},
		{"without-body", func(s string) []byte {
			head, _, _ := bytes.Cut(harness.Letter(s), []byte("\r\n\r\n"))
			return append(head, "\r\n\r\n"...)
		}},
	} {
		subject := unique(letter.subject)
		answer, err := c.Send(mail(letter.data(subject)))
		if err != nil || !answer.Accepted() {
			w.Errorf("%s: answered %s, %v", subject, answer, err)
			continue
		}
		w.verifies(w.delivered(subject))
	}
}

// on returns the world as a subtest sees it.
func (w *world) on(t *testing.T) *world {
	sub := *w
	sub.T = t
	return &sub
}

// What lint mends is mended before it is signed.
func TestMendedMessagesVerify(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	// Left to itself, Postfix would add what is missing before the milter sees it, and drop Bcc.
	p := w.postfix(w.overUnix(), "local_header_rewrite_clients", "", "message_drop_headers", "")
	t.Run("postfix", func(t *testing.T) { w.on(t).mends(p.Addr(), "mended-by-postfix") })
	t.Run("sendmail", func(t *testing.T) { w.on(t).mends(w.on(t).sendmail().Addr(), "mended-by-sendmail") })
}

func (w *world) mends(addr, subject string) {
	w.Helper()
	w.accepts(addr, mail([]byte("From: sender@example.org\r\nTo: recipient@example.net\r\nBcc: secret@example.net\r\n"+
		"Subject: "+subject+"\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\ntext\r\n")))
	d := w.delivered(subject)
	head, _, _ := bytes.Cut(d.Data, []byte("\r\n\r\n"))
	for name, want := range map[string]int{"Message-ID": 1, "Date": 1, "MIME-Version": 1, "Bcc": 0} {
		if got := bytes.Count(bytes.ToLower(head), []byte("\r\n"+strings.ToLower(name)+":")); got != want {
			w.Errorf("%d fields %s; expected %d:\n%s", got, name, want, head)
		}
	}
	w.verifies(d)
}
