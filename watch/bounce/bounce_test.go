package bounce

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pratique/watch/parts"
	"pratique/watch/reason"
)

var update = flag.Bool("update", false, "write the golden file anew")

// describe tells of a report what others make use of.
func describe(r *Report) string {
	if r == nil {
		return "no report\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %q, queue id %q, envelope id %q, message id %q, sent to %q\n", r.Form, r.ReportingMTA, r.QueueID, r.EnvelopeID, r.MessageID, r.SentTo)
	for _, rcpt := range r.Recipients {
		fmt.Fprintf(&b, "  %s %s (final %s) at %q: %s %s %q\n", rcpt.Action, rcpt.Address(), rcpt.Final, rcpt.RemoteMTA, rcpt.Status,
			reason.Of(rcpt.Status, rcpt.Diagnostic).Key(), reason.Anonymous(rcpt.Diagnostic))
	}
	return b.String()
}

// Every form, in testdata. Those of Postfix, sendmail, Exim (exim_dsn*, exim_list and
// exim_unrouteable: 4.96), OpenSMTPD (opensmtpd_dsn: 6.8) and dma (0.13) are as the programs
// wrote them, in front of a server that refuses, with other names. The rest is written
// after what others show of theirs. Lines that end in CRLF say the same.
func TestForms(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, file := range files {
		message, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		said := describe(Parse(parts.Read(message)))
		fmt.Fprintf(&got, "%s\n%s\n", name, said)
		crlf := []byte(strings.ReplaceAll(string(message), "\n", "\r\n"))
		if other := describe(Parse(parts.Read(crlf))); other != said {
			t.Errorf("%s with CRLF:\n%swithout:\n%s", name, other, said)
		}
		if none := strings.HasPrefix(name, "none_"); none != (said == describe(nil)) {
			t.Errorf("%s: %s", name, said)
		}
	}
	const golden = "testdata/golden.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("differs from %s (-update writes it); got\n%s", golden, got.String())
	}
}

// Cut off anywhere, a report says less, and nothing else.
func TestCutOff(t *testing.T) {
	message, err := os.ReadFile("testdata/postfix.eml")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(message); n += 7 {
		r := Parse(parts.Read(message[:n]))
		if r != nil && len(r.Recipients) > 2 {
			t.Fatalf("cut after %d octets it has %d recipients", n, len(r.Recipients))
		}
	}
}

func TestManyRecipients(t *testing.T) {
	group := "Final-Recipient: rfc822; a@example.net\nAction: failed\nStatus: 5.1.1\n\n"
	message := "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n" + strings.Repeat(group, 5000) + "--b--\n"
	if r := Parse(parts.Read([]byte(message))); len(r.Recipients) > maxRecipients+1 || len(r.Recipients) < maxRecipients {
		t.Errorf("%d recipients", len(r.Recipients))
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		message, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		r := Parse(parts.Read(message))
		if r == nil {
			return
		}
		if len(r.Recipients) == 0 || len(r.Recipients) > maxRecipients+1 {
			t.Errorf("%d recipients", len(r.Recipients))
		}
		for _, rcpt := range r.Recipients {
			if rcpt.Action == "" || rcpt.Address() == "" {
				t.Errorf("%+v", rcpt)
			}
		}
	})
}
