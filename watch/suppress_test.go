package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

func TestSuppression(t *testing.T) {
	f := newFixture(t)
	f.left(Sent{MessageID: "m1@example.org", Sender: "news@example.org", Domains: []string{"example.net"}})
	f.ingest(notice("n@example.org", "", "m1@example.org", "Gone@example.net", "failed", "5.1.1", "no such user"))
	f.ingest(notice("n@example.org", "", "m1@example.org", "full@example.net", "failed", "5.2.2", "over quota"))
	f.ingest(notice("n@example.org", "", "m1@example.org", "temporary@example.net", "failed", "4.1.1", "user unknown"))
	f.ingest(notice("n@example.org", "", "m1@example.org", "blocked@example.net", "failed", "5.7.1", "spamhaus"))
	f.ingest(notice("n@example.org", "", "forged@example.org", "forged@example.net", "failed", "5.1.1", "no such user"))
	var gone Gone
	check := Suppressor{&gone}
	refusal := func(sender string, recipients ...string) string {
		m := &message.Message{Sender: sender}
		for _, r := range recipients {
			m.Recipients = append(m.Recipients, message.Recipient{Addr: r})
		}
		inspector, err := check.Begin(t.Context(), m)
		f.check(err)
		if inspector == nil {
			return "not interested"
		}
		if err := inspector.Header(); err != nil {
			return err.Error()
		}
		return fmt.Sprint(m.Notes)
	}
	if got := refusal("a@example.org", "gone@example.net"); got != "not interested" {
		t.Errorf("before it was loaded: %s", got)
	}
	f.check(gone.Load(t.Context(), f.Store, 7*day))
	if gone.Size() != 1 {
		t.Errorf("%d are gone", gone.Size())
	}
	const until = "; not tried again until 2026-12-05 14:00 UTC"
	for _, c := range []struct {
		sender     string
		recipients []string
		want       string
	}{
		{"a@example.org", []string{"gone@EXAMPLE.net"}, "550 5.1.1 suppression: the recipient bounced for good before" + until},
		{"a@example.org", []string{"gone@example.net", "gone@example.net"}, "550 5.1.1 suppression: all 2 recipients bounced for good before" + until},
		{"a@example.org", []string{"gone@example.net", "there@example.net"}, "[{suppression gone some 1 of 2 recipients bounced for good before}]"},
		{"", []string{"gone@example.net"}, "not interested"},
		{"a@example.org", []string{"full@example.net", "temporary@example.net", "blocked@example.net", "forged@example.net", ""}, "not interested"},
		{"a@example.org", nil, "not interested"},
	} {
		if got := refusal(c.sender, c.recipients...); got != c.want {
			t.Errorf("%s to %q: %s", c.sender, c.recipients, got)
		}
	}
	known, err := f.Release(t.Context(), "GONE@example.net")
	f.check(err)
	f.check(gone.Load(t.Context(), f.Store, 7*day))
	if !known || gone.Size() != 0 {
		t.Errorf("released: %v, %d are gone", known, gone.Size())
	}
	if known, err := f.Release(t.Context(), "there@example.net"); known || err != nil {
		t.Errorf("one that is there: %v, %v", known, err)
	}
	// It bounces again.
	f.clock = f.clock.Add(time.Hour)
	f.left(Sent{MessageID: "m9@example.org", Sender: "news@example.org", Domains: []string{"example.net"}})
	f.ingest(notice("n@example.org", "", "m9@example.org", "gone@example.net", "failed", "5.1.1", "no such user"))
	f.check(gone.Load(t.Context(), f.Store, 7*day))
	if got := refusal("a@example.org", "gone@example.net"); !strings.HasPrefix(got, "550") {
		t.Errorf("after it bounced again: %s", got)
	}
	f.clock = f.clock.Add(8 * day)
	if got := refusal("a@example.org", "gone@example.net"); got != "not interested" {
		t.Errorf("when the time is over: %s", got)
	}
}
