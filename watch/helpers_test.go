package watch

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/message"
	"pratique/watch/maillog"
)

// fakeJournal knows messages that left. The real one is in integration.
type fakeJournal []Sent

func (f fakeJournal) ByID(_ context.Context, id string) ([]Sent, error) {
	var found []Sent
	for _, s := range f {
		if s.QueueID == id || strings.EqualFold(s.MessageID, id) {
			found = append(found, s)
		}
	}
	return found, nil
}

func (f fakeJournal) BySender(_ context.Context, sender, to string, most int) ([]Sent, error) {
	var found []Sent
	for _, s := range f {
		if strings.EqualFold(s.Sender, sender) && (to == "" || slices.Contains(s.Domains, to)) && len(found) < most {
			found = append(found, s)
		}
	}
	return found, nil
}

// fixture is a store with a clock that stands.
type fixture struct {
	*testing.T
	*Store
	dir     string
	clock   time.Time
	journal fakeJournal
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, dir: t.TempDir(), clock: time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)}
	f.reopen()
	return f
}

func (f *fixture) reopen() {
	f.Helper()
	if f.Store != nil {
		f.check(f.Store.Close())
	}
	store, err := Open(f.T.Context(), f.dir, func() time.Time { return f.clock }, slog.New(slog.DiscardHandler))
	f.check(err)
	f.Store = store
	f.T.Cleanup(func() { store.Close() })
}

func (f *fixture) check(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// left has the journal know a message, and the counts too.
func (f *fixture) left(s Sent) {
	f.Helper()
	if s.ID == 0 {
		s.ID = int64(len(f.journal) + 1)
	}
	if s.At.IsZero() {
		s.At = f.clock.Add(-time.Minute)
	}
	f.journal = append(fakeJournal{s}, f.journal...)
}

// sent counts messages of one recipient each.
func (f *fixture) sent(n int, sender, recipient string, rules ...string) {
	f.Helper()
	c := NewCounter(f.now)
	for range n {
		m := &message.Message{Sender: sender, Recipients: []message.Recipient{{Addr: recipient}}}
		for _, rule := range rules {
			m.Report(message.Finding{Rule: rule})
		}
		c.Observe(m, message.Outcome{})
	}
	f.check(f.CountSent(f.T.Context(), c))
}

func (f *fixture) ingest(text string) Result {
	f.Helper()
	r, err := f.Ingest(f.T.Context(), f.journal, []byte(text))
	f.check(err)
	return r
}

func (f *fixture) logs(lines ...string) {
	f.Helper()
	var found []maillog.Delivery
	for _, line := range lines {
		deliveries := maillog.ParseMessage(f.clock, "postfix/smtp", line)
		if len(deliveries) == 0 {
			f.Fatalf("no delivery: %s", line)
		}
		found = append(found, deliveries...)
	}
	f.check(f.Deliveries(f.T.Context(), f.journal, "log", found, maillog.Position{}))
}

func (f *fixture) report() *Report {
	f.Helper()
	r, err := f.Report(f.T.Context(), f.clock.Add(-day))
	f.check(err)
	return r
}

// all shows what is kept, a line for each row.
func (f *fixture) all() string {
	f.Helper()
	rows, err := f.db.Query("SELECT " + eventColumns + " FROM events ORDER BY id")
	f.check(err)
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var r row
		f.check(r.scan(rows.Scan))
		fmt.Fprintf(&b, "%s %s x%d by %s certain=%v %s<%s> of %s at %s: %s/%s %s\n", r.kind, r.status, r.times, r.source, r.certain, r.queueID, r.messageID,
			r.senderDomain, r.domain, r.class, r.name, r.code)
	}
	return b.String()
}

// notice is a report on one recipient.
func notice(to, queueID, messageID, recipient, action, status, words string) string {
	return "From: MAILER-DAEMON@x.example\nTo: " + to + "\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x.example\nX-Postfix-Queue-ID: " + queueID + "\n\n" +
		"Final-Recipient: rfc822; " + recipient + "\nAction: " + action + "\nStatus: " + status + "\nDiagnostic-Code: smtp; " + words + "\n\n" +
		"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <" + messageID + ">\n--b--\n"
}

// complaint is a report about one message.
func complaint(n int, messageID, recipient string) string {
	return fmt.Sprintf("From: fbl@isp.example\nX-N: %d\nTo: fbl@example.org\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n", n) +
		"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: X\nOriginal-Rcpt-To: " + recipient + "\n" +
		"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <" + messageID + ">\n--b--\n"
}
