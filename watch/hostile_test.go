package watch

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// A message takes no more than its size is worth, whatever is in it. The largest one,
// of 25 MB, took 2 s at most; that it does not grow with the square shows with less.
func TestHostileIsQuick(t *testing.T) {
	const size = MaxMessage / 8
	fill := func(head, unit string) []byte {
		return []byte(head + strings.Repeat(unit, (size-len(head))/len(unit)))
	}
	const mailer = "From: MAILER-DAEMON@x.example\nSubject: Undelivered\n"
	s := &Store{key: make([]byte, keySize), now: time.Now}
	for name, message := range map[string][]byte{
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
		"many recipients": append(fill(mailer+"\n550 no\n", "<a@b.example>: x\n c@d.example\n")[:100<<10], "\nReceived: x\n"+strings.Repeat("To: c@d.example\n", 500)...),
		"feedback":        fill(mailer+"Content-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"),
		"statuses":        fill(mailer+"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n", "Final-Recipient: rfc822;a@b.example\nDiagnostic-Code: x; 1\n\n"),
		"text parts":      fill(mailer+"Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nThis is the qmail-send program "+strings.Repeat("<a@b.example>: x ", 6000)+"\n"),
		"xml":             fill("Content-Type: text/xml\n\n<feedback>", "<record><row></row></record>"),
		"json":            fill("Content-Type: application/json\n\n{\"policies\":[", "{},"),
		"quoted":          fill(mailer+"Content-Transfer-Encoding: quoted-printable\n\n", "=41=\n"),
		"base64":          fill(mailer+"Content-Transfer-Encoding: base64\n\n", "QUJD\n"),
	} {
		began := cpu(t)
		s.understand(message)
		if took := cpu(t) - began; took > hostileBound {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// hostileBound is of the CPU, on any machine, with the race detector, too.
const hostileBound = 20 * time.Second

// cpu returns the time of the CPU that this process used: others may want it as well.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
