package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func collect(t *testing.T, each func(func(*Entry) error) error) []Entry {
	t.Helper()
	var all []Entry
	if err := each(func(e *Entry) error { all = append(all, *e); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What a Postfix 3.7 wrote.
func TestShowq(t *testing.T) {
	got := collect(t, func(v func(*Entry) error) error { return readShowq(bytes.NewReader(golden(t, "showq.bin")), v) })
	const later = "host 127.0.0.1[127.0.0.1] said: 450 4.2.0 come back later (in reply to RCPT TO command)"
	want := []Entry{
		{Deferred, "4jcB5J3KD5z1TL3N", time.Unix(1795872692, 0), 297, "sender@example.org", []Recipient{{"c@example.net", later}}},
		{Deferred, "4jcB5J3XLlz1TJtT", time.Unix(1795872692, 0), 2331, "", []Recipient{{"sender@example.org", later}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestShowqOdd(t *testing.T) {
	message := "queue_name\x00hold\x00queue_id\x00A1\x00time\x001\x00size\x002\x00new_attribute\x00x\x00sender\x00a@b\x00recipient\x00c@d\x00reason\x00\x00\x00"
	for name, c := range map[string]struct {
		text string
		n    int
		err  error
	}{
		"empty":                {"protocol\x00mail_queue_list_protocol\x00\x00\x00", 0, nil},
		"without its protocol": {message + "\x00", 1, nil}, // Postfix 3.1 to 3.5
		"two":                  {"protocol\x00mail_queue_list_protocol\x00\x00" + message + message + "\x00", 2, nil},
		"cut off":              {message + message[:20], 1, io.ErrUnexpectedEOF},
		"without its end":      {message, 1, io.ErrUnexpectedEOF},
		"a text":               {"Mail queue is empty\x00\x00", 0, errShowq},
		"nothing":              {"", 0, io.ErrUnexpectedEOF},
		"another protocol":     {"protocol\x00mail_verify_protocol\x00\x00\x00", 0, errShowq},
		"a long reason":        {strings.Replace(message, "reason\x00", "reason\x00"+strings.Repeat("x", 1<<20), 1) + "\x00", 1, nil},
	} {
		n := 0
		err := readShowq(strings.NewReader(c.text), func(e *Entry) error {
			n++
			if e.Queue != Hold || e.Sender != "a@b" || len(e.Recipients) != 1 || len(e.Recipients[0].Reason) > 2*maxAttribute {
				t.Errorf("%s: %.200v", name, e)
			}
			return nil
		})
		if n != c.n || !errors.Is(err, c.err) {
			t.Errorf("%s: %d messages, %v", name, n, err)
		}
	}
}

func TestPostqueue(t *testing.T) {
	const text = `{"queue_name": "deferred", "queue_id": "4jcB5J3KD5z1TL3N", "arrival_time": 1795872692, "message_size": 297, "forced_expire": false, "sender": "sender@example.org", "recipients": [{"address": "c@example.net", "delay_reason": "host x[192.0.2.1] said: 450 4.2.0 come back later"}]}
{"queue_name": "active", "queue_id": "4jcB5J3XLlz1TJtT", "arrival_time": 1795872692, "message_size": 2331, "sender": "MAILER-DAEMON", "recipients": [{"address": "sender@example.org"}]}
`
	got := collect(t, func(v func(*Entry) error) error { return readPostqueue(strings.NewReader(text), v) })
	if len(got) != 2 || got[0].Recipients[0].Reason == "" || got[0].Size != 297 || got[1].Sender != "" || got[1].Queue != Active {
		t.Errorf("got %+v", got)
	}
	if err := readPostqueue(strings.NewReader("{\n"), func(*Entry) error { return nil }); err == nil {
		t.Error("a broken line is no error")
	}
}

func TestSendmailSpool(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	qf := golden(t, "qf")
	write("qf6ASDX3ZL023147", qf)
	write("df6ASDX3ZL023147", make([]byte, 1000))
	write("q1/qf/hf6ASDX3ZL023148", bytes.Replace(qf, []byte("N6"), []byte("N0"), 1))
	write("q1/df/df6ASDX3ZL023148", make([]byte, 1000))
	write("q2/qf6ASDX3ZL023149", bytes.Replace(qf, []byte("N6"), []byte("N0"), 1))
	write("xf6ASDX3ZL023147", qf)
	got := collect(t, func(v func(*Entry) error) error { return spool{dir}.Each(t.Context(), v) })
	if len(got) != 3 {
		t.Fatalf("got %+v", got)
	}
	want := Entry{Hold, "6ASDX3ZL023148", time.Unix(1795872783, 0), 1191, "sender@example.org", []Recipient{
		{"b@example.com", "450 4.2.0 come back later"}, {"a@example.net", "Connection refused by mx.example.net."}}}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got %+v", got[0])
	}
	if got[1].Queue != Incoming || got[2].Queue != Deferred || got[2].Size != 1191 {
		t.Errorf("got %+v", got[1:])
	}
	if err := (spool{filepath.Join(dir, "missing")}).Each(t.Context(), nil); err == nil {
		t.Error("a missing folder is no error")
	}
}

func TestMailq(t *testing.T) {
	now := time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)
	got := collect(t, func(v func(*Entry) error) error { return readMailq(bytes.NewReader(golden(t, "mailq.txt")), now, v) })
	want := []Entry{
		{Deferred, "6ASDX3ZL023147", time.Date(2026, 11, 28, 13, 33, 0, 0, time.UTC), 6, "sender@example.org",
			[]Recipient{{"b@example.com", "450 4.2.0 come back later"}, {"a@example.net", "Connection refused by mx.example.net."}}},
		{Active, "6ASDX3m5023150", time.Date(2025, 12, 31, 23, 59, 0, 0, time.UTC), 6, "", []Recipient{{"c@example.net", ""}}},
		{Hold, "6ASDX3m5023151", time.Date(2026, 11, 1, 1, 2, 0, 0, time.UTC), 600, "news@example.org", []Recipient{{"d@example.net", ""}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	for text, want := range map[string]error{
		"/var/spool/mqueue is empty\n\t\tTotal requests: 0\n": nil,
		"Mail queue is empty\n":                               nil, // Postfix's own mailq
		"what is this\n":                                      errMailq,
	} {
		if err := readMailq(strings.NewReader(text), now, nil); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// fake is a source of made up messages.
type fake struct {
	entries []Entry
	err     error
}

func (f fake) Name() string { return "fake" }

func (f fake) Each(_ context.Context, visit func(*Entry) error) error {
	for i := range f.entries {
		if err := visit(&f.entries[i]); err != nil {
			return err
		}
	}
	return f.err
}

func TestSample(t *testing.T) {
	now := time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	source := fake{entries: []Entry{
		{Deferred, "1", ago(time.Hour), 100, "news@Example.org", []Recipient{
			{"a@gmail.com", "host gmail-smtp-in.l.google.com[192.0.2.1] said: 421-4.7.28 Gmail has detected an unusual rate of unsolicited mail"},
			{"b@GMAIL.com.", "host alt1.gmail-smtp-in.l.google.com[192.0.2.2] said: 421-4.7.28 Gmail has detected an unusual rate of unsolicited mail"}}},
		{Deferred, "2", ago(3 * time.Hour), 200, "", []Recipient{{"c@dead.example", "connect to dead.example[192.0.2.3]:25: Connection timed out"}}},
		{Deferred, "3", ago(2 * time.Hour), 200, "x@example.org", []Recipient{{"c@soft.example", "delivery temporarily suspended: host mx[192.0.2.3] said: 550 go away"}}},
		{Active, "4", ago(time.Minute), 1, "news@example.org", []Recipient{{"d@gmail.com", ""}}},
	}}
	s, err := Take(t.Context(), source, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if s.Messages != 4 || s.Recipients != 5 || s.Bytes != 501 || s.Age() != 3*time.Hour || s.Of(Deferred) != 3 || s.Of(Active) != 1 || s.Of(Hold) != 0 {
		t.Errorf("%+v", s)
	}
	d := s.Destinations
	if len(d) != 3 || d[0].Domain != "gmail.com" || d[0].Provider != "google" || d[0].Recipients != 3 || d[0].Deferred != 2 || d[0].Oldest != ago(time.Hour) {
		t.Errorf("%+v", d)
	}
	var reasons []string
	for _, r := range s.Reasons {
		reasons = append(reasons, fmt.Sprintf("%d %s", r.Recipients, r.Key()))
		if strings.Contains(r.Example, "192.0.2") {
			t.Errorf("example %q names an address", r.Example)
		}
	}
	want := []string{"2 block/reputation 4.7.28", "1 soft/connection 4.0.0", "1 soft/system 4.0.0"}
	if !reflect.DeepEqual(reasons, want) {
		t.Errorf("reasons %q", reasons)
	}
	if s.Senders[0] != (SenderCount{"example.org", 3}) || s.Senders[1] != (SenderCount{"<>", 1}) {
		t.Errorf("senders %+v", s.Senders)
	}
	if top := s.Top(1); len(top.Destinations) != 1 || len(top.Reasons) != 1 || len(top.Senders) != 1 || len(s.Reasons) != 3 {
		t.Errorf("top %+v", top)
	}
}

// Any number of domains and of reasons takes bounded memory.
func TestSampleBounded(t *testing.T) {
	var f fake
	for i := range maxDomains + 5000 {
		f.entries = append(f.entries, Entry{Queue: Deferred, Sender: fmt.Sprintf("a@%d.example", i),
			Recipients: []Recipient{{fmt.Sprintf("b@%d.example", i), fmt.Sprintf("450 4.%d.%d later", i%10, i%999)}}})
	}
	s, err := Take(t.Context(), f, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Destinations) > maxDomains+1 || len(s.Reasons) > maxReasons || len(s.Senders) > maxDomains+1 || s.Messages != maxDomains+5000 {
		t.Errorf("%d destinations, %d reasons, %d senders, %d messages", len(s.Destinations), len(s.Reasons), len(s.Senders), s.Messages)
	}
	if s.Destinations[0].Domain != others || s.Destinations[0].Recipients != 5000 {
		t.Errorf("others: %+v", s.Destinations[0])
	}
}

// What fails at once is followed by the next; what broke in the middle is an error.
func TestFirst(t *testing.T) {
	broken := errors.New("broken")
	one := fake{entries: make([]Entry, 1)}
	s, err := Take(t.Context(), first{fake{err: broken}, one}, time.Now)
	if err != nil || s.Messages != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Take(t.Context(), first{fake{one.entries, broken}, one}, time.Now); !errors.Is(err, broken) {
		t.Errorf("broken in the middle: %v", err)
	}
	if _, err := Take(t.Context(), first{fake{err: broken}, fake{err: io.EOF}}, time.Now); !errors.Is(err, broken) || !errors.Is(err, io.EOF) {
		t.Errorf("both broken: %v", err)
	}
}

// A showq that says nothing holds nobody up.
func TestShowqSilent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "showq")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := (showq{socket}).Each(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{"auto": true, "off": true, "postfix": true, "postfix:/etc/postfix-out": true, "sendmail:/q": true,
		"": false, "exim": false, "auto:/x": false, "postfix:etc": false, "off:/x": false, "sendmail:": false} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzQueues(f *testing.F) {
	f.Add(golden(f, "showq.bin"))
	f.Add(golden(f, "qf"))
	f.Add(golden(f, "mailq.txt"))
	f.Add([]byte(`{"queue_name":"a","recipients":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newCollector(time.Unix(0, 0))
		_ = readShowq(bytes.NewReader(data), c.add)
		_ = readPostqueue(bytes.NewReader(data), c.add)
		_ = readMailq(bytes.NewReader(data), time.Unix(0, 0), c.add)
		if e, err := parseControlFile(bytes.NewReader(data)); err == nil {
			_ = c.add(e)
		}
		c.sample()
	})
}
