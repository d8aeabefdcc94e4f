package baseline

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

func letter(client, login, sender string, recipients int) *message.Message {
	m := &message.Message{Sender: sender}
	m.Client.Login = login
	if client != "" {
		m.Client.Addr = netip.MustParseAddr(client)
	}
	for i := range recipients {
		m.Recipients = append(m.Recipients, message.Recipient{Addr: fmt.Sprintf("r%d@example.net", i)})
	}
	return m
}

func TestObserver(t *testing.T) {
	now := start.Add(time.Minute)
	s := OfMail(DefaultOptions())
	o := NewObserver(s, func() time.Time { return now })
	fresh := letter("10.0.0.1", "Shop", "a@Example.org", 3)
	fresh.Note("rates", "new_recipients", "2")
	o.Observe(fresh, message.Outcome{})
	o.Observe(letter("2001:db8::1", "", "", 1), message.Outcome{Verdict: message.Held})
	o.Observe(letter("2001:db8::2", "", "root", 1), message.Outcome{Verdict: message.Refused})
	for _, v := range []message.Verdict{message.Passed, message.Aborted, message.Lost} {
		o.Observe(letter("10.0.0.2", "", "b@example.com", 1), message.Outcome{Verdict: v})
	}
	want := map[string]string{
		"total total":               "4 of 3: 1 1 1",
		"client 10.0.0.1":           "3 of 1: 1 0 0",
		"client 2001:db8::/64":      "1 of 2: 0 1 1",
		"login shop":                "3 of 1: 1 0 0",
		"sender_domain example.org": "3 of 1: 1 0 0",
		"sender_domain <>":          "1 of 1: 0 1 0",
		"sender_domain local":       "0 of 1: 0 0 1",
	}
	if n := s.table(Messages).series[Messages].now; n != 3 {
		t.Errorf("%v messages", n)
	}
	delete(s.table(Messages).series, Messages)
	for _, table := range s.tables {
		for key, x := range table.series {
			got := fmt.Sprintf("%v of %v: %v %v %v", x.now, x.mix.now[0], x.mix.now[1], x.mix.now[2], x.mix.now[3])
			if want[table.Name+" "+key] != got {
				t.Errorf("%s %s: %s", table.Name, key, got)
			}
			delete(want, table.Name+" "+key)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing %v", want)
	}
}

func TestUse(t *testing.T) {
	s := OfMail(DefaultOptions())
	for i := range 400 {
		s.Observe(Client, fmt.Sprint(i), start, 1)
	}
	o := DefaultOptions()
	o.Series, o.Timezone, o.SpikeFactor, o.SpikeLeast = 100, "Asia/Kolkata", 5, 7
	s.Use(o)
	if len(s.Keys(Client)) != 100 || s.zone.String() != "Asia/Kolkata" || s.rules.SpikeFactor != 5 || s.table(Client).Least != 7 {
		t.Errorf("%d series, %+v", len(s.Keys(Client)), s.rules)
	}
	o.Timezone = "nowhere"
	s.Use(o)
	if s.zone.String() != "Asia/Kolkata" {
		t.Error("it took a zone that there is not")
	}
}

func TestLongDomain(t *testing.T) {
	if got := senderDomain("a@" + strings.Repeat("x", 10_000)); len(got) != maxDomain {
		t.Errorf("%d octets", len(got))
	}
}

// BenchmarkMessage is all that the baselines cost a message.
func BenchmarkMessage(b *testing.B) {
	s := OfMail(DefaultOptions())
	o := NewObserver(s, time.Now)
	var all []*message.Message
	for i := range 500 {
		all = append(all, letter(fmt.Sprintf("10.0.1.%d", i%250), fmt.Sprint("user", i), fmt.Sprintf("a@d%d.example", i), 2))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		o.Observe(all[i%len(all)], message.Outcome{})
	}
}
