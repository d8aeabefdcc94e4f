package maillog

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)

const bounced = `4jcB5J3KD5z1TL3N: to=<nobody@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=0.03, delays=0/0.01/0/0.02, dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.1] said: 550 5.1.1 <nobody@example.net>: no such user here (in reply to RCPT TO command))`

func TestParse(t *testing.T) {
	at := time.Date(2026, 11, 28, 13, 31, 32, 0, time.UTC)
	want := Delivery{At: at, Program: "postfix/smtp", QueueID: "4jcB5J3KD5z1TL3N", Recipient: "nobody@example.net", Relay: "mx.example.net",
		Delay: 30 * time.Millisecond, Code: "5.1.1", Status: Bounced,
		Text: "host mx.example.net[192.0.2.1] said: 550 5.1.1 <nobody@example.net>: no such user here (in reply to RCPT TO command)"}
	for _, line := range []string{
		"Nov 28 13:31:32 mail postfix/smtp[19863]: " + bounced, // a Postfix 3.7 with maillog_file
		"2026-11-28T13:31:32+00:00 mail postfix/smtp[19863]: " + bounced,
		"2026-11-28T14:31:32.000000+01:00 mail postfix/smtp[19863]: " + bounced, // rsyslog
		"2026-11-28T14:31:32+0100 mail postfix/smtp[19863]: " + bounced,         // journalctl -o short-iso
		"2026-11-28T14:31:32.417+0100 mail postfix/smtp[19863]: " + bounced,
		"<22>Nov 28 13:31:32 mail postfix/smtp[19863]: " + bounced,
		"<22>1 2026-11-28T13:31:32Z mail.example.org postfix/smtp 19863 - - " + bounced, // RFC 5424
		"Nov 28 13:31:32.417 mail postfix/smtp[19863]: " + bounced,                      // syslog-ng, frac-digits
		"2026-11-28 13:31:32,417 mail postfix/smtp[19863]: " + bounced,                  // a template of somebody
		"2026-11-28 13:31:32 mail postfix/smtp[19863]: " + bounced,
		"Nov 28 13:31:32 mail mail.info postfix/smtp[19863]: " + bounced,             // busybox
		"Nov 28 13:31:32 mail <mail.info> postfix/smtp[19863]: " + bounced,           // FreeBSD, syslogd -v
		"Nov 28 13:31:32 mail postfix/smtp[19863]: [ID 197553 mail.info] " + bounced, // Solaris
		"Nov 28 13:31:32  mail  postfix/smtp[19863]: " + bounced,
		"1 2026-11-28T13:31:32Z mail.example.org postfix/smtp 19863 - [origin ip=\"192.0.2.9\" x=\"a b\"] \xef\xbb\xbf" + bounced,
	} {
		got := Parse(line, now)
		if len(got) == 1 {
			got[0].At = got[0].At.UTC().Truncate(time.Second)
		}
		if !reflect.DeepEqual(got, []Delivery{want}) {
			t.Errorf("%.60q:\n got %+v\nwant %+v", line, got, want)
		}
	}
}

// brief shows what was read of a message, a line for each recipient.
func brief(all []Delivery) string {
	var lines []string
	for _, d := range all {
		lines = append(lines, fmt.Sprintf("%s %s %s %s %v %s %s %s", d.QueueID, d.Recipient, d.Original, d.Relay, d.Delay, d.Code, d.Status, d.Text))
	}
	return strings.Join(lines, "\n")
}

func TestPostfixLines(t *testing.T) {
	for _, c := range []struct{ program, message, want string }{
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=none, delay=3600, delays=3600/0/0/0, dsn=4.4.1, status=deferred (connect to mx[192.0.2.1]:25: Connection refused)",
			"9F1A2B3C4D a@example.net   1h0m0s 4.4.1 deferred connect to mx[192.0.2.1]:25: Connection refused"},
		{"postfix-out/relay/smtp", "9F1A2B3C4D: to=<a@example.net>, orig_to=<b@example.org>, relay=mx.example.net[2001:db8::1]:25, conn_use=2, delay=1.5, delays=0/0/1/0.5, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as X)",
			"9F1A2B3C4D a@example.net b@example.org mx.example.net 1.5s 2.0.0 sent 250 2.0.0 Ok: queued as X"},
		{"postfix/lmtp", `9F1A2B3C4D: to=<"a, b"@example.net>, relay=mail[private/dovecot-lmtp], delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250)`,
			`9F1A2B3C4D "a, b"@example.net  mail 100ms 2.0.0 sent 250`},
		{"postfix/smtp", `9F1A2B3C4D: to=<"a>, status=sent (no)"@example.net>, relay=none, delay=1, dsn=5.1.2, status=bounced (x)`,
			`9F1A2B3C4D "a>, status=sent (no)"@example.net   1s 5.1.2 bounced x`},
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.0.0, status=SOFTBOUNCE (host said: 550 no)",
			"9F1A2B3C4D a@example.net  mx 1s 5.0.0 deferred host said: 550 no"},
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=none, delay=x, dsn=5.0.0, status=bounced", "9F1A2B3C4D a@example.net   0s 5.0.0 bounced "},
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, dsn=5.7.1, status=bounced (host mx.example.net[192.0.2.1] said: 550-5.7.1 (see (http://x.example/)) 550 5.7.1 blocked (in reply to end of DATA command))",
			"9F1A2B3C4D a@example.net  mx.example.net 1s 5.7.1 bounced host mx.example.net[192.0.2.1] said: 550-5.7.1 (see (http://x.example/)) 550 5.7.1 blocked (in reply to end of DATA command)"},
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, dsn=4.2.2, status=deferred (host mx.example.net[192.0.2.1] said: 452 4.2.2 mailbox fu",
			"9F1A2B3C4D a@example.net  mx.example.net 1s 4.2.2 deferred host mx.example.net[192.0.2.1] said: 452 4.2.2 mailbox fu"}, // cut off by a syslog
		{"postfix/pipe", "9F1A2B3C4D: to=<a@example.net>, relay=vacation, delay=1, dsn=2.0.0, status=sent (delivered via vacation service)", "9F1A2B3C4D a@example.net  vacation 1s 2.0.0 sent delivered via vacation service"},
		{"postfix/local", "9F1A2B3C4D: to=<a@example.net>, relay=local, delay=1, dsn=2.0.0, status=sent (delivered to command: /usr/bin/procmail -t)", "9F1A2B3C4D a@example.net  local 1s 2.0.0 sent delivered to command: /usr/bin/procmail -t"},
		{"postfix/virtual", "9F1A2B3C4D: to=<a@example.net>, orig_to=<>, relay=virtual, delay=1, dsn=5.1.1, status=bounced (unknown user: \"a@example.net\")", "9F1A2B3C4D a@example.net  virtual 1s 5.1.1 bounced unknown user: \"a@example.net\""},
		{"postfix/smtp", "9F1A2B3C4D: to=<jürgen@bücher.example>, relay=none, delay=1, dsn=5.6.7, status=bounced (SMTPUTF8 is required, but was not offered by host mx[192.0.2.1])",
			"9F1A2B3C4D jürgen@bücher.example   1s 5.6.7 bounced SMTPUTF8 is required, but was not offered by host mx[192.0.2.1]"},
		{"postfix/qmgr", "9F1A2B3C4D: from=<a@example.net>, status=expired, returned to sender", "9F1A2B3C4D    0s  expired too long in the queue"},
		{"postfix/qmgr", "9F1A2B3C4D: from=<>, status=force-expired, returned to sender", "9F1A2B3C4D    0s  expired too long in the queue"},
		// None of ours.
		{"postfix/qmgr", "9F1A2B3C4D: from=<a@example.net>, size=297, nrcpt=1 (queue active)", ""},
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=local, dsn=2.0.0, status=deliverable (delivers to command)", ""},
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=local, dsn=5.0.0, status=undeliverable (host said: 550 no)", ""}, // a probe of address verification
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, status", ""},
		{"postfix/smtp", "warning: something status=sent", ""},
		{"postfix/smtp", "NOQUEUE!: to=<a>, status=sent (x)", ""},
		{"myapp", "9F1A2B3C4D: to=<a@example.net>, relay=none, status=sent (x)", ""},
	} {
		if got := brief(ParseMessage(now, c.program, c.message)); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.message, got, c.want)
		}
	}
}

// Lines as sendmail 8.15 to 8.17 writes them (deliver.c, logdelivery).
func TestSendmailLines(t *testing.T) {
	const id = "6ASDX3ZL023147"
	for _, c := range []struct{ message, want string }{
		{id + ": to=<a@example.net>,<b@example.net>, ctladdr=<sender@example.org> (1000/1000), delay=00:00:03, xdelay=00:00:02, mailer=esmtp, pri=150345, relay=mx.example.net. [192.0.2.1], dsn=2.0.0, stat=Sent (Ok: queued as 4jcB, with, commas)",
			id + " a@example.net  mx.example.net 3s 2.0.0 sent Ok: queued as 4jcB, with, commas\n" + id + " b@example.net  mx.example.net 3s 2.0.0 sent Ok: queued as 4jcB, with, commas"},
		{id + ": to=a@example.net,root, delay=1+02:03:04, xdelay=00:00:02, mailer=esmtp, pri=1, relay=mx.example.net. [192.0.2.1], dsn=4.0.0, stat=Deferred: 450 4.2.0 come back later",
			id + " a@example.net  mx.example.net 26h3m4s 4.0.0 deferred 450 4.2.0 come back later"},
		{id + ": to=<a@example.net>, delay=00:00:01, mailer=esmtp, relay=mx.example.net., dsn=4.0.0, stat=Deferred: Connection refused by mx.example.net.", id + " a@example.net  mx.example.net 1s 4.0.0 deferred Connection refused by mx.example.net."},
		{id + ": to=<a@example.net>, delay=00:00:01, mailer=esmtp, relay=mx.example.net. [192.0.2.1], dsn=5.1.1, stat=User unknown", id + " a@example.net  mx.example.net 1s 5.1.1 bounced User unknown"},
		{id + ": to=<a@example.net>, delay=00:00:01, mailer=esmtp, relay=mx.example.net. [192.0.2.1], dsn=5.0.0, reply=550 5.7.1 blocked using zen.spamhaus.org, stat=Service unavailable",
			id + " a@example.net  mx.example.net 1s 5.0.0 bounced 550 5.7.1 blocked using zen.spamhaus.org (Service unavailable)"},
		{id + ": to=<a@nowhere.example>, delay=00:00:01, mailer=esmtp, relay=nowhere.example, dsn=5.1.2, stat=Host unknown (Name server: nowhere.example: host not found)", id + " a@nowhere.example  nowhere.example 1s 5.1.2 bounced Host unknown (Name server: nowhere.example: host not found)"},
		{id + ": to=<a@example.net>, delay=00:00:01, mailer=esmtp, dsn=4.3.0, stat=Operating system error", id + " a@example.net   1s 4.3.0 deferred Operating system error"},
		{id + ": to=<a@example.net>, delay=00:00:00, xdelay=00:00:00, mailer=relay, pri=30135, relay=[127.0.0.1] [127.0.0.1], dsn=4.2.2, reply=450 4.2.2 mailbox full, stat=Deferred: 450 4.2.2 mailbox full",
			id + " a@example.net   0s 4.2.2 deferred 450 4.2.2 mailbox full"}, // a sendmail 8.17
		{id + ": to=<a@example.net>, stat=Sent", id + " a@example.net   0s  sent "},
		{id + ": 6ASDX3m5023150: DSN: Cannot send message for 5 days", id + "    0s  expired Cannot send message for 5 days"},
		// None of ours.
		{id + ": to=<a@example.net>, delay=00:00:00, mailer=esmtp, pri=30000, stat=queued", ""},
		{id + ": to=<a@example.net>, delay=99:99:99, mailer=esmtp, pri=30000, stat=queued (x)", ""},
		{id + ": 6ASDX3m5023150: DSN: Warning: could not send message for past 4 hours", ""},
		{id + ": to=\"|/usr/bin/vacation a@example.net\", ctladdr=a, delay=00:00:00, mailer=prog, dsn=2.0.0, stat=Sent", ""},
		{id + ": from=<a@example.org>, size=100, class=0, nrcpts=1, msgid=<x@example.org>, stat=Sent", ""},
		{id + ": to=<a@example.net>", ""},
	} {
		for _, program := range []string{"sendmail", "sm-mta"} {
			if got := brief(ParseMessage(now, program, c.message)); got != c.want {
				t.Errorf("%s\n got %q\nwant %q", c.message, got, c.want)
			}
		}
		if got := ParseMessage(now, "logger", c.message); got != nil {
			t.Errorf("another program's: %+v", got)
		}
	}
}

// A time without a year is of the last year in which it was.
func TestYear(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stamp string
		now   time.Time
		want  string
	}{
		{"Nov 28 13:31:32", now, "2026-11-28T13:31:32Z"},
		{"Nov 28 23:59:59", now, "2026-11-28T23:59:59Z"},
		{"Dec 31 23:59:59", now, "2025-12-31T23:59:59Z"},
		{"Jan  1 00:00:00", now, "2026-01-01T00:00:00Z"},
		{"Dec 31 23:59:59", time.Date(2027, 1, 1, 0, 0, 1, 0, time.UTC), "2026-12-31T23:59:59Z"},
		{"Jan  1 00:00:01", time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), "2027-01-01T00:00:01Z"}, // the other clock is ahead
		{"Feb 29 12:00:00", time.Date(2028, 3, 1, 0, 0, 0, 0, time.UTC), "2028-02-29T12:00:00Z"},
		{"Nov 28 13:31:32", now.In(berlin), "2026-11-28T13:31:32+01:00"},
		{"Jul  1 13:31:32", now.In(berlin), "2026-07-01T13:31:32+02:00"},
	} {
		got := Parse(c.stamp+" mail postfix/smtp[1]: "+bounced, c.now)
		if len(got) != 1 || got[0].At.Format(time.RFC3339) != c.want {
			t.Errorf("%s: %+v", c.stamp, got)
		}
	}
}

// log writes a log as Postfix does.
type log struct {
	*testing.T
	path string
	n    int
}

func (l *log) write(text string) {
	l.Helper()
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		l.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		l.Fatal(err)
	}
	if err := f.Close(); err != nil {
		l.Fatal(err)
	}
}

func (l *log) line() string {
	l.n++
	return fmt.Sprintf("Nov 28 13:31:32 mail postfix/smtp[1]: ID%05d: to=<a@example.net>, relay=none, delay=1, dsn=4.4.1, status=deferred (x)\n", l.n)
}

// ids reads on and returns the numbers of what was found.
func ids(t *testing.T, f *File) []string {
	t.Helper()
	got := []string{}
	if err := f.Read(func(d Delivery) { got = append(got, strings.TrimLeft(strings.TrimPrefix(d.QueueID, "ID"), "0")) }); err != nil {
		t.Fatal(err)
	}
	return got
}

func expect(t *testing.T, f *File, want ...string) {
	t.Helper()
	if got := ids(t, f); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("read %q, want %q", got, want)
	}
}

func clock() time.Time { return now }

func TestFollow(t *testing.T) {
	l := &log{T: t, path: filepath.Join(t.TempDir(), "mail.log")}
	l.write(l.line()) // the past
	f := NewFile(l.path, Position{}, clock)
	expect(t, f)
	l.write(l.line() + "something else\n" + l.line())
	expect(t, f, "2", "3")

	part := l.line()
	l.write(part[:40])
	expect(t, f)
	l.write(part[40:])
	expect(t, f, "4")

	// Renamed: the old file is read to its end, also what comes late.
	l.write(l.line())
	rename(t, l.path, l.path+".1")
	old := *l
	old.path += ".1"
	old.write("Nov 28 13:31:32 mail postfix/smtp[1]: ID00006: to=<a@example.net>, relay=none, delay=1, dsn=4.4.1, status=deferred (x)\n")
	l.n = 6
	expect(t, f, "5", "6")
	l.write(l.line())
	expect(t, f, "7")

	// Truncated (copytruncate).
	truncate(t, l.path)
	l.write(l.line()[:0] + "x\n")
	expect(t, f)
	l.write(l.line())
	expect(t, f, "9")

	// A line that never ends, and what comes after it.
	l.write(strings.Repeat("status=", maxLine) + "\n" + l.line())
	expect(t, f, "10")
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// Of a file that was not there before all is new.
func TestFollowNewFile(t *testing.T) {
	l := &log{T: t, path: filepath.Join(t.TempDir(), "mail.log")}
	f := NewFile(l.path, Position{}, clock)
	if err := f.Read(nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	l.write(l.line())
	expect(t, f, "1")
}

// Another run goes on where the last one ended, whatever happened to the file meanwhile.
func TestGoOn(t *testing.T) {
	l := &log{T: t, path: filepath.Join(t.TempDir(), "mail[1].log")}
	l.write("x\n")
	f := NewFile(l.path, Position{}, clock)
	expect(t, f)
	l.write(l.line())
	expect(t, f, "1")
	pos := f.pos
	f.Close()

	l.write(l.line())
	again := NewFile(l.path, pos, clock)
	expect(t, again, "2")
	pos = again.pos
	again.Close()

	l.write(l.line())
	rename(t, l.path, l.path+"-20261129")
	l.write(l.line())
	again = NewFile(l.path, pos, clock)
	expect(t, again, "3", "4")
	pos = again.pos
	again.Close()

	// Truncated after it was copied, and grown beyond what was read of it.
	l.write(l.line())
	content, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path+".1", content, 0o600); err != nil {
		t.Fatal(err)
	}
	truncate(t, l.path)
	for range 4 {
		l.write(l.line())
	}
	again = NewFile(l.path, pos, clock)
	expect(t, again, "5", "6", "7", "8", "9")
	pos = again.pos
	again.Close()

	// Rotated and compressed.
	l.write(l.line())
	compress(t, l.path, l.path+".2.gz")
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	l.write(l.line())
	again = NewFile(l.path, pos, clock)
	expect(t, again, "10", "11")
	pos = again.pos
	again.Close()

	// Gone: what was in it can't be had, the new one is read whole.
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	l.write(l.line() + l.line())
	again = NewFile(l.path, pos, clock)
	expect(t, again, "12", "13")
	again.Close()
}

// A file that is compressed is not whole yet, or damaged: what there is, is read.
func TestFinishDamaged(t *testing.T) {
	l := &log{T: t, path: filepath.Join(t.TempDir(), "mail.log")}
	l.write("x\n")
	f := NewFile(l.path, Position{}, clock)
	expect(t, f)
	l.write(l.line())
	expect(t, f, "1")
	pos := f.pos
	f.Close()
	for range 100 {
		l.write(l.line())
	}
	compress(t, l.path, l.path+".1.gz")
	packed, err := os.ReadFile(l.path + ".1.gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path+".1.gz", packed[:len(packed)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	l.n = 200
	l.write(l.line())
	again := NewFile(l.path, pos, clock)
	got := ids(t, again)
	if len(got) < 2 || got[0] != "2" || got[len(got)-1] != "201" {
		t.Errorf("read %q", got)
	}
	again.Close()
}

func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
}

func compress(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(text)
	if err := errors.Join(err, z.Close(), os.WriteFile(to, packed.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

const journal = `{"__CURSOR":"c1","__REALTIME_TIMESTAMP":"1795872692000000","SYSLOG_IDENTIFIER":"postfix/smtp","MESSAGE":"4jcB5J3KD5z1TL3N: to=<a@example.net>, relay=none, delay=1, dsn=4.4.1, status=deferred (x)","_PID":"1"}
{"__CURSOR":"c2","__REALTIME_TIMESTAMP":"1795872693000000","SYSLOG_IDENTIFIER":"postfix/qmgr","MESSAGE":null}
garbage
{"__CURSOR":"c3","__REALTIME_TIMESTAMP":"1795872694000000","SYSLOG_IDENTIFIER":"postfix/smtp","MESSAGE":[52,106,99,66,53,58,32,116,111,61,60,252,64,98,62,44,32,115,116,97,116,117,115,61,115,101,110,116,32,40,120,41]}
`

// A program in the place of journalctl: this machine may have no journal. It writes
// entries, and ends; the follower starts it again behind the last one.
func TestJournald(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "journalctl")
	script := "#!/bin/sh\necho \"$@\" >>" + dir + "/calls\ncase \"$*\" in *after-cursor*) exec sleep 60 ;; esac\ncat <<'END'\n" + journal + "END\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	j := NewJournald("", Position{})
	j.find = func(string) (string, error) { return program, nil }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []Delivery
	var pos Position
	j.Run(ctx, func(d []Delivery, p Position) {
		got, pos = append(got, d...), p
	}, func(err error) {
		if err != nil {
			cancel() // it ended, and all was handed over
		}
	})
	if len(got) != 2 || got[0].Status != Deferred || got[0].At.Unix() != 1795872692 || got[1].Recipient != "\xfc@b" || pos.Cursor != "c3" {
		t.Errorf("got %+v, %+v", got, pos)
	}
	if args := strings.Join(NewJournald("", pos).arguments(), " "); !strings.Contains(args, "--after-cursor=c3") || strings.Contains(args, "--lines") {
		t.Errorf("arguments %s", args)
	}
}

// Where it begins is kept also if no delivery was logged yet.
func TestJournaldBegins(t *testing.T) {
	j := NewJournald("", Position{})
	entries := make(chan entry, 2)
	entries <- entry{program: "postfix/smtpd", message: "connect from x", cursor: "c1"}
	close(entries)
	var kept []Position
	j.collect(entries, func(found []Delivery, pos Position) { kept = append(kept, pos) }, func() {})
	if !slices.Equal(kept, []Position{{Cursor: "c1"}}) {
		t.Errorf("kept %v", kept)
	}
}

// A journalctl that is missing is looked for again, and what it complains about is told.
func TestJournaldIsLookedForAgain(t *testing.T) {
	program := filepath.Join(t.TempDir(), "journalctl")
	j := NewJournald("", Position{})
	j.pause = time.Millisecond
	j.find = func(string) (string, error) { return exec.LookPath(program) }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var told []string
	j.Run(ctx, nil, func(err error) {
		told = append(told, err.Error())
		if len(told) == 1 {
			script := "#!/bin/sh\necho 'Hint: You are currently not seeing messages from the system.' >&2\nexec sleep 60\n"
			if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
				t.Error(err)
			}
			return
		}
		cancel()
	})
	if len(told) != 2 || !strings.Contains(told[0], "no such file") || !strings.Contains(told[1], "journalctl says: Hint: You are currently not seeing") {
		t.Errorf("told %q", told)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("Nov 28 13:31:32 mail postfix/smtp[19863]: " + bounced)
	f.Add("Nov 28 13:31:32 mail sm-mta[1]: 6ASDX3ZL023147: to=<a@example.net>,b@example.net, delay=1+00:00:03, relay=mx. [192.0.2.1], dsn=4.0.0, reply=450 x, stat=Deferred: y")
	f.Add("Nov 28 13:31:32 mail postfix/qmgr[1]: 9F1A2B3C4D: from=<a@example.net>, status=expired, returned to sender")
	f.Add("<22>1 2026-11-28T13:31:32Z mail postfix/smtp 1 - [a b=\"c\"] " + bounced)
	f.Fuzz(func(t *testing.T, line string) {
		for _, d := range Parse(line, now) {
			if d.QueueID == "" || d.Status == "" || d.Delay < 0 || d.Recipient == "" && d.Original == "" && d.Status != Expired && !strings.Contains(line, "to=<>") {
				t.Errorf("%q: %+v", line, d)
			}
		}
	})
}

// An entry that is longer than any, which everybody may write, is passed over, and no
// reason to end: it would be the next one again.
func TestJournaldLongEntry(t *testing.T) {
	line := func(message string) string {
		return fmt.Sprintf(`{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1795872692000000","SYSLOG_IDENTIFIER":"postfix/smtp","MESSAGE":%q}`, message) + "\n"
	}
	var got []string
	err := readJournal(strings.NewReader(line("one")+line(strings.Repeat("x", 2*maxEntry))+"no json\n"+line("two")), func(e entry) { got = append(got, e.message) })
	if err != nil || !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%v, %.100q", err, got)
	}
}
