package rates

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pratique/message"
)

func perHour(per, count string, maximum int64, then string) Limit {
	return Limit{Per: per, Count: count, Max: maximum, Every: time.Hour, Then: then}
}

func TestLimitsOfEveryKind(t *testing.T) {
	// Every message has three recipients in two domains and 9 octets; one that
	// is alike and one that differs in the key follow each other.
	alike := func() *message.Message {
		m := newMessage("x@one.example", "y@one.example", "z@two.example")
		m.Client.Login = "shop"
		return m
	}
	cases := []struct {
		limit  Limit
		differ func(m *message.Message)
	}{
		{perHour("client", "messages", 1, "tempfail"), func(m *message.Message) { m.Client.Addr = netip.MustParseAddr("2001:db8::7") }},
		{perHour("client", "recipients", 5, "tempfail"), func(m *message.Message) { m.Client.Local = true }},
		{perHour("client", "bytes", 17, "reject"), func(m *message.Message) { m.Client.Addr = netip.Addr{} }},
		{perHour("login", "messages", 1, "reject"), func(m *message.Message) { m.Client.Login = "" }},
		{perHour("login", "recipients", 4, "reject"), func(m *message.Message) { m.Client.Login = "other" }},
		{perHour("sender", "messages", 1, "tempfail"), func(m *message.Message) { m.Sender = "b@shop.example" }},
		{perHour("sender", "recipients", 3, "tempfail"), func(m *message.Message) { m.Sender = "" }},
		{perHour("sender_domain", "messages", 1, "tempfail"), func(m *message.Message) { m.Sender = "a@else.example" }},
		{perHour("sender_domain", "bytes", 9, "tempfail"), func(m *message.Message) { m.Sender = "root" }},
		{perHour("recipient_domain", "messages", 1, "tempfail"), func(m *message.Message) { m.Recipients = m.Recipients[:0] }},
		{perHour("recipient_domain", "recipients", 2, "tempfail"), func(m *message.Message) { m.Recipients = m.Recipients[2:] }},
		{perHour("total", "recipients", 4, "tempfail"), func(m *message.Message) { m.Recipients = m.Recipients[:1] }},
	}
	for _, c := range cases {
		t.Run(c.limit.Per+" "+c.limit.Count, func(t *testing.T) {
			r := newRates(t, openStore(t, "", newClock()), c.limit)
			if o := send(r, alike()); o.Verdict != message.Accepted {
				t.Fatalf("first: %v", o.Refusal)
			}
			want := message.Tempfailed
			if c.limit.Then == "reject" {
				want = message.Refused
			}
			if o := send(r, alike()); o.Verdict != want {
				t.Errorf("second: %v", o.Verdict)
			}
			m := alike()
			c.differ(m)
			if o := send(r, m); o.Verdict != message.Accepted {
				t.Errorf("another key: %v", o.Refusal)
			}
			wantNothingReserved(t, r)
		})
	}
}

func TestSpellingsShareALimit(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("sender", "messages", 1, "tempfail"),
		perHour("sender_domain", "messages", 2, "tempfail"), perHour("login", "messages", 3, "tempfail"))
	m := newMessage("x@one.example")
	m.Client.Login = "Shop"
	send(r, m)
	for _, sender := range []string{"A@shop.example", "a@SHOP.example"} {
		m := newMessage("x@one.example")
		m.Sender, m.Client.Login = sender, "shop"
		if o := send(r, m); o.Verdict != message.Tempfailed {
			t.Errorf("%s: %v", sender, o.Verdict)
		}
	}
	if n := r.store.sum(PerLogin, "shop", CountMessages); n != 1 {
		t.Errorf("login has %d messages", n)
	}
}

func TestLongKeysStayApart(t *testing.T) {
	long := strings.Repeat("x", 5000)
	a, b := bounded(long+"a"), bounded(long+"b")
	if a == b || len(a) != maxKey || bounded("short") != "short" {
		t.Errorf("%q and %q", a, b)
	}
}

func TestRefusalText(t *testing.T) {
	clock := newClock()
	r := newRates(t, openStore(t, "", clock), perHour("client", "recipients", 500, "tempfail"),
		perHour("recipient_domain", "messages", 2, "reject"))
	send(r, newMessage(someRecipients(500)...))
	clock.advance(48*time.Minute + 30*time.Second)

	o := send(r, newMessage("x@else.example"))
	if want := "451 4.7.1 rates: client 10.0.0.7 sent 500 recipients in the last 1h, limit 500; room again in 12 min"; o.Refusal.Error() != want {
		t.Errorf("got  %v\nwant %v", o.Refusal, want)
	}
	// What is too large alone is told so for good, and is not counted.
	other := newMessage(someRecipients(501)...)
	other.Client.Addr = netip.MustParseAddr("10.0.0.8")
	o = send(r, other)
	if want := "550 5.7.1 rates: this message alone has 501 recipients, limit 500 in 1h for client 10.0.0.8; it can only pass in parts"; o.Refusal.Error() != want {
		t.Errorf("got  %v\nwant %v", o.Refusal, want)
	}
	other = newMessage("x@dest.example")
	other.Client.Addr = netip.MustParseAddr("10.0.0.8")
	if o = send(r, other); o.Verdict != message.Accepted {
		t.Errorf("a small one after it: %v", o.Refusal)
	}
	other = newMessage("x@dest.example")
	other.Client.Addr = netip.MustParseAddr("10.0.0.9")
	o = send(r, other)
	if want := "550 5.7.1 rates: recipient domain dest.example was sent 2 messages in the last 1h, limit 2; room again in 12 min"; o.Refusal.Error() != want {
		t.Errorf("got  %v\nwant %v", o.Refusal, want)
	}
	wantNothingReserved(t, r)
}

func TestRefusalTextWithRoomLeft(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("total", "recipients", 5, "tempfail"))
	send(r, newMessage(someRecipients(3)...))
	o := send(r, newMessage(someRecipients(4)...))
	wantText(t, o.Refusal.Text, "all clients together sent 3 recipients in the last 1h, this message has 4 more, limit 5; room again in 61 min")

	under := newMessage(someRecipients(2)...)
	if err := begin(r, under, ""); err != nil {
		t.Fatal(err)
	}
	o = send(r, newMessage(someRecipients(5)...))
	wantText(t, o.Refusal.Text, "sent 5 recipients", "room again when messages under way are done")
}

func TestRefusalTextIsPrintable(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("sender", "messages", 1, "tempfail"))
	for range 2 {
		m := newMessage("x@one.example")
		m.Sender = "grüße\r\n250 fine@shop.example"
		if o := send(r, m); o.Refusal != nil && strings.ContainsFunc(o.Refusal.Text, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("%q", o.Refusal.Text)
		}
	}
}

func TestRoomComesWhenItWasPromised(t *testing.T) {
	clock := newClock()
	r := newRates(t, openStore(t, "", clock), perHour("client", "messages", 2, "tempfail"))
	send(r, newMessage("x@one.example"))
	clock.advance(20 * time.Minute)
	send(r, newMessage("x@one.example"))
	clock.advance(time.Minute)
	wantText(t, send(r, newMessage("x@one.example")).Refusal.Text, "room again in 40 min")
	clock.advance(39 * time.Minute)
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
		t.Errorf("in time: %v", o.Verdict)
	}
	clock.advance(time.Second)
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Accepted {
		t.Errorf("when there is room: %v", o.Refusal)
	}
}

func TestHoldCountsAndGoesOn(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("client", "messages", 1, "hold"))
	send(r, newMessage("x@one.example"))
	o := send(r, newMessage("x@one.example"))
	if o.Verdict != message.Held {
		t.Fatalf("got %v", o.Verdict)
	}
	wantText(t, o.Reason, "client 10.0.0.7 sent 1 messages in the last 1h, limit 1")
	if n := r.store.sum(PerClient, "10.0.0.7", CountMessages); n != 2 {
		t.Errorf("%d messages are counted", n)
	}
	wantNothingReserved(t, r)
}

func TestObserveOnlyReports(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("client", "bytes", 10, "observe"))
	send(r, newMessage("x@one.example"))
	m := newMessage("x@one.example")
	m.SenderArgs = []string{"SIZE=9"}
	if o := sendBody(r, m, "0123456789"); o.Verdict != message.Accepted {
		t.Fatalf("got %v", o.Verdict)
	}
	// It was over at the announced size and at the true one, and is reported once.
	if len(m.Findings) != 1 || m.Findings[0].Action != "observe" || m.Findings[0].Rule != "bytes per client in 1h" || m.Held() != "" {
		t.Errorf("findings: %+v", m.Findings)
	}
	if n := r.store.sum(PerClient, "10.0.0.7", CountBytes); n != 9+12 {
		t.Errorf("%d octets are counted", n)
	}
}

func TestAllLimitsObserve(t *testing.T) {
	r, err := New(openStore(t, "", newClock()), nil, Options{Store: "sqlite", IPv6Prefix: 64, Observe: true,
		Limits: []Limit{perHour("client", "messages", 1, "reject"), perHour("sender", "messages", 1, "hold"), perHour("total", "recipients", 1, "tempfail")}})
	if err != nil {
		t.Fatal(err)
	}
	send(r, newMessage("x@one.example"))
	m := newMessage("x@one.example", "y@one.example")
	if o := send(r, m); o.Verdict != message.Accepted || len(m.Findings) != 3 || m.Findings[0].Action != "observe" {
		t.Errorf("%v, %+v", o.Verdict, m.Findings)
	}
	wantNothingReserved(t, r)
}

func TestAHarderLimitDecidesOverASofterOne(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("client", "messages", 1, "observe"),
		perHour("client", "messages", 2, "hold"), perHour("client", "messages", 3, "reject"))
	want := []message.Verdict{message.Accepted, message.Accepted, message.Held, message.Refused}
	for i, verdict := range want {
		m := newMessage("x@one.example")
		if o := send(r, m); o.Verdict != verdict || (i > 0 && i < 3) != (len(m.Findings) == 1) {
			t.Errorf("message %d: %v, %+v", i+1, o.Verdict, m.Findings)
		}
	}
}

func TestBytesAreReservedByTheAnnouncedSize(t *testing.T) {
	limit := perHour("client", "bytes", 100, "tempfail")
	cases := []struct {
		name string
		args []string
		body int
		want message.Verdict
	}{
		{"none announced, fits", nil, 98, message.Accepted},
		{"none announced, too large", nil, 99, message.Refused},
		{"announced", []string{"BODY=8BITMIME", "size=98"}, 98, message.Accepted},
		{"announced too much", []string{"SIZE=101"}, 0, message.Refused},
		{"announced too little", []string{"SIZE=10"}, 99, message.Refused},
		{"out of range", []string{"SIZE=99999999999999999999999"}, 0, message.Refused},
		{"no number", []string{"SIZE=-1", "SIZE=5"}, 98, message.Accepted},
		{"no value", []string{"SIZE"}, 98, message.Accepted},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRates(t, openStore(t, "", newClock()), limit)
			m := newMessage("x@one.example")
			m.SenderArgs = c.args
			if o := sendBody(r, m, strings.Repeat("x", c.body)); o.Verdict != c.want {
				t.Errorf("got %v (%v)", o.Verdict, o.Refusal)
			}
			want := uint64(0)
			if c.want == message.Accepted {
				want = uint64(c.body) + 2
			}
			if n := r.store.sum(PerClient, "10.0.0.7", CountBytes); n != want {
				t.Errorf("%d octets are counted", n)
			}
			wantNothingReserved(t, r)
		})
	}
}

func TestTwoAnnouncedSizesCanNotShareTheRoom(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("client", "bytes", 100, "tempfail"))
	first, second := newMessage("x@one.example"), newMessage("x@one.example")
	first.SenderArgs, second.SenderArgs = []string{"SIZE=60"}, []string{"SIZE=60"}
	err := begin(r, first, strings.Repeat("x", 58))
	if err != nil {
		t.Fatal(err)
	}
	if o := send(r, second); o.Verdict != message.Tempfailed {
		t.Errorf("second: %v", o.Verdict)
	}
	r.Observe(first, message.OutcomeOf(first, err))
	wantNothingReserved(t, r)
}

func TestOnlyWhatLeavesIsCountedAsSent(t *testing.T) {
	refusal := &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "no"}
	cases := []struct {
		outcome                   message.Outcome
		sent, refused, tempfailed int64
	}{
		{message.Outcome{Verdict: message.Accepted}, 1, 0, 0},
		{message.Outcome{Verdict: message.Held}, 1, 0, 0},
		{message.Outcome{Verdict: message.Passed}, 1, 0, 0},
		{message.Outcome{Verdict: message.Discarded}, 0, 1, 0},
		{message.Outcome{Verdict: message.Refused, Refusal: refusal}, 0, 1, 0},
		{message.Outcome{Verdict: message.Tempfailed}, 0, 0, 1},
		{message.Outcome{Verdict: message.Aborted}, 0, 0, 0},
		{message.Outcome{Verdict: message.Lost}, 0, 0, 0},
	}
	for _, c := range cases {
		for _, reached := range []string{"gate", "header", "end"} {
			t.Run(fmt.Sprintf("%v after %s", c.outcome.Verdict, reached), func(t *testing.T) {
				r := newRates(t, openStore(t, t.TempDir(), newClock()),
					perHour("client", "messages", 1, "tempfail"), perHour("total", "bytes", 1000, "tempfail"))
				m := newMessage("x@one.example", "y@one.example", "z@two.example")
				inspector, err := r.Begin(context.Background(), m)
				if err != nil {
					t.Fatal(err)
				}
				if reached != "gate" {
					if err := inspector.Header(); err != nil {
						t.Fatal(err)
					}
				}
				m.BodySize = 98
				if reached == "end" {
					if err := inspector.End(); err != nil {
						t.Fatal(err)
					}
				}
				inspector.Close()
				r.Observe(m, c.outcome)
				wantNothingReserved(t, r)

				report := r.store.report(t)
				want := Sums{Messages: c.sent, Recipients: 3 * c.sent, Bytes: 100 * c.sent, Refused: c.refused, Tempfailed: c.tempfailed}
				if got := report.row("client", "10.0.0.7"); got.Hour != want || got.Day != want {
					t.Errorf("client: %+v", got)
				}
				want.Recipients = 2 * c.sent
				if got := report.row("recipient_domain", "one.example"); got.Hour != want {
					t.Errorf("recipient domain: %+v", got)
				}
				// A place that was not used is free again.
				next := send(r, newMessage("x@one.example"))
				if (next.Verdict == message.Accepted) != (c.sent == 0) {
					t.Errorf("next: %v", next.Verdict)
				}
			})
		}
	}
}

func TestPassedMessagesCountWithTheAnnouncedSize(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("client", "messages", 1, "tempfail"))
	m := newMessage("x@one.example")
	m.SenderArgs = []string{"SIZE=5000"}
	r.Observe(m, message.Outcome{Verdict: message.Passed})
	if n := r.store.sum(PerClient, "10.0.0.7", CountBytes); n != 5000 {
		t.Errorf("%d octets are counted", n)
	}
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
		t.Errorf("the next one, which is limited: %v", o.Verdict)
	}
}

func TestWithoutLimitsItOnlyCounts(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()))
	if i, err := r.Begin(context.Background(), newMessage()); i != nil || err != nil {
		t.Errorf("Begin: %v, %v", i, err)
	}
	for range 3 {
		send(r, newMessage("x@one.example"))
	}
	if n := r.store.sum(PerTotal, keyTotal, CountRecipients); n != 3 {
		t.Errorf("%d recipients are counted", n)
	}
}

func TestBouncesAreHeldRatherThanRefused(t *testing.T) {
	r := newRates(t, openStore(t, "", newClock()), perHour("sender", "messages", 1, "reject"))
	for _, want := range []message.Verdict{message.Accepted, message.Held} {
		m := newMessage("x@one.example")
		m.Sender, m.Client = "", message.Client{Local: true}
		if o := send(r, m); o.Verdict != want {
			t.Errorf("got %v, want %v", o.Verdict, want)
		}
	}
	if n := r.store.sum(PerClient, "local", CountMessages); n != 2 {
		t.Errorf("%d messages are counted", n)
	}
	wantNothingReserved(t, r)
}

// The last free places are taken once each, however many ask at the same time.
func TestConcurrentMessagesShareNoPlace(t *testing.T) {
	const places, senders, each = 137, 100, 5
	r := newRates(t, openStore(t, t.TempDir(), newClock()), perHour("total", "messages", places, "tempfail"))
	var passed atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for n := range senders {
		all.Go(func() {
			<-start
			for i := range each {
				m := newMessage("x@one.example")
				m.Sender = fmt.Sprintf("s%d@shop.example", n)
				err := begin(r, m, "body")
				o := message.OutcomeOf(m, err)
				if err == nil && (n+i)%7 == 0 {
					o = message.Outcome{Verdict: message.Aborted}
				}
				r.Observe(m, o)
				if o.Verdict == message.Accepted {
					passed.Add(1)
				}
			}
		})
	}
	close(start)
	r.store.save()
	all.Wait()
	for o := message.Accepted; o == message.Accepted; { // what aborted messages left free
		if o = send(r, newMessage("x@one.example")).Verdict; o == message.Accepted {
			passed.Add(1)
		}
	}
	if passed.Load() != places {
		t.Errorf("%d messages passed, limit %d", passed.Load(), places)
	}
	if got := r.store.report(t).row("total", "total").Hour.Messages; got != places {
		t.Errorf("%d messages are in the file", got)
	}
	wantNothingReserved(t, r)
}

func TestReloadKeepsCountsAndMessagesUnderWay(t *testing.T) {
	clock := newClock()
	store := openStore(t, "", clock)
	old := newRates(t, store, perHour("client", "messages", 3, "tempfail"))
	send(old, newMessage("x@one.example"))
	underway := newMessage("x@one.example")
	err := begin(old, underway, "")
	if err != nil {
		t.Fatal(err)
	}

	// The new one has another window as well; the old message still has its place in both.
	next := newRates(t, store, perHour("client", "messages", 2, "tempfail"),
		Limit{Per: "client", Count: "messages", Max: 10, Every: time.Minute, Then: "tempfail"})
	if o := send(next, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
		t.Errorf("with one sent and one under way: %v", o.Verdict)
	}
	old.Observe(underway, message.Outcome{Verdict: message.Aborted})
	if o := send(next, newMessage("x@one.example")); o.Verdict != message.Accepted {
		t.Errorf("with one sent: %v", o.Refusal)
	}
	if o := send(next, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
		t.Errorf("with two sent: %v", o.Verdict)
	}
	wantNothingReserved(t, old)
	wantNothingReserved(t, next)
}

func TestClockThatJumps(t *testing.T) {
	clock := newClock()
	r := newRates(t, openStore(t, t.TempDir(), clock), perHour("client", "messages", 1, "tempfail"))
	send(r, newMessage("x@one.example"))
	blocked := func(when string) {
		t.Helper()
		if o := send(r, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
			t.Fatalf("%s: %v", when, o.Verdict)
		}
	}
	clock.advance(-1000 * 24 * time.Hour)
	blocked("three years back")
	clock.advance(59 * time.Minute)
	blocked("59 minutes later")
	clock.advance(-30 * time.Minute)
	blocked("back again")
	clock.advance(61 * time.Second)
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Accepted {
		t.Errorf("after an hour in all: %v", o.Refusal)
	}
	// The file is in the time of the clock on the wall, which is all its readers have.
	report := r.store.report(t)
	if got := report.row("client", "10.0.0.7").Hour.Messages; got != 2 || !report.Saved.Equal(clock.Now()) {
		t.Errorf("at %v the report has %d messages, the latest at %v", clock.Now(), got, report.Saved)
	}
	clock.advance(50 * 365 * 24 * time.Hour)
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Accepted {
		t.Errorf("50 years ahead: %v", o.Refusal)
	}
	blocked("50 years ahead")
	clock.advance(50 * 365 * 24 * time.Hour) // more than 32 bits of seconds
	send(r, newMessage("x@one.example"))
	clock.advance(2 * time.Hour)
	blocked("at the end of time")
	wantNothingReserved(t, r)
}
