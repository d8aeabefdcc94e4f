package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func newCounter(threshold int) (*Counter, *clock) {
	c := &clock{time.Date(2026, 11, 2, 3, 7, 0, 0, time.UTC)}
	return New(Options{Threshold: threshold}, c.read), c
}

func mail(from string, to ...string) *message.Message {
	m := &message.Message{Sender: "bounces@sender.example"}
	if from != "" {
		m.Header.Receive(message.NewField("From", " "+from))
	}
	for _, r := range to {
		m.Recipients = append(m.Recipients, message.Recipient{Addr: r})
	}
	return m
}

func send(c *Counter, n int, from string, to ...string) {
	for range n {
		c.Observe(mail(from, to...), message.Outcome{})
	}
}

func said(c *Counter) string {
	var all []string
	for _, l := range c.Levels() {
		all = append(all, fmt.Sprintf("%s %s %d (%d)", l.Domain, l.Receiver, l.Count, l.Step))
	}
	return strings.Join(all, ", ")
}

func TestReceiver(t *testing.T) {
	for domain, want := range map[string]string{
		"gmail.com": Google, "googlemail.com": Google, "google.com": "", "gmail.de": "",
		"outlook.com": Microsoft, "outlook.fr": Microsoft, "hotmail.co.uk": Microsoft, "live.com.au": Microsoft, "live.nl": Microsoft,
		"hotmail.com.br": Microsoft, "msn.com": Microsoft, "live.example.com": "", "outlook.live.com": "", "live": "", "live.": "",
		"outlook.blogspot.com": "", // a public suffix, but nobody's country
		"yahoo.com":            Yahoo, "yahoo.co.uk": Yahoo, "yahoo.com.mx": Yahoo, "yahoo.de": Yahoo, "ymail.com": Yahoo, "aol.com": Yahoo, "aol.de": Yahoo,
		"yahoo.co.jp": "", "yahoo-inc.com": "", "example.org": "", "": "", ".": "",
		"live." + strings.Repeat("a.", 10_000) + "com": "",
	} {
		if got := Receiver(domain); got != want {
			t.Errorf("%.50q is at %q, not %q", domain, got, want)
		}
	}
}

func TestSubdomainsAreSummed(t *testing.T) {
	c, _ := newCounter(10)
	send(c, 3, "Shop <a@shop.example.co.uk>", "x@gmail.com", "y@googlemail.com", "z@example.net")
	send(c, 1, `"Example, a@b" <b@NEWS.Example.CO.UK.>`, "x@gmail.com")
	send(c, 2, "a@other.co.uk", "x@hotmail.de")
	send(c, 1, "", "x@gmail.com")
	send(c, 5, "a@co.uk", "x@gmail.com")     // a public suffix is nobody's
	send(c, 5, "a@localhost", "x@gmail.com") // no domain of the world
	c.Observe(mail("a@example.co.uk", "x@gmail.com"), message.Outcome{Verdict: message.Refused})
	if got, want := said(c), "example.co.uk Gmail 7 (60), other.co.uk Outlook.com 2 (0), sender.example Gmail 1 (0)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSteps(t *testing.T) {
	c, _ := newCounter(5000)
	for _, step := range []struct{ to, want int }{{2999, 0}, {3000, 60}, {3999, 60}, {4000, 80}, {4749, 80}, {4750, 95}, {4999, 95}, {5000, 100}, {9000, 100}} {
		have := 0
		if all := c.Levels(); len(all) > 0 {
			have = all[0].Count
		}
		send(c, step.to-have, "a@example.org", "x@gmail.com")
		if l := c.Levels()[0]; l.Step != step.want || l.Count != step.to || l.Reached.IsZero() != (step.want < 100) {
			t.Errorf("%+v, want step %d", l, step.want)
		}
	}
}

// TestTheDaySlides holds the window to an exact one: never less, and more by at most
// what came in a quarter of an hour.
func TestTheDaySlides(t *testing.T) {
	c, clock := newCounter(5000)
	var sent []time.Time
	for i := range 2000 {
		clock.now = clock.now.Add(time.Duration(i*i%97) * time.Minute)
		send(c, 1, "a@example.org", "x@gmail.com")
		sent = append(sent, clock.now)
		exact, most := 0, 0
		for _, at := range sent {
			if age := clock.now.Sub(at); age < 24*time.Hour {
				exact++
			} else if age < 24*time.Hour+slotLength {
				most++
			}
		}
		if got := c.Levels()[0].Count; got < exact || got > exact+most {
			t.Fatalf("%d counts, exactly %d, at most %d more", got, exact, most)
		}
	}
	clock.now = clock.now.Add(25 * time.Hour)
	if got := said(c); got != "" {
		t.Errorf("a day later: %s", got)
	}
}

func TestAClockThatIsPutBack(t *testing.T) {
	c, clock := newCounter(5000)
	send(c, 10, "a@example.org", "x@gmail.com")
	clock.now = clock.now.Add(-time.Hour)
	send(c, 10, "a@example.org", "x@gmail.com")
	if got := said(c); got != "example.org Gmail 20 (0)" {
		t.Errorf("an hour: %s", got)
	}
	clock.now = clock.now.AddDate(-10, 0, 0)
	send(c, 10, "a@example.org", "x@gmail.com")
	if got := said(c); got != "example.org Gmail 10 (0)" {
		t.Errorf("years: %s", got)
	}
}

func TestRestart(t *testing.T) {
	c, clock := newCounter(10)
	send(c, 12, "a@example.org", "x@gmail.com")
	clock.now = clock.now.Add(5 * time.Hour)
	send(c, 3, "a@example.org", "x@gmail.com", "y@aol.com")
	want := c.Levels()
	text, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again := New(Options{Threshold: 10}, clock.read)
	if err := again.Unmarshal(text); err != nil {
		t.Fatal(err)
	}
	if got := again.Levels(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if more, err := again.Marshal(); err != nil || !bytes.Equal(more, text) {
		t.Errorf("%v: nothing was counted, and it is\n%s, not\n%s", err, more, text)
	}
	clock.now = clock.now.Add(20 * time.Hour) // the first twelve are out of the window, and it stays reached
	if got := again.Levels(); got[0].Count != 3 || got[0].Reached.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestDamage(t *testing.T) {
	c, _ := newCounter(10)
	for text, damaged := range map[string]bool{"": true, "{": true, `{"pairs":[{"last":-1,"slots":[1]}]}`: false,
		`{"pairs":[{"last":9223372036854775807,"slots":[1]},{"last":5000,"slots":null}]}`: false} {
		if err := c.Unmarshal([]byte(text)); errors.Is(err, ErrDamaged) != damaged {
			t.Errorf("%q: %v", text, err)
		}
		c.Levels()
	}
}

func TestBounded(t *testing.T) {
	c, _ := newCounter(10)
	send(c, 20, "a@known.example", "x@gmail.com")
	c.Levels()
	send(c, 5, "a@busy.example", "x@gmail.com")
	for i := range 2 * maxPairs {
		send(c, 1, fmt.Sprintf("a@d%d.example", i), "x@gmail.com")
	}
	all := c.Levels()
	if len(all) != maxPairs || all[0].Domain != "known.example" || all[1].Domain != "busy.example" {
		t.Errorf("%d pairs, %+v", len(all), all[:2])
	}
}

func FuzzFromDomain(f *testing.F) {
	f.Add("A <a@example.org>")
	f.Add("a@b@c")
	f.Add("@")
	f.Fuzz(func(t *testing.T, value string) {
		if d := organizational(fromDomain(mail(value))); len(d) > maxDomain || strings.ContainsAny(d, "<> \t\r\n,") {
			t.Errorf("%q", d)
		}
		Receiver(value)
	})
}

func BenchmarkObserve(b *testing.B) {
	c, _ := newCounter(5000)
	m := mail("Example <a@news.example.org>", "x@gmail.com", "y@example.net")
	b.ReportAllocs()
	for b.Loop() {
		c.Observe(m, message.Outcome{})
	}
}
