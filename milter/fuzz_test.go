package milter

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pratique/message"
	"pratique/milter/miltertest"
)

// scripted is an MTA that sends what it was given, whatever it is answered, and hangs up.
type scripted struct {
	in     io.Reader
	out    bytes.Buffer
	closed chan struct{}
	once   sync.Once
}

func newScripted(in []byte) *scripted {
	return &scripted{in: bytes.NewReader(in), closed: make(chan struct{})}
}

func (s *scripted) Read(p []byte) (int, error)     { return s.in.Read(p) }
func (s *scripted) Write(p []byte) (int, error)    { return s.out.Write(p) }
func (s *scripted) Close() error                   { s.once.Do(func() { close(s.closed) }); return nil }
func (*scripted) LocalAddr() net.Addr              { return &net.UnixAddr{Net: "unix"} }
func (*scripted) RemoteAddr() net.Addr             { return &net.UnixAddr{Net: "unix"} }
func (*scripted) SetDeadline(time.Time) error      { return nil }
func (*scripted) SetReadDeadline(time.Time) error  { return nil }
func (*scripted) SetWriteDeadline(time.Time) error { return nil }

// recorded are sessions that real MTAs held, as they sent them.
func recorded(t testing.TB) map[string][]byte {
	files, err := filepath.Glob("testdata/sessions/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no recorded sessions", err)
	}
	sessions := make(map[string][]byte)
	for _, file := range files {
		if sessions[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return sessions
}

// TestRecordedSessions replays what Postfix 3.7.11 and Sendmail 8.17.1 sent. The
// filter of that time refused some of the messages, of which they then sent no
// more; here, where nothing is refused, those were aborted.
func TestRecordedSessions(t *testing.T) {
	const accepted, aborted = message.Accepted, message.Aborted
	smtp := message.Client{Name: "[127.0.0.1]", Addr: loopback, Helo: "client.example.org", Daemon: "mail.example.org"}
	local := message.Client{Name: "localhost", Addr: loopback, Local: true, Helo: "localhost", Daemon: "mail.example.org"}
	mixed := []message.Verdict{accepted, aborted, aborted, aborted, accepted, accepted, aborted, accepted}
	for name, want := range map[string]struct {
		client   message.Client
		sender   string
		verdicts []message.Verdict
	}{
		"postfix-smtp":                  {smtp, "a@example.org", mixed},
		"postfix-local":                 {local, "a@example.org", []message.Verdict{accepted}},
		"postfix-local-refused":         {local, "a@example.org", []message.Verdict{aborted}},
		"postfix-local-refused-at-mail": {local, "bad@example.org", []message.Verdict{aborted}},
		"postfix-bounce":                {local, "", []message.Verdict{accepted}},
		"sendmail-smtp":                 {message.Client{Name: "localhost", Addr: loopback, Helo: "client.example.org", Daemon: "MTA"}, "a@example.org", mixed},
		"sendmail-bs":                   {message.Client{Name: "localhost", Addr: loopback, Local: true, Helo: "x"}, "a@example.org", []message.Verdict{accepted}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newActor()
			mta := newScripted(recorded(t)[name])
			New(DefaultOptions(), a.pipelineFunc(), slog.New(slog.DiscardHandler)).serve(context.Background(), mta)
			<-mta.closed
			for i, verdict := range want.verdicts {
				o := a.next(t)
				client := o.m.Client
				client.Port = 0
				if o.Verdict != verdict || client != want.client || i == 0 && o.m.Sender != want.sender {
					t.Errorf("message %d was %v, from %+v, sender %q", i, o.Verdict, o.m.Client, o.m.Sender)
				}
				if verdict == accepted && (o.m.QueueID == "" || len(o.m.Recipients) == 0 || o.m.BodySize == 0) {
					t.Errorf("message %d: queue id %q, %d recipients, %d octets", i, o.m.QueueID, len(o.m.Recipients), o.m.BodySize)
				}
			}
			a.none(t)
		})
	}
}

// TestAnySplitOfASessionIsTheSame: how the octets of a session come makes no difference.
func TestAnySplitOfASessionIsTheSame(t *testing.T) {
	for name, session := range recorded(t) {
		replies := func(in io.Reader) string {
			mta := newScripted(nil)
			mta.in = in
			New(DefaultOptions(), newActor().pipelineFunc(), slog.New(slog.DiscardHandler)).serve(context.Background(), mta)
			<-mta.closed
			return mta.out.String()
		}
		whole := replies(bytes.NewReader(session))
		if octets := replies(iotest.OneByteReader(bytes.NewReader(session))); octets != whole {
			t.Errorf("%s: octet by octet it is answered %q, in one piece %q", name, octets, whole)
		}
		if halves := replies(iotest.HalfReader(bytes.NewReader(session))); halves != whole {
			t.Errorf("%s: in halves it is answered %q, in one piece %q", name, halves, whole)
		}
	}
}

func FuzzFrames(f *testing.F) {
	for _, session := range recorded(f) {
		f.Add(session)
	}
	f.Add(miltertest.Frame('M', []byte("<a@example.org>\x00")))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 1, 0, 1, 'B'})
	f.Add([]byte{0, 4, 0, 0, 'L', 'x'})
	f.Fuzz(func(t *testing.T, in []byte) {
		c := newConn(context.Background(), New(DefaultOptions(), nil, slog.New(slog.DiscardHandler)), newScripted(in))
		var again []byte
		for {
			code, data, err := c.readFrame()
			if err != nil {
				break
			}
			if len(data) >= int(frameLimit(code)) {
				t.Fatalf("a frame of %d octets", len(data))
			}
			again = append(again, miltertest.Frame(code, data)...)
		}
		if !bytes.HasPrefix(in, again) {
			t.Fatalf("%q was read as %q", in, again)
		}
		if len(c.in.buf) > frameHead+maxHeaderFrame+readBuffer {
			t.Fatalf("%d octets were set aside for an input of %d", len(c.in.buf), len(in))
		}
	})
}

// FuzzSession plays any octets through the whole edge. Each message that began
// must be told to be over once, with its inspector closed, and what is answered
// must be whole frames.
func FuzzSession(f *testing.F) {
	frame := miltertest.Frame
	offer := frame('O', []byte("\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff"))
	old := frame('O', []byte("\x00\x00\x00\x02\x00\x00\x00\x3f\x00\x00\x00\x7f"))
	client := append(frame('D', []byte("C{daemon_name}\x00MTA\x00")), frame('C', []byte("c.example\x004\x04\x01192.0.2.1\x00"))...)
	mail := bytes.Join([][]byte{
		frame('D', []byte("Mi\x00ID\x00{auth_authen}\x00shop\x00")), frame('M', []byte("<a@example.org>\x00SIZE=1\x00")),
		frame('R', []byte("<b@example.net>\x00")), frame('T', nil), frame('L', []byte("From\x00 a@example.org\x00")),
		frame('N', nil), frame('B', []byte("text\r\n")), frame('E', nil), frame('A', nil),
	}, nil)
	for _, session := range recorded(f) {
		f.Add(session)
	}
	f.Add(bytes.Join([][]byte{offer, client, mail, mail, frame('K', nil), client, mail, frame('Q', nil)}, nil))
	f.Add(bytes.Join([][]byte{old, client, mail, frame('A', nil)}, nil))
	f.Add(bytes.Join([][]byte{offer, frame('C', []byte("x\x00U")), frame('U', []byte("XYZZY\x00")), mail[:90]}, nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<16 {
			return
		}
		a := newActor()
		admitted := 0
		a.at, a.act = message.StageMail, func(context.Context, *message.Message) error { admitted++; return nil }
		a.outcomes = make(chan outcome, len(in)/5+1)
		s := New(DefaultOptions(), a.pipelineFunc(), slog.New(slog.DiscardHandler))
		mta := newScripted(in)
		s.serve(context.Background(), mta)
		<-mta.closed
		if len(a.outcomes) != admitted || a.began != a.closed {
			t.Errorf("%d messages began, %d outcomes were told; %d inspectors begun, %d closed", admitted, len(a.outcomes), a.began, a.closed)
		}
		for out := mta.out.Bytes(); len(out) > 0; {
			if len(out) < 5 || int(binary.BigEndian.Uint32(out)) > len(out)-4 {
				t.Fatalf("a reply is not whole: %q", out)
			}
			out = out[4+binary.BigEndian.Uint32(out):]
		}
	})
}
