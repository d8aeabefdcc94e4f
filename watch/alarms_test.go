package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// alarm remembers what it was told.
type alarm map[string]string

func (a alarm) Raise(name, subject, text string, critical bool, _, _ float64) {
	a[name+" "+subject] = fmt.Sprintf("%v %s", critical, text)
}
func (a alarm) Clear(name, subject string) { delete(a, name+" "+subject) }

func TestAlarms(t *testing.T) {
	f := newFixture(t)
	o, a := DefaultOptions(), alarm{}
	j := NewJudge(a)
	look := func() {
		t.Helper()
		_, err := j.Look(t.Context(), f.Store, o)
		f.check(err)
	}
	f.left(Sent{MessageID: "m1@example.org", Sender: "news@example.org", Domains: []string{"gmail.com"}})
	f.sent(3000, "news@example.org", "a@gmail.com")
	n := 0
	complain := func(count int) {
		for range count {
			n++
			f.ingest(complaint(n, "m1@example.org", "redacted@gmail.com"))
		}
	}
	look()
	complain(4) // more than a thousandth, and too few to tell
	look()
	if len(a) != 0 {
		t.Errorf("too few: %v", a)
	}
	complain(1)
	look()
	if text := a["complaints_high sender example.org"]; !strings.HasPrefix(text, "false 5 complaints about mail of example.org in 24 h, of 3000 recipients: 0.167 % (from 0.1 %)") {
		t.Errorf("warning: %v", a)
	}
	complain(4)
	look()
	if text := a["complaints_high sender example.org"]; !strings.HasPrefix(text, "true 9 complaints") {
		t.Errorf("critical: %v", a)
	}
	// Forged ones count for nothing.
	for i := range 40 {
		f.ingest(notice("n@example.org", "", "forged@evil.example", fmt.Sprintf("u%d@gmail.com", i), "failed", "5.1.1", "no such user"))
	}
	look()
	if len(a) != 1 {
		t.Errorf("forged: %v", a)
	}
	for i := range 150 {
		f.ingest(notice("n@example.org", "", "m1@example.org", fmt.Sprintf("u%d@gmail.com", i), "failed", "5.1.1", "no such user"))
	}
	look()
	if !strings.HasPrefix(a["bounces_high receiver google"], "false 150 bounces at google") || !strings.HasPrefix(a["bounces_high sender example.org"], "false 150") {
		t.Errorf("bounces: %v", a)
	}
	f.clock = f.clock.Add(3 * day)
	look()
	if len(a) != 0 {
		t.Errorf("over: %v", a)
	}
}

// A share of bounces below what is too high for anybody is told where it is far above
// what was usual for this one.
func TestUnusualBounces(t *testing.T) {
	f := newFixture(t)
	f.left(Sent{MessageID: "m1@example.org", Sender: "news@example.org", Domains: []string{"gmail.com"}})
	o, a := DefaultOptions(), alarm{}
	n := 0
	bounce := func(count int) {
		for range count {
			n++
			f.ingest(notice("n@example.org", "", "m1@example.org", fmt.Sprintf("u%d@gmail.com", n), "failed", "5.1.1", "no such user"))
		}
	}
	look := func() {
		t.Helper()
		_, err := NewJudge(a).Look(t.Context(), f.Store, o)
		f.check(err)
	}
	for range 10 { // five of 1000 a day
		f.sent(1000, "news@example.org", "a@gmail.com")
		bounce(5)
		f.clock = f.clock.Add(day)
		f.check(f.Tidy(t.Context(), o.Keep))
	}
	f.clock = f.clock.Add(time.Hour)
	f.sent(1000, "news@example.org", "a@gmail.com")
	bounce(15)
	look()
	if len(a) != 0 {
		t.Errorf("three times the usual: %v", a)
	}
	bounce(10)
	look()
	const want = "false 25 bounces of mail of example.org in 24 h, of 1000 recipients: 2.5 %, where 0.5 % was usual in the four weeks before"
	if !strings.HasPrefix(a["bounces_high sender example.org"], want) || len(a) != 2 {
		t.Errorf("five times the usual: %v", a)
	}
	o.BouncesUnusual = 0
	a = alarm{}
	look()
	if len(a) != 0 {
		t.Errorf("switched off: %v", a)
	}
	// A domain that sent little before has nothing usual.
	o = DefaultOptions()
	f.left(Sent{MessageID: "m2@young.example", Sender: "a@young.example", Domains: []string{"firm.example"}})
	f.sent(300, "a@young.example", "a@firm.example")
	for i := range 12 {
		f.ingest(notice("n@young.example", "", "m2@young.example", fmt.Sprintf("u%d@firm.example", i), "failed", "5.1.1", "no such user"))
	}
	look()
	if a["bounces_high sender young.example"] != "" {
		t.Errorf("with no past: %v", a)
	}
}

// Whoever sends reports on DMARC or TLS makes no work for the alarms, which look each minute.
func TestAlarmsReadNoReports(t *testing.T) {
	f := newFixture(t)
	for _, table := range []string{"dmarc", "tls", "ingested"} {
		_, err := f.db.Exec("DROP TABLE " + table)
		f.check(err)
	}
	_, err := NewJudge(alarm{}).Look(t.Context(), f.Store, DefaultOptions())
	f.check(err)
}
