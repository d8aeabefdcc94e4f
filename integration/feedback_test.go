package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pratique/integration/harness"
	"pratique/journal"
	"pratique/watch"
)

// A message that a real receiver refuses comes back as a bounce of a real Postfix:
// handed to ingest, and followed in the log, it counts once, joined with the journal.
func TestFeedback(t *testing.T) {
	log := filepath.Join(tempDir(t), "mail.log")
	box := maildir(t)
	w := newWorld(t, tables{rates: "[watch]\nqueue = \"off\"\nlog = \"" + log + "\"\nmaildir = \"" + box + "\""},
		harness.SinkOptions{Refuse: func(addr string) string {
			if strings.HasPrefix(addr, "nobody@") {
				return "550 5.1.1 no such user"
			}
			return ""
		}})
	p := w.postfix(w.overUnix(), "maillog_file", log, "maillog_file_prefixes", filepath.Dir(log))
	returned := w.bounce(p, "comes-back")
	w.accepts(p.Addr(), mail(harness.Letter("arrives")))
	w.delivered("arrives")

	known := bytes.Split(returned.Data, []byte("X-Postfix-Queue-ID: "))
	if len(known) < 2 {
		t.Fatalf("the bounce tells no queue id:\n%s", returned.Data)
	}
	queueID, _, _ := strings.Cut(string(known[1]), "\r\n")
	var records []journal.Record
	w.why(&records, queueID)

	ingest := exec.CommandContext(w.ctx, binary, "ingest", "--config", w.pratique.Config(), "-v")
	ingest.Stdin = bytes.NewReader(returned.Data)
	said, err := ingest.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "dsn, of 1 recipient (1 certain)") {
		t.Fatalf("ingest: %v: %s", err, said)
	}

	// A recipient complains: the MTA puts that into the Maildir.
	complaint := strings.ReplaceAll(feedbackReport, "MESSAGE-ID", records[0].MessageID)
	if err := os.WriteFile(filepath.Join(box, "new", "1.host"), []byte(complaint), 0o600); err != nil {
		t.Fatal(err)
	}

	// The daemon counts what was sent, the bounce too, and reads the log, within seconds.
	var r watch.Report
	for r.Sent.Messages < 3 || len(r.Deliveries) < 2 || r.Deliveries[0].Sent < 1 || r.Deliveries[0].Bounced < 1 || r.Complaints.Certain < 1 {
		w.pause("the daemon has not told yet: " + w.does("feedback", "--config", w.pratique.Config()))
		if err := json.Unmarshal([]byte(w.does("feedback", "--config", w.pratique.Config(), "--json")), &r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(box, "cur", "1.host:2,S")); err != nil {
		t.Error(err)
	}
	if r.Bounces.Failed != 1 || r.Bounces.Unverified != 0 || r.Bounces.Classes["hard"] != 1 {
		t.Errorf("bounces %+v", r.Bounces)
	}
	if r.Senders[0].Key != "example.org" || r.Senders[0].Failed != 1 || r.Clients[0].Key != "127.0.0.1" || r.Receivers[0].Key != "example.net" {
		t.Errorf("by sender %+v, client %+v, receiver %+v", r.Senders, r.Clients, r.Receivers)
	}
	if r.Reasons[0].Key() != "hard/unknown_user 5.1.1" {
		t.Errorf("reasons %+v", r.Reasons)
	}
	text := w.does("feedback", "recipient", "--config", w.pratique.Config(), "nobody@example.net")
	w.says(text, "failed ", "queue id "+queueID)
	if strings.Count(text, "\n") != 1 {
		t.Errorf("it counts more than once: %s", text)
	}
}

// A domain whose mail Google has counts as Google, by what a real server of the DNS says.
func TestReceiversByMX(t *testing.T) {
	t.Parallel() // it waits, most of the time
	servers := zoneServers(t, 1)
	if err := servers[0].Publish(zoneOf(1, "firm.example.org. MX 1 aspmx.l.google.com.\nfirm.example.org. MX 10 mx.example.org.\n")); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, tables{rates: "[watch]\nqueue = \"off\"\nmx_lookups = true\n[dns]\nresolver = \"" + servers[0].Addr() + "\"\n"}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	m := mail(harness.Letter("to-a-firm"))
	m.To = []string{"somebody@firm.example.org"}
	w.accepts(p.Addr(), m)
	for r := w.feedback(); len(r.Receivers) != 1 || r.Receivers[0].Key != "google"; r = w.feedback() {
		w.pause(fmt.Sprintf("receivers %+v of %+v", r.Receivers, r.Sent))
	}
}

// maildir makes an empty Maildir.
func maildir(t *testing.T) string {
	t.Helper()
	dir := tempDir(t)
	for _, name := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// feedbackReport is a complaint that hides who complained.
const feedbackReport = `From: fbl@isp.example
To: fbl@example.org
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Example/1.0
Version: 1
Original-Rcpt-To: redacted@example.net
--b
Content-Type: text/rfc822-headers

Message-ID: <MESSAGE-ID>
--b--
`
