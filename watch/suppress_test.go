package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

// leftTo has a message leave to recipients, which the counter remembers.
func (f *fixture) leftTo(sent Sent, recipients ...string) {
	f.Helper()
	f.left(sent)
	c := NewCounter(f.now)
	c.Remember(true)
	m := &message.Message{QueueID: sent.QueueID, Sender: sent.Sender}
	for _, r := range recipients {
		m.Recipients = append(m.Recipients, message.Recipient{Addr: r})
	}
	c.Observe(m, message.Outcome{})
	f.check(f.CountSent(f.T.Context(), c))
}

func TestSuppression(t *testing.T) {
	f := newFixture(t)
	f.leftTo(Sent{QueueID: "AAAAAA1111", MessageID: "m1@example.org", Sender: "news@example.org", Domains: []string{"example.net"}},
		"Gone@Example.net", "full@example.net", "temporary@example.net", "blocked@example.net", "forged@example.net")
	f.ingest(notice("n@example.org", "", "m1@example.org", "gone@example.net", "failed", "5.1.1", "no such user"))
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
	f.leftTo(Sent{QueueID: "AAAAAA9999", MessageID: "m9@example.org", Sender: "news@example.org", Domains: []string{"example.net"}}, "gone@example.net")
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

// Who is refused after what: only who was sent the very message, and is gone himself.
func TestWhoIsSuppressed(t *testing.T) {
	const line = "AAAAAA1111: to=<%s>%s, relay=mx.example.net[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host said: 550 5.1.1 no such user)"
	logged := func(to, more string) func(*fixture) {
		return func(f *fixture) { f.logs(fmt.Sprintf(line, to, more)) }
	}
	mailed := func(recipient string) func(*fixture) {
		return func(f *fixture) {
			f.ingest(notice("news@example.org", "AAAAAA1111", "m1@example.org", recipient, "failed", "5.1.1", "no such user"))
		}
	}
	for name, c := range map[string]struct {
		sentTo  []string
		journal []string // addresses that the journal keeps
		happens func(*fixture)
		refused string // of the addresses asked for
	}{
		"told by the log":                     {sentTo: []string{"gone@example.net"}, happens: logged("gone@example.net", ""), refused: "gone@example.net"},
		"told by the log, without marks":      {happens: logged("gone@example.net", ""), refused: "gone@example.net"},
		"told by mail":                        {sentTo: []string{"gone@example.net"}, happens: mailed("gone@example.net"), refused: "gone@example.net"},
		"told by mail, known to the journal":  {journal: []string{"gone@example.net"}, happens: mailed("gone@example.net"), refused: "gone@example.net"},
		"told by mail, without marks":         {happens: mailed("gone@example.net")},
		"forged by another one at the domain": {sentTo: []string{"attacker@example.net"}, happens: mailed("gone@example.net")},
		"another case":                        {sentTo: []string{"GONE@example.net"}, happens: mailed("gone@EXAMPLE.net"), refused: "gone@example.net"},
		"another subaddress":                  {sentTo: []string{"gone+a@example.net"}, happens: mailed("gone+a@example.net")},
		"an alias here, whose other end is gone": {sentTo: []string{"gone@example.net"},
			happens: logged("end@example.net", ", orig_to=<gone@example.net>")},
		"an alias, told by mail": {sentTo: []string{"gone@example.net"}, happens: func(f *fixture) {
			f.ingest(strings.Replace(notice("news@example.org", "AAAAAA1111", "m1@example.org", "end@example.net", "failed", "5.1.1", "no such user"),
				"Final-Recipient", "Original-Recipient: rfc822; gone@example.net\nFinal-Recipient", 1))
		}},
		"a forged original recipient": {sentTo: []string{"attacker@example.net"}, happens: func(f *fixture) {
			f.ingest(strings.Replace(notice("news@example.org", "AAAAAA1111", "m1@example.org", "attacker@example.net", "failed", "5.1.1", "no such user"),
				"Final-Recipient", "Original-Recipient: rfc822; gone@example.net\nFinal-Recipient", 1))
		}},
		"a domain as it is written, and as it is looked up": {sentTo: []string{"jürgen@bücher.example"}, happens: mailed("jürgen@xn--bcher-kva.example"), refused: "jürgen@bücher.example"},
		"the journal learns later": {sentTo: []string{"gone@example.net"}, refused: "gone@example.net", happens: func(f *fixture) {
			known := f.journal
			f.journal = nil
			mailed("gone@example.net")(f)
			f.journal, f.clock = known, f.clock.Add(firstRetry*time.Second)
			_, err := f.Rejoin(f.T.Context(), f.journal)
			f.check(err)
		}},
		"by mail, before the daemon put down whom the message went to": {refused: "gone@example.net", happens: func(f *fixture) {
			mailed("gone@example.net")(f)
			f.leftTo(Sent{QueueID: "AAAAAA1111", MessageID: "m1@example.org", Domains: []string{"example.net"}}, "gone@example.net")
			f.clock = f.clock.Add(2 * firstRetry * time.Second)
			if n, err := f.Rejoin(f.T.Context(), f.journal); n != 0 || err != nil {
				f.Errorf("%d joined anew, %v", n, err)
			}
		}},
		"by mail first, and then by the log": {refused: "gone@example.net", happens: func(f *fixture) {
			mailed("gone@example.net")(f)
			logged("gone@example.net", "")(f)
		}},
	} {
		f := newFixture(t)
		f.leftTo(Sent{QueueID: "AAAAAA1111", MessageID: "m1@example.org", Sender: "news@example.org", Domains: []string{"example.net", "bücher.example"},
			Addresses: c.journal}, c.sentTo...)
		c.happens(f)
		var gone Gone
		f.check(gone.Load(t.Context(), f.Store, day))
		got := ""
		for _, address := range []string{"gone@example.net", "jürgen@bücher.example"} {
			if _, ok := gone.Has(address); ok {
				got += address
			}
		}
		if got != c.refused {
			t.Errorf("%s: %q is refused, want %q: %s", name, got, c.refused, f.all())
		}
	}
}

func TestSuppressedList(t *testing.T) {
	f := newFixture(t)
	f.leftTo(Sent{QueueID: "AAAAAA1111", Domains: []string{"example.net"}, Addresses: []string{"Kept@example.net"}}, "kept@example.net")
	f.leftTo(Sent{QueueID: "BBBBBB2222", Domains: []string{"example.com"}}, "hidden@example.com")
	f.logs("AAAAAA1111: to=<kept@example.net>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host said: 550 5.1.1 no such user)")
	f.clock = f.clock.Add(time.Hour)
	f.logs("BBBBBB2222: to=<hidden@example.com>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host said: 550 5.1.1 no such user)")
	list := func() string {
		all, err := f.Suppressed(t.Context(), f.journal, 7*day, 10)
		f.check(err)
		var lines []string
		for _, r := range all {
			lines = append(lines, fmt.Sprintf("%s@%s %s %s %s", r.Address, r.Domain, r.Until.Format("01-02 15:04"), r.Reason.Key(), r.QueueID))
		}
		return strings.Join(lines, "; ")
	}
	if got, want := list(), "@example.com 12-05 15:00 hard/unknown_user 5.1.1 BBBBBB2222; Kept@example.net@example.net 12-05 14:00 hard/unknown_user 5.1.1 AAAAAA1111"; got != want {
		t.Errorf("%s", got)
	}
	n, err := f.ReleaseDomain(t.Context(), "Example.COM", 7*day)
	f.check(err)
	if got := list(); n != 1 || strings.Contains(got, "example.com") || !strings.Contains(got, "Kept@example.net") {
		t.Errorf("%d released: %s", n, got)
	}
	n, err = f.ReleaseDomain(t.Context(), "", 7*day)
	f.check(err)
	if got := list(); n != 1 || got != "" {
		t.Errorf("%d of all released: %s", n, got)
	}
}

// Behind an alias of ours it is the last address that is refused, and its domain by
// which it is shown and let through again.
func TestSuppressedBehindAlias(t *testing.T) {
	f := newFixture(t)
	f.leftTo(Sent{QueueID: "AAAAAA1111", Domains: []string{"example.org"}}, "team@example.org")
	f.logs("AAAAAA1111: to=<gone@example.net>, orig_to=<team@example.org>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host said: 550 5.1.1 no such user)")
	all, err := f.Suppressed(t.Context(), nil, day, 10)
	f.check(err)
	if len(all) != 1 || all[0].Domain != "example.net" {
		t.Errorf("%+v", all)
	}
	for domain, want := range map[string]int{"example.org": 0, "example.net": 1} {
		if n, err := f.ReleaseDomain(t.Context(), domain, day); n != want || err != nil {
			t.Errorf("%d of %s released, %v", n, domain, err)
		}
	}
}

// Marks are of use as long as a bounce may come, and gone after that.
func TestEnvelopesAreForgotten(t *testing.T) {
	f := newFixture(t)
	f.leftTo(Sent{QueueID: "AAAAAA1111"}, "a@example.net", "b@example.net")
	c := NewCounter(f.now)
	c.Observe(&message.Message{QueueID: "BBBBBB2222", Recipients: []message.Recipient{{Addr: "c@example.net"}}}, message.Outcome{})
	f.check(f.CountSent(t.Context(), c))
	count := func() (n int) {
		f.check(f.Tidy(t.Context(), 30*day))
		f.check(f.db.QueryRow("SELECT count(*) FROM envelopes").Scan(&n))
		return n
	}
	if n := count(); n != 2 {
		t.Errorf("%d marks, where two of a counter that remembers are wanted", n)
	}
	f.clock = f.clock.Add(envelopesFor + 2*day)
	if n := count(); n != 0 {
		t.Errorf("%d marks after their time", n)
	}
}
