package integration

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pratique/integration/harness"
	"pratique/signing/verifytest"
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
	for _, c := range []struct {
		canonicalization string
		everywhere       bool // not over Postfix and a Unix socket only
	}{
		{"relaxed/relaxed", true}, {"simple/simple", true}, {"relaxed/simple", false}, {"simple/relaxed", false},
	} {
		t.Run(c.canonicalization, func(t *testing.T) {
			signing := signingKeys.TOML(fmt.Sprintf("canonicalization = %q", c.canonicalization))
			w := newWorld(t, tables{signing: signing}, harness.SinkOptions{EightBitMIME: true})
			odd := verifytest.All()
			if strings.HasPrefix(c.canonicalization, "simple/") {
				odd = forAnySpacing()
			}
			t.Run("postfix unix", func(t *testing.T) { w.on(t).signs(w.postfix(w.overUnix()).Addr(), odd) })
			if c.everywhere {
				t.Run("postfix tcp", func(t *testing.T) { w.on(t).signs(w.postfix(w.overTCP()).Addr(), odd) })
				t.Run("sendmail", func(t *testing.T) { w.on(t).signs(w.sendmail().Addr(), odd) })
			}
		})
	}
}

// signs sends several messages in one session, as a mail program does, and has
// every one verified as it arrived; the one with odd spacing by these verifiers.
func (w *world) signs(addr string, odd []verifytest.Verifier) {
	w.Helper()
	c, err := harness.Dial(w.ctx, addr, "")
	started(w.T, c, err)
	attached := func(s string) []byte {
		return harness.WithAttachment(s, "figures.csv", bytes.Repeat([]byte("1;2;3\r\n"), 20_000))
	}
	withoutBody := func(s string) []byte {
		head, _, _ := bytes.Cut(harness.Letter(s), []byte("\r\n\r\n"))
		return append(head, "\r\n\r\n"...)
	}
	for _, letter := range []struct {
		name      string
		data      func(subject string) []byte
		verifiers []verifytest.Verifier
	}{
		{"first", harness.Letter, verifytest.All()},
		{"second", harness.Letter, verifytest.All()},
		{"attached", attached, verifytest.All()},
		{"odd", oddLetter, odd},
		{"without-body", withoutBody, verifytest.All()},
	} {
		w.Run(letter.name, func(t *testing.T) {
			w := w.on(t)
			subject := fmt.Sprintf("%s-%d", letter.name, len(w.sink.Deliveries())) // unique in this sink
			answer, err := c.Send(mail(letter.data(subject)))
			if err != nil || !answer.Accepted() {
				t.Fatalf("answered %s, %v", answer, err)
			}
			w.verifiedBy(letter.verifiers, w.delivered(subject))
		})
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
		if want > 0 && !signedFields(head, name) {
			w.Errorf("%s was added and is not signed:\n%s", name, head)
		}
	}
	w.verifies(d)
}

// signedFields reports whether every DKIM-Signature names the field in its h= tag (RFC 6376 3.5).
func signedFields(head []byte, name string) bool {
	tags := signedTag.FindAllSubmatch(head, -1)
	for _, tag := range tags {
		names := strings.Split(string(bytes.Join(bytes.Fields(tag[1]), nil)), ":")
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return false
		}
	}
	return len(tags) > 0
}

var signedTag = regexp.MustCompile(`[;\s]h=([^;]+);`)
