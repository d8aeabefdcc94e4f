//go:build !race

// Regular expressions take minutes with the race detector.

package watch

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// A message takes no more than its size is worth, whatever is in it: 32 times the size
// takes 32 times as long, where quadratic work takes 1,024 times. The bound leaves room for
// a machine that is busy. The largest message, of 25 MB, took 2 s at most.
func TestHostileIsLinear(t *testing.T) {
	const size = 16 << 10
	s := &Store{key: make([]byte, keySize), now: time.Now}
	small, large := hostile(size), hostile(32*size)
	for name := range small {
		for tries := 2; ; tries-- {
			few, many := cpu(t, s, small[name]), cpu(t, s, large[name])
			if many <= max(300*few, 300*time.Millisecond) {
				break
			}
			if tries == 1 {
				t.Errorf("%s took %v, and %v at 32 times the size", name, few, many)
				break
			}
		}
	}
}

// hostile returns messages of about this size that are made to be slow.
func hostile(size int) map[string][]byte {
	fill := func(head, unit string) []byte {
		return []byte(head + strings.Repeat(unit, max(1, (size-len(head))/len(unit))))
	}
	const mailer = "From: MAILER-DAEMON@x.example\nSubject: Undelivered\n"
	return map[string][]byte{
		"delimiters":      fill(mailer+"Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\n"),
		"near delimiters": fill(mailer+"Content-Type: multipart/mixed; boundary=b\n\n", "--bx\n"),
		"nested":          fill(mailer, "Content-Type: multipart/mixed; boundary=b\n\n--b\n"),
		"messages":        fill(mailer, "Content-Type: message/rfc822\n\n"),
		"fields":          fill(mailer, "X: =?utf-8?q?=C3?=\n"),
		"folding":         fill(mailer+"X: x\n", " x\n"),
		"tags":            fill(mailer+"Content-Type: text/html\n\nthis is the qmail-send program", "<p><style>"),
		"recipients":      fill(mailer+"\nThis is the qmail-send program\n", "<a@b.example>:\nno\n\n"),
		"addresses":       fill(mailer+"To: ", "a@b.example,"),
		"own addresses":   fill(mailer, "To: "+strings.Repeat("a@b.example, ", 600)+"\n"),
		"many recipients": append(fill(mailer+"\n550 no\n", "<a@b.example>: x\n c@d.example\n"), "\nReceived: x\n"+strings.Repeat("To: c@d.example\n", 500)...),
		"feedback":        fill(mailer+"Content-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"),
		"statuses":        fill(mailer+"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n", "Final-Recipient: rfc822;a@b.example\nDiagnostic-Code: x; 1\n\n"),
		"text parts":      fill(mailer+"Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nThis is the qmail-send program "+strings.Repeat("<a@b.example>: x ", 6000)+"\n"),
		"xml":             fill("Content-Type: text/xml\n\n<feedback>", "<record><row></row></record>"),
		"json":            fill("Content-Type: application/json\n\n{\"policies\":[", "{},"),
		"quoted":          fill(mailer+"Content-Transfer-Encoding: quoted-printable\n\n", "=41=\n"),
		"base64":          fill(mailer+"Content-Transfer-Encoding: base64\n\n", "QUJD\n"),
	}
}

// cpu returns the time of the processor that reading a message took: on a machine that is
// busy the clock would tell more of others.
func cpu(t *testing.T, s *Store, message []byte) time.Duration {
	t.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := used()
	s.understand(message)
	return used() - began
}
