package milter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-milter"

	"pratique/message"
	"pratique/milter/miltertest"
)

// stillServes expects that others are served as if nothing had been.
func stillServes(t *testing.T, r *running, a *actor) {
	t.Helper()
	c := connect(t, r, miltertest.Postfix(), testClient)
	if result := send(t, c, testMail()); !result.Reply.Accepts() {
		t.Errorf("another connection is answered %v", result.Reply)
	}
	if o := a.next(t); o.Verdict != message.Accepted {
		t.Errorf("another connection's message was %v", o.Verdict)
	}
}

func TestBadFramesEndTheirConnectionOnly(t *testing.T) {
	frame := miltertest.Frame
	offer := frame('O', []byte("\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff"))
	after := func(frames ...[]byte) []byte { return append(bytes.Clone(offer), bytes.Join(frames, nil)...) }
	mail := frame('M', []byte("<a@example.org>\x00"))
	for _, tc := range []struct {
		name string
		sent []byte
		log  string
	}{
		{"zero length", after([]byte{0, 0, 0, 0}), "length zero"},
		{"oversized", after([]byte{0, 1, 0, 1, 'M'}), "65537 octets"},
		{"huge", after([]byte{0xff, 0xff, 0xff, 0xff, 'B'}), "4294967295 octets"},
		{"oversized field", after(mail, []byte{0, 4, 0, 1, 'L'}), "262145 octets"},
		{"an SMTP client", []byte("EHLO client.example\r\n"), "octets"},
		{"unknown command", after(frame('Z', nil)), "unknown command 'Z'"},
		{"before negotiation", frame('C', []byte("x\x004\x04\x01192.0.2.1\x00")), "before it negotiated"},
		{"short offer", frame('O', []byte{0, 0, 0, 6}), "4 octets"},
		{"version 1", frame('O', []byte("\x00\x00\x00\x01\x00\x00\x01\xff\x00\x1f\xff\xff")), "version 1"},
		{"no actions", frame('O', []byte("\x00\x00\x00\x06\x00\x00\x00\x00\x00\x1f\xff\xff")), "does not let header fields be added"},
		{"second offer", after(offer), "second time"},
		{"CONNECT without anything", after(frame('C', nil)), "no address family"},
		{"CONNECT without family", after(frame('C', []byte("client.example\x00"))), "no address family"},
		{"CONNECT of another family", after(frame('C', []byte("x\x00X\x00\x00y\x00"))), "unknown address family"},
		{"CONNECT without port", after(frame('C', []byte("client.example\x004"))), "no port"},
		{"CONNECT with half a port", after(frame('C', []byte("client.example\x006\x01"))), "no port"},
		{"macros of nothing", after(frame('D', nil)), "without their command"},
		{"RCPT first", after(frame('R', []byte("<b@example.net>\x00"))), "'R' without a MAIL"},
		{"DATA first", after(frame('T', nil)), "'T' without a MAIL"},
		{"header first", after(frame('L', []byte("a\x00b\x00"))), "'L' without a MAIL"},
		{"end of header first", after(frame('N', nil)), "'N' without a MAIL"},
		{"body first", after(frame('B', []byte("x"))), "'B' without a MAIL"},
		{"end first", after(frame('E', nil)), "'E' without a MAIL"},
		{"header after its end", after(mail, frame('N', nil), frame('L', []byte("a\x00b\x00"))), "'L' out of order"},
		{"second end of header", after(mail, frame('N', nil), frame('N', nil)), "'N' out of order"},
		{"RCPT after the header", after(mail, frame('N', nil), frame('R', []byte("<b@example.net>\x00"))), "'R' out of order"},
		{"DATA after the header", after(mail, frame('N', nil), frame('T', nil)), "'T' out of order"},
		{"end twice", after(mail, frame('E', nil), frame('E', nil)), "'E' without a MAIL"},
		{"field without NUL", after(mail, frame('L', []byte("Subject"))), "malformed header field"},
		{"field without name", after(mail, frame('L', []byte("\x00value\x00"))), "malformed header field"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newActor()
			r := startActor(t, a, message.Tempfail)
			nc, err := net.Dial("unix", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := nc.Write(tc.sent); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, nc); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Fatalf("the server should have hung up: %v", err)
			}
			if bytes.Contains(tc.sent, mail) {
				if o := a.next(t); o.Verdict != message.Lost && tc.name != "end twice" {
					t.Errorf("the message was %v", o.Verdict)
				}
			}
			stillServes(t, r, a)
			logged(t, r, tc.log)
		})
	}
}

// recorder keeps what was written to a connection.
type recorder struct {
	net.Conn
	sent bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.sent.Write(p)
	return r.Conn.Write(p)
}

// TestConnectionCutAtEveryOctet replays a good session of two messages and cuts
// it everywhere: each message that began is told to be over once, whatever the
// place, and nobody else is troubled.
func TestConnectionCutAtEveryOctet(t *testing.T) {
	a := newActor()
	r := startActor(t, a, message.Tempfail)
	nc, err := net.Dial("unix", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{Conn: nc}
	c := miltertest.New(rec, miltertest.Postfix())
	if err := c.Negotiate(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Connect(testClient); err != nil {
		t.Fatal(err)
	}
	mail := testMail()
	mail.Header = mail.Header[:2]
	for range 2 {
		send(t, c, mail)
		if o := a.next(t); o.Verdict != message.Accepted {
			t.Fatalf("the recorded message was %v", o.Verdict)
		}
	}
	c.Quit()

	session := rec.sent.Bytes()
	mails := frameEnds(session, 'M')
	ends := frameEnds(session, 'E')
	for cut := range session {
		nc, err := net.Dial("unix", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(20 * time.Second))
		nc.Write(session[:cut])
		nc.(*net.UnixConn).CloseWrite()
		io.Copy(io.Discard, nc)
		nc.Close()
		for i, mailEnd := range mails {
			if cut < mailEnd {
				continue
			}
			want := message.Lost
			if cut >= ends[i] {
				want = message.Accepted
			}
			if o := a.next(t); o.Verdict != want || o.began != o.closed {
				t.Fatalf("cut at octet %d: message %d was %v (%q), want %v; %d inspectors begun, %d closed", cut, i, o.Verdict, o.Reason, want, o.began, o.closed)
			}
		}
	}
	stillServes(t, r, a)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	a.none(t)
}

// frameEnds returns where the frames of a command end.
func frameEnds(session []byte, code byte) (ends []int) {
	for at := 0; at < len(session); {
		size := 4 + int(binary.BigEndian.Uint32(session[at:]))
		if session[at+4] == code {
			ends = append(ends, at+size)
		}
		at += size
	}
	return ends
}

func TestNULInAHeaderReachesTheChecks(t *testing.T) {
	a := newActor()
	c := connect(t, startActor(t, a, message.Tempfail), miltertest.Postfix(), testClient)
	mail := testMail()
	mail.Header = append(mail.Header, miltertest.Field{Name: "X-Nul", Value: " a\x00b\x00"})
	send(t, c, mail)
	f, ok := a.next(t).m.Header.First("X-Nul")
	if !ok || string(f.Value()) != " a\x00b\x00" {
		t.Errorf("field %q, there: %v", f.Value(), ok)
	}
}

func TestHugeHeadersAreRefusedAndNotKept(t *testing.T) {
	for name, header := range map[string][]miltertest.Field{
		"10 MB":          repeat(miltertest.Field{Name: "X-Long", Value: strings.Repeat(" x", 30_000)}, 170),
		"100,000 fields": repeat(miltertest.Field{Name: "X", Value: " y"}, 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			a := newActor()
			r := startActor(t, a, message.Tempfail)
			c := connect(t, r, miltertest.Postfix(), testClient)
			mail := testMail()
			mail.Header = header
			if result := send(t, c, mail); !strings.HasPrefix(result.Reply.SMTP(), "552 5.3.4 ") {
				t.Errorf("reply %v", result.Reply)
			}
			o := a.next(t)
			kept := 0
			for _, f := range o.m.Header.Fields() {
				kept += len(f.Raw())
			}
			if o.Verdict != message.Refused || o.m.Header.Arrived() != len(header) || kept > message.MaxHeaderBytes {
				t.Errorf("%v, %d fields, %d octets kept", o.Verdict, o.m.Header.Arrived(), kept)
			}
			if result := send(t, c, testMail()); !result.Reply.Accepts() {
				t.Errorf("the next message is answered %v", result.Reply)
			}
		})
	}
}

func repeat(f miltertest.Field, n int) []miltertest.Field {
	all := make([]miltertest.Field, n)
	for i := range all {
		all[i] = f
	}
	return all
}

func TestBodyOfEmptyLines(t *testing.T) {
	a := newActor()
	c := connect(t, startActor(t, a, message.Tempfail), miltertest.Postfix(), testClient)
	mail := testMail()
	mail.Body = bytes.Repeat([]byte("\r\n"), 25<<19)
	if result := send(t, c, mail); !result.Reply.Accepts() {
		t.Errorf("reply %v", result.Reply)
	}
	if o := a.next(t); o.m.BodySize != int64(len(mail.Body)) {
		t.Errorf("%d octets of body", o.m.BodySize)
	}
}

func TestRecipientsUpToTheCap(t *testing.T) {
	recipients := make([]miltertest.Recipient, 10_001)
	for i := range recipients {
		recipients[i].Addr = fmt.Sprintf("r%d@example.net", i)
	}
	for name, mta := range mtas() {
		t.Run(name, func(t *testing.T) {
			a := newActor()
			c := connect(t, startActor(t, a, message.Tempfail), mta, testClient)
			mail := testMail()
			mail.Recipients = recipients[:10_000]
			if result := send(t, c, mail); !result.Reply.Accepts() {
				t.Errorf("10,000 recipients: reply %v", result.Reply)
			}
			if o := a.next(t); len(o.m.Recipients) != 10_000 {
				t.Errorf("%d recipients", len(o.m.Recipients))
			}
			mail.Recipients = recipients
			if result := send(t, c, mail); !strings.HasPrefix(result.Reply.SMTP(), "452 4.5.3 ") || result.At == milter.CodeRcpt {
				t.Errorf("10,001 recipients: reply %v at %c", result.Reply, result.At)
			}
			if o := a.next(t); o.Verdict != message.Tempfailed || o.Check != "milter" || o.Stage != message.StageBegin || len(o.m.Recipients) != 10_000 {
				t.Errorf("outcome %+v, %d recipients", o.Outcome, len(o.m.Recipients))
			}
		})
	}
}

func TestEveryEndOfAMessageThatWasGivenUp(t *testing.T) {
	for name, tc := range map[string]struct {
		end    func(*miltertest.Conn) error
		want   message.Verdict
		goesOn bool
	}{
		"ABORT": {(*miltertest.Conn).Abort, message.Aborted, true},
		"two ABORTs": {func(c *miltertest.Conn) error {
			c.Put(milter.CodeAbort, nil)
			return c.Abort()
		}, message.Aborted, true},
		"another MAIL": {func(c *miltertest.Conn) error { return nil }, message.Aborted, true},
		"QUIT":         {(*miltertest.Conn).Quit, message.Aborted, false},
		"broken off":   {(*miltertest.Conn).Close, message.Lost, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newActor()
			r := startActor(t, a, message.Tempfail)
			c := connect(t, r, miltertest.Postfix(), testClient)
			for _, f := range []struct {
				code milter.Code
				data string
			}{{milter.CodeMail, "<x@example.org>\x00"}, {milter.CodeRcpt, "<y@example.net>\x00"}, {milter.CodeHeader, "A\x00 b\x00"}, {milter.CodeEOH, ""}, {milter.CodeBody, "text\r\n"}} {
				if _, err := c.Command(f.code, []byte(f.data)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := tc.end(c); err != nil {
				t.Fatal(err)
			}
			if tc.goesOn {
				if result := send(t, c, testMail()); !result.Reply.Accepts() {
					t.Errorf("the next message is answered %v", result.Reply)
				}
			}
			if o := a.next(t); o.Verdict != tc.want || o.m.Sender != "x@example.org" || o.began != o.closed {
				t.Errorf("outcome %+v, %d begun, %d closed", o.Outcome, o.began, o.closed)
			}
			if tc.goesOn {
				o := a.next(t)
				if o.Verdict != message.Accepted {
					t.Errorf("the next message was %v", o.Verdict)
				}
				checkEnvelope(t, o.m, "")
			}
			r.stop()
			a.none(t)
		})
	}
}

func TestQuitNCLeavesNothingOfTheClient(t *testing.T) {
	a := newActor()
	c := connect(t, startActor(t, a, message.Tempfail), miltertest.Sendmail(), testClient)
	send(t, c, testMail())
	a.next(t)
	if err := c.QuitNC(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Connect(miltertest.Client{Name: "other.example", Family: '6', Addr: "IPv6:2001:db8::2", Port: 7}); err != nil {
		t.Fatal(err)
	}
	send(t, c, testMail())
	got := a.next(t).m.Client
	if want := (message.Client{Name: "other.example", Addr: parseAddr("2001:db8::2"), Port: 7, Helo: "other.example"}); got != want {
		t.Errorf("client %+v, want %+v", got, want)
	}
}

func TestUnknownAndDataAreAnsweredUnlessAgreedOtherwise(t *testing.T) {
	mta := miltertest.Postfix()
	mta.Protocol = 0
	c := connect(t, startActor(t, newActor(), message.Tempfail), mta, testClient)
	for _, f := range []struct {
		code milter.Code
		data string
	}{{'U', "XYZZY\x00"}, {milter.CodeMail, "<>\x00"}, {milter.CodeRcpt, "<y@example.net>\x00"}, {milter.CodeData, ""}, {milter.CodeHeader, "A\x00b\x00"}, {milter.CodeEOH, ""}, {milter.CodeBody, "x"}} {
		if r, err := c.Command(f.code, []byte(f.data)); err != nil || !r.Continues() {
			t.Errorf("%c is answered %v, error %v", f.code, r, err)
		}
	}
}

func TestEndOfMessageMayCarryTheLastChunk(t *testing.T) {
	a := newActor()
	c := connect(t, startActor(t, a, message.Tempfail), miltertest.Postfix(), testClient)
	c.Command(milter.CodeMail, []byte("<a@example.org>\x00"))
	c.Put(milter.CodeBody, []byte("one "))
	if r, err := c.Command(milter.CodeEOB, []byte("two")); err != nil || !r.Accepts() {
		t.Fatalf("reply %v, error %v", r, err)
	}
	if o := a.next(t); string(a.body) != "one two" || o.m.BodySize != 7 {
		t.Errorf("body %q", a.body)
	}
}

func TestPanicInTheEdgeEndsItsConnectionOnly(t *testing.T) {
	a := newActor()
	calls := 0
	p := a.pipeline(message.Tempfail)
	r := start(t, testOptions(), func() *message.Pipeline {
		if calls++; calls == 2 { // at MAIL; the first time is the negotiation
			panic("no configuration")
		}
		return p
	})
	c := connect(t, r, miltertest.Postfix(), testClient)
	c.Put(milter.CodeMail, []byte("<a@example.org>\x00"))
	hangsUp(t, c)
	stillServes(t, r, a)
	logged(t, r, "no configuration", "stack=", "level=ERROR")
}

func TestLoginIsThatOfTheMessage(t *testing.T) {
	a := newActor()
	c := connect(t, startActor(t, a, message.Tempfail), miltertest.Sendmail(), miltertest.Client{Name: "c.example", Family: '4', Addr: "192.0.2.1", Port: 1})
	for _, login := range []string{"shop", ""} {
		if login != "" {
			c.Macros(milter.CodeMail, "i", "Q1", "{auth_authen}", login)
		}
		if _, err := c.Command(milter.CodeMail, []byte("<a@example.org>\x00")); err != nil {
			t.Fatal(err)
		}
		if err := c.Abort(); err != nil {
			t.Fatal(err)
		}
		if o := a.next(t); o.m.Client.Login != login || (o.m.QueueID == "") != (login == "") {
			t.Errorf("login %q, queue id %q, want login %q", o.m.Client.Login, o.m.QueueID, login)
		}
	}
}
