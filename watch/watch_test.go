package watch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/watch/maillog"
)

func (f *fixture) expect(want string) {
	f.Helper()
	if got := f.all(); got != want {
		f.Errorf("kept is\n%sand not\n%s", got, want)
	}
}

func TestJoin(t *testing.T) {
	known := Sent{QueueID: "AAAAAA1111", MessageID: "m1@example.org", Sender: "bounces@example.org", Client: "10.0.0.1", Domains: []string{"example.net"}, Rules: []string{"M09"}}
	single := Sent{QueueID: "BBBBBB2222", MessageID: "m2@example.org", Sender: "b+7f3a@example.org", Domains: []string{"example.net"}}
	exact := known
	exact.Addresses = []string{"Nobody@example.net", "other@example.net"}
	for name, c := range map[string]struct {
		sent Sent
		text string
		want string // of certain
	}{
		"by Message-ID":               {known, notice("bounces@example.org", "", "m1@example.org", "nobody@example.net", "failed", "5.1.1", "550 5.1.1 no such user"), "certain=true AAAAAA1111<m1@example.org> of example.org at example.net: hard/unknown_user 5.1.1"},
		"by queue id":                 {known, notice("bounces@example.org", "AAAAAA1111", "", "nobody@example.net", "failed", "5.1.1", ""), "certain=true"},
		"by both":                     {known, notice("bounces@example.org", "AAAAAA1111", "M1@example.org", "nobody@example.net", "failed", "5.1.1", ""), "certain=true"},
		"by an exact recipient":       {exact, notice("bounces@example.org", "AAAAAA1111", "", "NOBODY@example.net", "failed", "5.1.1", ""), "certain=true"},
		"by the sender":               {single, notice("b+7f3a@example.org", "", "", "nobody@example.net", "failed", "5.1.1", ""), "certain=true BBBBBB2222<m2@example.org>"},
		"by a sender with recipient":  {Sent{QueueID: "C1C1C1", Sender: "b+nobody=example.net@example.org", Domains: []string{"example.net"}}, notice("b+nobody=example.net@example.org", "", "", "moved@elsewhere.example", "failed", "5.1.1", ""), "certain=true C1C1C1"},
		"not by another Message-ID":   {known, notice("bounces@example.org", "AAAAAA1111", "forged@example.org", "nobody@example.net", "failed", "5.1.1", ""), "certain=false"},
		"not for another domain":      {known, notice("bounces@example.org", "", "m1@example.org", "nobody@gmail.com", "failed", "5.1.1", ""), "certain=false"},
		"not for another recipient":   {exact, notice("bounces@example.org", "", "m1@example.org", "victim@example.net", "failed", "5.1.1", ""), "certain=false"},
		"not for what is not known":   {known, notice("bounces@example.org", "DDDDDD4444", "x@example.org", "nobody@example.net", "failed", "5.1.1", ""), "certain=false"},
		"not before it left":          {Sent{QueueID: "AAAAAA1111", MessageID: "m1@example.org", At: time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC), Domains: []string{"example.net"}}, notice("", "", "m1@example.org", "nobody@example.net", "failed", "5.1.1", ""), "certain=false"},
		"not long after it left":      {Sent{QueueID: "AAAAAA1111", At: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), Domains: []string{"example.net"}}, notice("", "AAAAAA1111", "", "nobody@example.net", "failed", "5.1.1", ""), "certain=false"},
		"a complaint":                 {known, complaint(1, "m1@example.org", "nobody@example.net"), "certain=true"},
		"a complaint, blacked out":    {known, complaint(1, "m1@example.org", "redacted@example.net"), "certain=true AAAAAA1111<m1@example.org> of example.org at example.net: complaint/abuse"},
		"a complaint about something": {known, complaint(1, "other@example.org", "nobody@example.net"), "certain=false"},
	} {
		f := newFixture(t)
		f.left(c.sent)
		r := f.ingest(c.text)
		if got := f.all(); r.Events != 1 || !strings.Contains(got, c.want) || (r.Certain == 1) != strings.Contains(got, "certain=true") {
			t.Errorf("%s: %+v, %s", name, r, got)
		}
	}
}

// A bounce address that many messages share tells nothing.
func TestJoinSharedSender(t *testing.T) {
	f := newFixture(t)
	for i := range mostSenders + 1 {
		f.left(Sent{QueueID: fmt.Sprintf("AAAAAA%d", i), Sender: "bounces@example.org", Domains: []string{"example.net"}})
	}
	if r := f.ingest(notice("bounces@example.org", "", "", "nobody@example.net", "failed", "5.1.1", "")); r.Certain != 0 {
		t.Errorf("joined: %+v", r)
	}
}

// The log and the DSN tell of the same bounce: it counts once, whichever comes first,
// and whether or not it is joined at once.
func TestOnce(t *testing.T) {
	const line = "AAAAAA1111: to=<nobody@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.1] said: 550 5.1.1 no such user)"
	sent := Sent{QueueID: "AAAAAA1111", MessageID: "m1@example.org", Sender: "a@example.org", Client: "10.0.0.1", Domains: []string{"example.net"}}
	report := notice("a@example.org", "AAAAAA1111", "m1@example.org", "nobody@example.net", "failed", "5.1.1", "550 5.1.1 no such user")
	const joined = " certain=true AAAAAA1111<m1@example.org> of example.org at example.net: hard/unknown_user 5.1.1\n"

	f := newFixture(t)
	f.left(sent)
	f.logs(line)
	f.ingest(report)
	f.expect("bounce failed x1 by log+dsn" + joined)

	f = newFixture(t)
	f.left(sent)
	f.ingest(report)
	f.logs(line)
	if got := f.all(); !strings.Contains(got, "by dsn+log"+joined) || strings.Count(got, "\n") != 1 {
		t.Errorf("the other way round: %s", got)
	}

	// The journal learns of the message later. The DSN of the receiver has no queue id of ours.
	f = newFixture(t)
	f.logs(line)
	f.ingest(notice("a@example.org", "", "m1@example.org", "nobody@example.net", "failed", "5.1.1", ""))
	if got := f.all(); strings.Count(got, "certain=false") != 2 {
		t.Errorf("before: %s", got)
	}
	f.left(sent)
	f.clock = f.clock.Add(firstRetry * time.Second)
	n, err := f.Rejoin(t.Context(), f.journal)
	f.check(err)
	if got := f.all(); n != 2 || strings.Count(got, "\n") != 1 || !strings.Contains(got, joined) {
		t.Errorf("%d joined: %s", n, got)
	}
}

// The same message, handed in twice, as after exit status 75, counts once.
func TestDuplicate(t *testing.T) {
	f := newFixture(t)
	f.left(Sent{MessageID: "m1@example.org", Domains: []string{"example.net"}})
	text := complaint(1, "m1@example.org", "redacted@example.net")
	if r := f.ingest(text); r.Duplicate {
		t.Error("the first one is no duplicate")
	}
	if r := f.ingest(text); !r.Duplicate {
		t.Error("the second one is a duplicate")
	}
	f.ingest(complaint(2, "m1@example.org", "redacted@example.net"))
	if r := f.report(); r.Complaints.Certain != 2 {
		t.Errorf("%+v", r.Complaints)
	}
}

func TestRejoinGivesUp(t *testing.T) {
	f := newFixture(t)
	f.ingest(notice("a@example.org", "", "m1@example.org", "nobody@example.net", "failed", "5.1.1", ""))
	tries := 0
	for range 4 * 24 * 12 {
		due, err := f.due(t.Context())
		f.check(err)
		tries += len(due)
		_, err = f.Rejoin(t.Context(), f.journal)
		f.check(err)
		f.clock = f.clock.Add(5 * time.Minute)
	}
	if tries < 6 || tries > 20 {
		t.Errorf("%d tries", tries)
	}
}

func TestDeferredThenSent(t *testing.T) {
	f := newFixture(t)
	f.left(Sent{QueueID: "AAAAAA1111", MessageID: "m1@example.org", Sender: "a@example.org", Domains: []string{"example.net"}})
	deferred := "AAAAAA1111: to=<b@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, dsn=4.7.1, status=deferred (host mx said: 450 4.7.1 Greylisted)"
	f.logs(deferred, deferred)
	f.expect("bounce deferred x2 by log certain=true AAAAAA1111<m1@example.org> of example.org at example.net: soft/greylisted 4.7.1\n")
	f.logs("AAAAAA1111: to=<b@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=300, dsn=2.0.0, status=sent (250 ok)",
		"AAAAAA1111: to=<c@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=100, dsn=2.0.0, status=sent (250 ok)")
	r := f.report()
	if r.Bounces.Delivered != 1 || r.Bounces.Deferred != 0 || r.Bounces.Failed != 0 {
		t.Errorf("%+v", r.Bounces)
	}
	want := []Attempts{{Receiver: "example.net", Sent: 2, Deferred: 2, MeanDelay: 200}}
	if !reflect.DeepEqual(r.Deliveries, want) {
		t.Errorf("%+v", r.Deliveries)
	}
}

// A bounce because the message was too long in the queue keeps the reason for which it was there.
func TestDeferredThenExpired(t *testing.T) {
	f := newFixture(t)
	f.logs("AAAAAA1111: to=<b@example.net>, relay=none, delay=1, dsn=4.4.1, status=deferred (connect to mx[192.0.2.1]:25: Connection refused)")
	f.clock = f.clock.Add(5 * day)
	f.ingest(notice("a@example.org", "AAAAAA1111", "", "b@example.net", "failed", "4.4.7", "delivery time expired"))
	f.expect("bounce failed x1 by log+dsn certain=false AAAAAA1111<> of  at example.net: soft/connection 4.4.1\n")
}

// Postfix tells of a message that was too long in the queue only that it was.
func TestExpiredByTheLog(t *testing.T) {
	f := newFixture(t)
	f.logs("AAAAAA1111: to=<b@example.net>, relay=none, delay=1, dsn=4.4.1, status=deferred (connect to mx[192.0.2.1]:25: Connection refused)",
		"BBBBBB2222: to=<b@example.net>, relay=none, delay=1, dsn=4.4.1, status=deferred (connect to mx[192.0.2.1]:25: Connection refused)")
	for _, d := range maillog.ParseMessage(f.clock.Add(5*day), "postfix/qmgr", "AAAAAA1111: from=<a@example.org>, status=expired, returned to sender") {
		f.check(f.Deliveries(t.Context(), f.journal, "log", []maillog.Delivery{d}, maillog.Position{}))
	}
	f.expect("bounce failed x1 by log certain=false AAAAAA1111<> of  at example.net: soft/connection 4.4.1\n" +
		"bounce deferred x1 by log certain=false BBBBBB2222<> of  at example.net: soft/connection 4.4.1\n")
}

func TestPrivacy(t *testing.T) {
	f := newFixture(t)
	f.left(Sent{QueueID: "AAAAAA1111", MessageID: "m1@example.org", Sender: "secret.sender@example.org", Domains: []string{"example.net"}})
	f.ingest(notice("bounces+secret.user=example.net@example.org", "", "m1@example.org", "secret.user@example.net", "failed", "5.1.1", "550 5.1.1 <secret.user@example.net>: User secret.user unknown"))
	f.logs("AAAAAA1111: to=<secret.user@example.net>, relay=none, delay=1, dsn=4.4.1, status=deferred (secret.user said no)")
	f.check(f.Store.Close())
	for _, name := range []string{fileName, fileName + "-wal", keyName} {
		data, err := os.ReadFile(filepath.Join(f.dir, name))
		if err == nil && bytes.Contains(bytes.ToLower(data), []byte("secret")) {
			t.Errorf("%s holds an address", name)
		}
		if info, err := os.Stat(filepath.Join(f.dir, name)); err == nil && info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s may be read by everybody: %v", name, info.Mode())
		}
	}
}

func TestReport(t *testing.T) {
	f := newFixture(t)
	f.sent(900, "news@example.org", "a@gmail.com")
	f.sent(100, "news@example.org", "a@gmail.com", "M09")
	f.sent(50, "x@shop.example", "b@firm.example")
	gmail := Sent{MessageID: "m1@example.org", Sender: "news@example.org", Client: "10.0.0.1", Domains: []string{"gmail.com"}, Rules: []string{"H30", "M09"}}
	f.left(gmail)
	firm := Sent{QueueID: "FFFFFF1111", MessageID: "m2@example.org", Sender: "x@shop.example", Client: "(local)", Domains: []string{"firm.example"}}
	f.left(firm)
	for i := range 20 {
		f.ingest(notice("n@example.org", "", "m1@example.org", fmt.Sprintf("u%d@gmail.com", i), "failed", "5.7.26", "550-5.7.26 sender is unauthenticated"))
	}
	f.ingest(notice("n@example.org", "", "m1@example.org", "v@gmail.com", "delayed", "4.2.2", "452 4.2.2 over quota"))
	f.ingest(notice("n@example.org", "", "forged@evil.example", "w@gmail.com", "failed", "5.1.1", "no such user"))
	f.logs("FFFFFF1111: to=<b@firm.example>, relay=firm-example.mail.protection.outlook.com[192.0.2.1]:25, delay=1, dsn=5.1.10, status=bounced (host said: 550 5.1.10 RESOLVER.ADR.RecipientNotFound)")
	f.ingest(complaint(1, "m1@example.org", "u1@gmail.com"))
	r := f.report()

	if r.Sent != (Sums{1050, 1050}) || r.Bounces.Failed != 21 || r.Bounces.Deferred != 1 || r.Bounces.Unverified != 1 || r.Bounces.Share != 21.0/1050 ||
		!reflect.DeepEqual(r.Bounces.Classes, map[string]int{"policy": 20, "hard": 1}) || r.Complaints.Certain != 1 || r.Complaints.Share != 1.0/1050 {
		t.Errorf("sent %+v, bounces %+v, complaints %+v", r.Sent, r.Bounces, r.Complaints)
	}
	if len(r.Senders) != 2 || r.Senders[0].Key != "example.org" || r.Senders[0].Recipients != 1000 || r.Senders[0].BounceShare != 0.02 || r.Senders[0].ComplaintShare != 0.001 || r.Senders[1].Key != "shop.example" {
		t.Errorf("senders %+v", r.Senders)
	}
	// The log told that the domain is at Microsoft.
	if len(r.Receivers) != 2 || r.Receivers[0].Key != "google" || r.Receivers[1].Key != "microsoft" || r.Receivers[1].Recipients != 50 {
		t.Errorf("receivers %+v", r.Receivers)
	}
	if w := r.Reasons[0]; w.Key() != "policy/authentication 5.7.26" || w.Failed != 20 || !slices.Equal(w.Receivers, []string{"google"}) || w.Example == "" {
		t.Errorf("reasons %+v", r.Reasons)
	}
	want := RuleLine{Rule: "M09", Recipients: 100, Failed: 20, Complaints: 1, Share: 0.2, Usual: 1.0 / 950, Receiver: "google", AtReceiver: 20, Reason: "policy/authentication 5.7.26"}
	if i := slices.IndexFunc(r.Rules, func(l RuleLine) bool { return l.Rule == "M09" }); i < 0 || r.Rules[i] != want {
		t.Errorf("rules %+v", r.Rules)
	}
	if r.Suppressed != 1 {
		t.Errorf("%d gone for good", r.Suppressed)
	}
	if r.Ingested[0] != (FormCount{"dsn", 22}) || r.Ingested[1] != (FormCount{"arf", 1}) {
		t.Errorf("ingested %+v", r.Ingested)
	}
}

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

func TestTidy(t *testing.T) {
	f := newFixture(t)
	f.sent(10, "a@example.org", "b@example.net")
	f.ingest(notice("a@example.org", "", "m1@example.org", "b@example.net", "failed", "5.1.1", ""))
	f.logs("AAAAAA1111: to=<c@example.net>, relay=mx[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (ok)")
	f.clock = f.clock.Add(time.Hour)
	f.sent(5, "a@example.org", "b@example.net")
	f.clock = f.clock.Add(10 * day)
	f.check(f.Tidy(t.Context(), 30*day))
	f.check(f.Tidy(t.Context(), 30*day))
	r, err := f.Report(t.Context(), f.clock.Add(-12*day))
	f.check(err)
	var rows int
	f.check(f.db.QueryRow("SELECT count(*) FROM sent WHERE dimension = 'total'").Scan(&rows))
	if r.Sent.Recipients != 15 || rows != 1 || r.Bounces.Unverified != 1 || r.Deliveries[0].Sent != 1 {
		t.Errorf("after ten days: %+v, %d rows", r, rows)
	}
	f.clock = f.clock.Add(30 * day)
	f.check(f.Tidy(t.Context(), 30*day))
	for _, table := range []string{"events", "sent", "attempts", "ingested", "hosts"} {
		f.check(f.db.QueryRow("SELECT count(*) FROM " + table).Scan(&rows))
		if rows != 0 {
			t.Errorf("%s has %d rows after 41 days", table, rows)
		}
	}
}

// What is kept outlives a restart, a damaged file does not, and a lost key is said.
func TestOpen(t *testing.T) {
	f := newFixture(t)
	f.ingest(notice("a@example.org", "", "m1@example.org", "b@example.net", "failed", "5.1.1", ""))
	f.check(f.Deliveries(t.Context(), nil, "/log", nil, maillog.Position{Inode: 1, Offset: 2}))
	f.reopen()
	pos, err := f.Position(t.Context(), "/log")
	f.check(err)
	if pos != (maillog.Position{Inode: 1, Offset: 2}) || f.report().Bounces.Unverified != 1 {
		t.Errorf("after a restart: %+v, %s", pos, f.all())
	}
	reader, err := OpenReader(t.Context(), f.dir, f.now)
	f.check(err)
	r, err := reader.Report(t.Context(), f.clock.Add(-day))
	if err != nil || r.Bounces.Unverified != 1 {
		t.Errorf("a reader: %+v, %v", r, err)
	}
	if _, err := reader.Ingest(t.Context(), nil, []byte("x")); err == nil {
		t.Error("a reader writes")
	}
	f.check(reader.Close())
	f.check(f.Store.Close())
	f.Store = nil

	path := filepath.Join(f.dir, fileName)
	f.check(os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600))
	f.reopen()
	if f.all() != "" {
		t.Errorf("after damage: %s", f.all())
	}
	aside, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(aside) == 0 {
		t.Errorf("nothing was set aside: %v", err)
	}
	f.check(os.WriteFile(filepath.Join(f.dir, keyName), []byte("short"), 0o600))
	if _, err := Open(t.Context(), f.dir, f.now, nil); err == nil || !strings.Contains(err.Error(), "5 octets") {
		t.Errorf("a damaged key: %v", err)
	}
}

// A file of the first version is brought up to date, with what is in it.
func TestOpenOld(t *testing.T) {
	f := newFixture(t)
	f.ingest(notice("a@example.org", "", "m1@example.org", "b@example.net", "failed", "5.1.1", ""))
	was := f.all()
	for _, step := range []string{"DROP INDEX events_dead", "DROP INDEX events_queue_id", "ALTER TABLE events DROP COLUMN dead", "ALTER TABLE events DROP COLUMN proven",
		"DROP TABLE envelopes", "PRAGMA user_version = 1"} {
		_, err := f.db.Exec(step)
		f.check(err)
	}
	f.reopen()
	f.expect(was)
	f.leftTo(Sent{QueueID: "AAAAAA1111", Domains: []string{"example.net"}}, "gone@example.net")
	f.logs("AAAAAA1111: to=<gone@example.net>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host said: 550 5.1.1 no such user)")
	var gone Gone
	f.check(gone.Load(t.Context(), f.Store, day))
	if gone.Size() != 1 {
		t.Errorf("%d are gone", gone.Size())
	}
}

func TestHostName(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, want := range map[string]string{"MX.Example.net.": "mx.example.net", "": "", long: long[:maxDomain],
		"\u212a\u212a": "kk", "\u0130": "i"} { // shorter in lower case
		if got := hostName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	DefaultOptions().Problems(func(key, problem string) { t.Errorf("default: %s: %s", key, problem) })
	for text, want := range map[string]Share{"0.1%": 0.001, "100 %": 1, "0%": 0, "5": 0, "101%": 0, "-1%": 0, "NaN%": 0, "%": 0} {
		var s Share
		err := s.UnmarshalText([]byte(text))
		if (err == nil) != (want != 0) || err == nil && (s < want*0.999 || s > want*1.001) {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
}

func FuzzIngest(f *testing.F) {
	f.Add([]byte(notice("a+b=c.d@example.org", "AAAAAA1111", "m1@example.org", "b@example.net", "failed", "5.1.1", "no such user")))
	f.Add([]byte(complaint(1, "m1@example.org", "redacted@example.net")))
	f.Add([]byte("Content-Type: application/xml\n\n<feedback><record><row><count>1</count></row></record></feedback>"))
	f.Add([]byte("Content-Type: application/json\n\n{\"policies\":[{\"summary\":{\"total-failure-session-count\":3}}]}"))
	s := &Store{key: make([]byte, keySize), now: time.Now}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := s.understand(text)
		if c.form == "" || len(c.events) > 1001 {
			t.Errorf("form %q, %d events", c.form, len(c.events))
		}
		for _, e := range c.events {
			if _, err := s.prepare(t.Context(), nil, e); err != nil {
				t.Error(err)
			}
		}
	})
}
