package rates

import (
	"fmt"
	"testing"
	"time"

	"pratique/message"
)

func note(m *message.Message) message.Note {
	for _, n := range m.Notes {
		if n.Check == "rates" {
			return n
		}
	}
	return message.Note{}
}

func TestAMessageHasANoteOfTheFullestLimit(t *testing.T) {
	clock := newClock()
	store := openStore(t, t.TempDir(), clock)
	r := newRates(t, store, perHour("client", "recipients", 100, "tempfail"), perHour("client", "messages", 1000, "tempfail"),
		perHour("sender", "messages", 3, "hold"), perHour("recipient_domain", "messages", 1000, "tempfail"), perHour("total", "bytes", 1<<30, "reject"))
	for n, want := range []message.Note{
		{Code: "room", Text: "sender a@shop.example has 1 of 3 messages in 1h (33 %); also limited per client, recipient_domain, total"},
		{Code: "room", Text: "sender a@shop.example has 2 of 3 messages in 1h (66 %); also limited per client, recipient_domain, total"},
		{Code: "room", Text: "client 10.0.0.7 has 82 of 100 recipients in 1h (82 %); also limited per sender, recipient_domain, total"},
		{Code: "over", Text: "client 10.0.0.7 has 152 of 100 recipients in 1h (152 %); also limited per sender, recipient_domain, total"},
	} {
		m := newMessage("x@one.example")
		if n == 2 {
			m = newMessage(someRecipients(80)...)
			m.Sender = "b@shop.example"
		}
		if n == 3 {
			m = newMessage(someRecipients(70)...)
			m.Sender = "c@shop.example"
		}
		send(r, m)
		want.Check, want.Key = "rates", "limits"
		if got := note(m); got != want {
			t.Errorf("message %d:\ngot  %+v\nwant %+v", n+1, got, want)
		}
	}
	tell(t, store, clock, DoBlock, "client 10.0.0.7", nil)
	m := newMessage("x@one.example")
	send(r, m)
	if got := note(m); got.Code != "blocked" || got.Text != "client 10.0.0.7 was blocked by alice" {
		t.Errorf("blocked: %+v", got)
	}
	m = newMessage("x@one.example")
	send(newRates(t, openStore(t, "", clock)), m)
	if got := note(m); got.Key == noteKey {
		t.Errorf("without limits: %+v", got)
	}
}

func TestNearTellsWhoIsNearALimit(t *testing.T) {
	clock := newClock()
	store := openStore(t, t.TempDir(), clock)
	r := withOverrides(t, store, []Limit{perHour("sender", "messages", 10, "observe"), perHour("client", "recipients", 1000, "tempfail")},
		Override{Per: "sender", Count: "messages", Keys: []string{"big@shop.example"}, Max: 100})
	for i := range 20 {
		for n := range i {
			m := from(fmt.Sprintf("s%d@shop.example", i))
			if n == 0 {
				clock.advance(time.Minute)
			}
			send(r, m)
		}
		send(r, from("big@shop.example"))
	}
	near := r.Near(0.8, 5)
	if len(near) != 5 {
		t.Fatalf("%d are near: %+v", len(near), near)
	}
	first := near[0]
	if first.Key != "s19@shop.example" || first.Used != 19 || first.Max != 10 || first.Share != 1.9 || first.Frees != 3601 ||
		first.Limit != "messages per sender in 1h" || first.Then != "observe" {
		t.Errorf("%+v", first)
	}
	for _, v := range r.Near(0.8, 100) {
		if v.Key == "big@shop.example" || v.Share < 0.8 {
			t.Errorf("%+v", v)
		}
	}
	if n := len(r.Near(0.8, 100)); n != 12 { // s8 to s19
		t.Errorf("%d are near", n)
	}
	tell(t, store, clock, DoReset, "sender s19@shop.example", nil)
	if v := r.Near(0.8, 1)[0]; v.Key != "s18@shop.example" {
		t.Errorf("after a reset: %+v", v)
	}
}

func TestHourlySums(t *testing.T) {
	clock := newClock() // noon
	store := openStore(t, "", clock)
	r := newRates(t, store)
	for i := range 30 {
		for range i % 4 {
			send(r, newMessage("x@one.example", "y@one.example"))
		}
		if i == 10 {
			r.Observe(newMessage(), message.Outcome{Verdict: message.Refused})
		}
		clock.advance(time.Hour)
	}
	clock.advance(-time.Minute)
	sums := store.Hourly("client", "10.0.0.7")
	for i, f := range sums {
		hour := 6 + i // of the 30
		want := Figures{Amounts: Amounts{Messages: uint64(hour % 4), Recipients: uint64(2 * (hour % 4)), Bytes: f.Bytes}}
		if hour == 10 {
			want.Refused = 1
		}
		if f != want {
			t.Errorf("hour %d: %+v, want %+v", hour, f, want)
		}
	}
	var none [hours]Figures
	if store.Hourly("client", "10.0.0.8") != none || store.Hourly("host", "10.0.0.7") != none {
		t.Error("nobody has done something")
	}
}
