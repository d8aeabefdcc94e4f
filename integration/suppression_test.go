package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pratique/integration/harness"
	"pratique/journal"
)

// bouncesTo has Postfix deliver what comes back to bounces@example.org into a
// Maildir, by its own virtual(8).
func bouncesTo(t *testing.T, box string) (master string, settings []string) {
	t.Helper()
	if err := os.Chmod(box, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.Chmod(filepath.Join(box, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return "virtual unix - n n - - virtual\n", []string{
		"transport_maps", "inline:{ bounces@example.org=virtual: }",
		"virtual_mailbox_base", filepath.Dir(box),
		"virtual_mailbox_maps", "inline:{ bounces@example.org=" + filepath.Base(box) + "/ }",
		"virtual_uid_maps", "static:65534", "virtual_gid_maps", "static:65534",
	}
}

// refuseSome refuses recipients by their names, as receivers do.
func refuseSome(to string) string {
	switch name, _, _ := strings.Cut(to, "@"); name {
	case "nobody", "gone", "Tom.Gone":
		return "550 5.1.1 no such user here"
	case "full":
		return "552 5.2.2 mailbox full"
	case "blocked":
		return "554 5.7.1 blocked using zen.spamhaus.org"
	case "later":
		return "451 4.3.0 try again later"
	}
	return ""
}

// A recipient that bounces for good is refused next time, once the configuration says
// so, and nobody else is: not who bounced for another reason, not who was named by a
// forged bounce, and not who stands in one message with others. The way is the whole
// one: a real receiver refuses, Postfix bounces into a Maildir, the daemon reads that.
func TestSuppression(t *testing.T) {
	t.Parallel() // it waits, most of the time
	box := maildir(t)
	watch := func(suppress string) string {
		return fmt.Sprintf("[watch]\nqueue = \"off\"\nmaildir = %q\nsuppress = %q\n", box, suppress)
	}
	c := tables{rates: watch("0s")}
	w := newWorld(t, c, harness.SinkOptions{Refuse: refuseSome})
	master, settings := bouncesTo(t, box)
	p := w.postfixWith(master, append(settings, "milter_default_action", "tempfail", "smtpd_milters", w.overUnix(), "non_smtpd_milters", w.overUnix())...)
	send := func(to ...string) harness.Answer {
		t.Helper()
		m := mail(harness.Letter("to-" + strings.ReplaceAll(strings.Join(to, "-"), "@", ".")))
		m.From, m.To = "bounces@example.org", to
		return w.send(p.Addr(), m)
	}
	bounces := func(n int) {
		t.Helper()
		for read := 0; read < n; w.pause(fmt.Sprintf("%d of %d bounces were read", read, n)) {
			entries, err := os.ReadDir(filepath.Join(box, "cur"))
			if err != nil {
				t.Fatal(err)
			}
			read = len(entries)
		}
	}
	accepts := func(to ...string) {
		t.Helper()
		if answer := send(to...); !answer.Accepted() {
			t.Fatalf("to %s: %s", to, answer)
		}
	}

	// Off: it bounces, and bounces again.
	accepts("nobody@example.net")
	bounces(1)
	accepts("nobody@example.net")
	bounces(2)

	c.rates = watch("1h")
	if err := w.pratique.Reload(w.ctx, c.toml()); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"nobody@example.net", "Tom.Gone@example.net", "full@example.net", "blocked@example.net", "later@example.net", "victim@example.net"} {
		accepts(to)
	}
	accepts("recipient@example.net") // who makes the forged bounce of it
	w.delivered("to-recipient.example.net")
	var records []journal.Record
	w.why(&records, "--last", "1")
	forge(t, box, notice("bounces@example.org", records[0].MessageID, "victim@example.net"))
	bounces(2 + 5)

	for answer := send("nobody@example.net"); answer.Accepted(); answer = send("nobody@example.net") {
		w.pause("the recipient is not refused")
	}
	w.refuses(send("nobody@example.net"), ".", 550, "5.1.1", "suppression: the recipient bounced for good before; not tried again until ")
	w.refuses(send("TOM.gone@example.NET"), ".", 550, "5.1.1", "suppression")
	for _, to := range []string{"full@example.net", "blocked@example.net", "later@example.net", "victim@example.net", "nobody+list@example.net", "nobody@example.com"} {
		accepts(to)
	}
	accepts("nobody@example.net", "recipient@example.net")
	w.why(&records, "--verdict", "refused", "--last", "1")
	if r := records[0]; r.DecidedBy != "suppression" || r.Reply == nil || !strings.Contains(r.Reply.Text, "bounced for good") {
		t.Errorf("on record is %+v", r)
	}
	w.says(w.does("why", "--config", w.pratique.Config(), records[0].QueueID), "refused by suppression: 550 5.1.1", "pratique feedback suppressed remove")

	w.says(w.does("feedback", "suppressed", "--config", w.pratique.Config()), "…@example.net", "hard/unknown_user 5.1.1", "no such user here")
	var listed []struct{ Domain string }
	if err := json.Unmarshal([]byte(w.does("feedback", "suppressed", "--json", "--config", w.pratique.Config())), &listed); err != nil || len(listed) != 2 {
		t.Errorf("%d are listed, %v", len(listed), err)
	}
	w.says(w.does("feedback", "suppressed", "remove", "--config", w.pratique.Config(), "tom.gone@example.net"), "let through again")
	for !send("Tom.Gone@example.net").Accepted() {
		w.pause("it is not let through")
	}
	w.refuses(send("nobody@example.net"), ".", 550, "suppression")

	// The time is over: the bounces are older than a second.
	c.rates = watch("1s")
	if err := w.pratique.Reload(w.ctx, c.toml()); err != nil {
		t.Fatal(err)
	}
	for !send("nobody@example.net").Accepted() {
		w.pause("the recipient is still refused")
	}
}

// postfixWith is postfix with further services.
func (w *world) postfixWith(master string, settings ...string) *harness.Postfix {
	w.Helper()
	o := harness.PostfixOptions{Relay: w.sink.Addr(), Master: master, Set: map[string]string{}}
	for i := 0; i < len(settings); i += 2 {
		o.Set[settings[i]] = settings[i+1]
	}
	p, err := harness.StartPostfix(w.ctx, tempDir(w.T), o)
	return started(w.T, p, err)
}

// forge puts a message into a Maildir that no MTA of ours made.
func forge(t *testing.T, box, message string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(box, "new", "0.forged"), []byte(message), 0o600); err != nil {
		t.Fatal(err)
	}
}

// notice is a bounce of a message, as a receiver would write it.
func notice(to, messageID, recipient string) string {
	return "From: MAILER-DAEMON@mx.example.net\nTo: " + to + "\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n" +
		"Final-Recipient: rfc822; " + recipient + "\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n" +
		"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <" + messageID + ">\n--b--\n"
}
