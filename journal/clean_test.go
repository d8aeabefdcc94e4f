package journal

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pratique/message"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"shop@example.org":             "shop@example.org",
		"J\u00f6rg":                    "J\u00f6rg",
		"a b":                          "a b",
		"red\x1b[31m":                  `red\x1b[31m`,
		"a\r\nb\tc\x00d":               `a\x0d\x0ab\x09c\x00d`,
		"\xff\xfe":                     `\xff\xfe`,
		"a\u202eb":                     `a\u202eb`, // what follows is shown backwards
		"a\u2028b\u200bc":              `a\u2028b\u200bc`,
		"\u009b31m":                    `\u009b31m`, // the same as ESC [
		"\U000e0041":                   `\U000e0041`,
		"\ufffd":                       "\ufffd",
		strings.Repeat("x", 20):        strings.Repeat("x", 20),
		strings.Repeat("x", 21):        strings.Repeat("x", 17) + "…",
		strings.Repeat("\u00f6", 11):   strings.Repeat("\u00f6", 8) + "…",
		strings.Repeat("x", 19) + "\a": strings.Repeat("x", 17) + "…",
	} {
		got := clean(text, 20)
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzRecord: whatever the world puts into a message, its record is bounded, can be
// printed, is read as it was written, and is found.
func FuzzRecord(f *testing.F) {
	f.Add("4F00000001", "1@example.org", "shop", "news@example.org", "a@example.net", "d=example.org s=a", "no key for \"x\"")
	f.Add("\x00", "<<>>", "\x1b]0;title\a", "\"a b\"@[192.0.2.1]", "@", "d= s= =", "infected with \xff")
	f.Add("\u202e", "<a\r\n b@c>", strings.Repeat("l", 10_000), "", strings.Repeat("d", 300)+"@"+strings.Repeat("e", 300), "", `<script>"&'`)
	opts := DefaultOptions()
	opts.Recipients, opts.Subject = byAddress, true
	f.Fuzz(func(t *testing.T, queueID, id, login, sender, rcpt, signed, text string) {
		m := &message.Message{
			Client: message.Client{Name: text, Helo: login, Login: login, TLS: id},
			Began:  start, QueueID: queueID, Sender: sender, Recipients: []message.Recipient{{Addr: rcpt}},
			Findings: []message.Finding{{Check: "lint", Rule: id, Action: "reject", Where: login, Detail: text}},
			Notes: []message.Note{
				{Check: "signing", Key: "signed", Text: signed}, {Check: "scanning", Key: "verdict", Text: text},
				{Check: "signing", Key: "unsigned", Code: "no_key", Text: text}, {Check: "rates", Key: rcpt, Text: text},
			},
			Failures: []message.Failure{{Check: "scanning", Err: errors.New(text)}},
			Checks:   []message.CheckRun{{Check: "lint", State: message.CheckDecided}, {Check: "scanning", State: message.CheckBroke}},
		}
		for name, value := range map[string]string{"Message-ID": id, "Subject": text} {
			_ = m.Header.Receive(message.NewField(name, " "+value)) // one that is too large is not kept
		}
		refusal := &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: text}
		r := take(m, message.Outcome{Verdict: message.Refused, Check: "lint", Refusal: refusal, Reason: text}, start, &opts).record()
		checkTexts(t, reflect.ValueOf(*r))
		var story strings.Builder
		if err := r.WriteStory(&story, time.UTC); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(r.Summary(time.UTC)+story.String(), "\n") {
			if clean(line, 1<<20) != line {
				t.Errorf("the story has %q", line)
			}
		}
		client, told, own, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		read := Record{Time: r.Time, QueueID: r.QueueID, MessageID: r.MessageID, Sender: r.Sender, Verdict: r.Verdict}
		if err := read.decode(client, told, own); err != nil || !reflect.DeepEqual(&read, r) {
			t.Errorf("wrote %+v\nread  %+v\nerror %v", *r, read, err)
		}
		for _, q := range []Query{{QueueID: queueID}, {MessageID: id}, {Login: login}, {Sender: sender}, {Recipient: rcpt}} {
			q = q.clean()
			if !q.wants(r) {
				t.Errorf("%+v does not find %+v", q, *r)
			}
		}
	})
}

// checkTexts holds every text in a value to what may be in a record.
func checkTexts(t *testing.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); len(s) > 8*longText || !utf8.ValidString(s) || clean(s, 8*longText) != s {
			t.Errorf("%q (%d octets) is in the record", s, len(s))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			checkTexts(t, v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			checkTexts(t, v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			checkTexts(t, v.Elem())
		}
	}
}

// Keys of 10 KB and with control characters are kept, found, and harm nothing.
func TestHostileKeys(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	j := begin(t, dir, c, nil)
	login, sender := strings.Repeat("\x1b[2J", 2500), strings.Repeat("a", 10_000)+"@example.org"
	m := letter(1, start)
	m.Client.Login, m.Sender, m.Client.Helo = login, sender, "'; DROP TABLE records; --"
	j.Observe(m, message.Outcome{})
	settled(t, j)
	r := reader(t, dir)
	for name, q := range map[string]Query{"login": {Login: login}, "sender": {Sender: sender}, "text": {Text: "drop table"}} {
		found, err := r.Search(context.Background(), q)
		if err != nil || len(found) != 1 || len(found[0].Client.Login) > longName || len(found[0].Sender) > longName {
			t.Errorf("%s: found %v, error %v", name, found, err)
		}
	}
	top, err := r.Top(context.Background(), ByLogin, start.Add(-time.Hour), start.Add(time.Hour), 0)
	if err != nil || len(top) != 1 || len(top[0].Key) > longKey || strings.Contains(top[0].Key, "\x1b") {
		t.Errorf("top %v, error %v", top, err)
	}
}
