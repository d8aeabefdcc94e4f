package watch

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pratique/watch/maillog"
)

// countingJournal counts what it is asked.
type countingJournal struct {
	fakeJournal
	asked int
}

func (c *countingJournal) ByID(ctx context.Context, id string) ([]Sent, error) {
	c.asked++
	return c.fakeJournal.ByID(ctx, id)
}

func (c *countingJournal) BySender(ctx context.Context, sender, to string, most int) ([]Sent, error) {
	c.asked++
	return c.fakeJournal.BySender(ctx, sender, to, most)
}

// However much a stranger writes into one message, the journal is asked little.
func TestFewLookups(t *testing.T) {
	f := newFixture(t)
	f.left(Sent{MessageID: "m1@example.org", Sender: "news@example.org", Domains: []string{"example.net"}})
	var to, groups, reports strings.Builder
	for i := range 50 {
		fmt.Fprintf(&to, "To: b+u%d=d%d.example@example.org\n", i, i)
	}
	for i := range 1000 {
		fmt.Fprintf(&groups, "\nFinal-Recipient: rfc822; u%d@example.net\nAction: failed\nStatus: 5.1.1\n", i)
	}
	for i := range 100 {
		fmt.Fprintf(&reports, "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n%s--b\nContent-Type: message/rfc822\n\n",
			strings.Repeat("Original-Rcpt-To: a@example.net\n", 10))
		for hop := range 20 {
			fmt.Fprintf(&reports, "Received: by x id ABC%dDEF%d\n", i, hop)
		}
		fmt.Fprintf(&reports, "Message-ID: <c%d@example.org>\n\nx\n", i)
	}
	status := func(head, id string) string {
		return head + "From: MAILER-DAEMON@x.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n" +
			groups.String() + "\n--b\nContent-Type: text/rfc822-headers\n\n" + id + "\n--b--\n"
	}
	for name, c := range map[string]struct {
		message       string
		certain, most int
	}{
		"one id":               {status("", "Message-ID: <m1@example.org>"), 1000, 1},
		"no id, but addresses": {status(to.String(), ""), 0, 2 * 50},
		"complaints":           {"Content-Type: multipart/mixed; boundary=b\n\n" + reports.String() + "--b--\n", 0, maxLookups},
	} {
		journal := &countingJournal{fakeJournal: f.journal}
		r, err := f.Ingest(t.Context(), journal, []byte(c.message))
		f.check(err)
		if r.Events < 800 || r.Certain != c.certain || journal.asked > c.most {
			t.Errorf("%s: %d look-ups for %+v", name, journal.asked, r)
		}
	}
}

// A message that is deferred for all of its recipients is looked up once.
func TestFewLookupsOfTheLog(t *testing.T) {
	f := newFixture(t)
	f.left(Sent{QueueID: "AAAAAA1111", Sender: "news@example.org", Domains: []string{"example.net"}})
	var found []maillog.Delivery
	for i := range 100 {
		found = append(found, maillog.Delivery{At: f.clock, QueueID: "AAAAAA1111", Recipient: fmt.Sprintf("u%d@example.net", i), Status: maillog.Deferred, Code: "4.4.1"})
	}
	journal := &countingJournal{fakeJournal: f.journal}
	f.check(f.Deliveries(t.Context(), journal, "log", found, maillog.Position{}))
	if n := f.report().Bounces.Deferred; n != 100 || journal.asked != 1 {
		t.Errorf("%d are deferred, after %d look-ups", n, journal.asked)
	}
}
