package maillog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
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
		"<22>Nov 28 13:31:32 mail postfix/smtp[19863]: " + bounced,
		"<22>1 2026-11-28T13:31:32Z mail.example.org postfix/smtp 19863 - - " + bounced, // RFC 5424
		"1 2026-11-28T13:31:32Z mail.example.org postfix/smtp 19863 - [origin ip=\"192.0.2.9\" x=\"a b\"] \xef\xbb\xbf" + bounced,
	} {
		got, ok := Parse(line, now)
		got.At = got.At.UTC()
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%.60q: %v\n got %+v\nwant %+v", line, ok, got, want)
		}
	}
}

func TestParseMessage(t *testing.T) {
	for _, c := range []struct{ program, message, want string }{
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=none, delay=3600, delays=3600/0/0/0, dsn=4.4.1, status=deferred (connect to mx[192.0.2.1]:25: Connection refused)",
			"9F1A2B3C4D a@example.net   1h0m0s 4.4.1 deferred connect to mx[192.0.2.1]:25: Connection refused"},
		{"postfix-out/relay/smtp", "9F1A2B3C4D: to=<a@example.net>, orig_to=<b@example.org>, relay=mx.example.net[2001:db8::1]:25, conn_use=2, delay=1.5, delays=0/0/1/0.5, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as X)",
			"9F1A2B3C4D a@example.net b@example.org mx.example.net 1.5s 2.0.0 sent 250 2.0.0 Ok: queued as X"},
		{"postfix/lmtp", `9F1A2B3C4D: to=<"a, b"@example.net>, relay=mail[private/dovecot-lmtp], delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250)`,
			`9F1A2B3C4D "a, b"@example.net  mail 100ms 2.0.0 sent 250`},
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.0.0, status=SOFTBOUNCE (host said: 550 no)",
			"9F1A2B3C4D a@example.net  mx 1s 5.0.0 deferred host said: 550 no"},
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=none, delay=x, dsn=5.0.0, status=bounced", "9F1A2B3C4D a@example.net   0s 5.0.0 bounced "},
		// None of ours.
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, relay=local, dsn=2.0.0, status=deliverable (delivers to command)", ""},
		{"postfix/qmgr", "9F1A2B3C4D: from=<a@example.net>, status=expired, returned to sender", ""},
		{"postfix/smtp", "9F1A2B3C4D: to=<a@example.net>, status", ""},
		{"postfix/smtp", "warning: something status=sent", ""},
		{"postfix/smtp", "NOQUEUE!: to=<a>, status=sent (x)", ""},
		{"myapp", "9F1A2B3C4D: to=<a@example.net>, relay=none, status=sent (x)", ""},
	} {
		d, ok := ParseMessage(now, c.program, c.message)
		got := ""
		if ok {
			got = fmt.Sprintf("%s %s %s %s %v %s %s %s", d.QueueID, d.Recipient, d.Original, d.Relay, d.Delay, d.Code, d.Status, d.Text)
		}
		if got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.message, got, c.want)
		}
	}
}

// A time without a year is of the last year in which it was.
func TestYear(t *testing.T) {
	line := func(stamp string) string { return stamp + " mail postfix/smtp[1]: " + bounced }
	for stamp, want := range map[string]int{"Nov 28 13:31:32": 2026, "Nov 28 23:59:59": 2026, "Dec 31 23:59:59": 2025, "Jan  1 00:00:00": 2026} {
		if d, ok := Parse(line(stamp), now); !ok || d.At.Year() != want {
			t.Errorf("%s: %v %v", stamp, d.At, ok)
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
	if err := os.Truncate(l.path, 0); err != nil {
		t.Fatal(err)
	}
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
	pos := f.Position()
	f.Close()

	l.write(l.line())
	again := NewFile(l.path, pos, clock)
	expect(t, again, "2")
	pos = again.Position()
	again.Close()

	l.write(l.line())
	rename(t, l.path, l.path+"-20261129")
	l.write(l.line())
	again = NewFile(l.path, pos, clock)
	expect(t, again, "3", "4")
	pos = again.Position()
	again.Close()

	// Rotated and compressed: what was in it can't be had, the new one is read whole.
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	l.write(l.line() + l.line())
	if again = NewFile(l.path, pos, clock); again.pos.Inode == 0 {
		t.Fatal("no inode")
	}
	if got := ids(t, again); got[len(got)-1] != "6" {
		t.Errorf("read %q", got)
	}
	again.Close()
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
	j := &Journald{program, Position{}}
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
	if args := strings.Join((&Journald{program, pos}).arguments(), " "); !strings.Contains(args, "--after-cursor=c3") || strings.Contains(args, "--lines") {
		t.Errorf("arguments %s", args)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("Nov 28 13:31:32 mail postfix/smtp[19863]: " + bounced)
	f.Add("<22>1 2026-11-28T13:31:32Z mail postfix/smtp 1 - [a b=\"c\"] " + bounced)
	f.Fuzz(func(t *testing.T, line string) {
		if d, ok := Parse(line, now); ok && (d.QueueID == "" || d.Status == "" || d.Delay < 0) {
			t.Errorf("%q: %+v", line, d)
		}
	})
}
