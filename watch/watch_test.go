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
