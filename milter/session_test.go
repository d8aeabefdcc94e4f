package milter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/emersion/go-milter"

	"pratique/message"
	"pratique/milter/miltertest"
)

// mtas are the MTAs that every behaviour is tried with.
func mtas() map[string]miltertest.MTA {
	old := miltertest.Postfix()
	old.Version, old.Actions, old.Protocol = 2, 0x3f, 0x7f
	return map[string]miltertest.MTA{"postfix": miltertest.Postfix(), "sendmail": miltertest.Sendmail(), "version2": old}
}

func TestEveryActionAtEveryStage(t *testing.T) {
	actions := []struct {
		name   string
		act    func(context.Context, *message.Message) error
		policy message.OnError
		want   message.Verdict
		reply  string // SMTP reply, or the name of the answer
	}{
		{"nothing", nil, 0, message.Accepted, "a"},
		{"refuse", func(context.Context, *message.Message) error {
			return &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "no\nnever"}
		}, 0, message.Refused, "550-5.7.1 no\r\n550 5.7.1 never"},
		{"tempfail", func(context.Context, *message.Message) error {
			return &message.Refusal{Code: 451, Enhanced: "4.7.1", Text: "later"}
		}, 0, message.Tempfailed, "451 4.7.1 later"},
		{"discard", func(context.Context, *message.Message) error { return &message.Discard{Reason: "virus"} }, 0, message.Discarded, "d"},
		{"hold", func(_ context.Context, m *message.Message) error { m.Hold("for a look"); return nil }, 0, message.Held, "a"},
		{"pass", func(context.Context, *message.Message) error { return message.ErrPass }, 0, message.Passed, "a"},
		{"break, tempfail", func(context.Context, *message.Message) error { return errors.New("disk on fire") }, message.Tempfail, message.Tempfailed, "451 4.3.0 "},
		{"break, accept", func(context.Context, *message.Message) error { return errors.New("disk on fire") }, message.Accept, message.Accepted, "a"},
		{"break, hold", func(context.Context, *message.Message) error { return errors.New("disk on fire") }, message.Hold, message.Held, "a"},
		{"panic", func(context.Context, *message.Message) error { panic("disk on fire") }, message.Tempfail, message.Tempfailed, "451 4.3.0 "},
	}
	stages := map[message.Stage]string{message.StageMail: "M", message.StageBegin: "N", message.StageHeader: "N", message.StageBody: "BE", message.StageEnd: "E"}
	for mtaName, mta := range mtas() {
		for _, action := range actions {
			for stage, answeredAt := range stages {
				want, wantReply := action.want, action.reply
				if stage == message.StageMail && strings.HasPrefix(action.name, "break") {
					want, wantReply = message.Tempfailed, "451 4.3.0 " // a gate has no policy: it fails closed
				}
				if stage == message.StageMail && action.name == "discard" || stage != message.StageMail && action.name == "pass" {
					continue // no answers at that stage
				}
				if answeredAt == "N" && mta.Protocol&milter.OptNoEOHReply != 0 {
					answeredAt = "E" // it does not wait for an answer before
				}
				t.Run(fmt.Sprintf("%s/%s/%v", mtaName, action.name, stage), func(t *testing.T) {
					a := newActor()
					a.at, a.act = stage, action.act
					r := startActor(t, a, action.policy)
					c := connect(t, r, mta, testClient)
					for range 2 { // on the second message nothing may be different
						began, closed := a.began, a.closed
						result := send(t, c, testMail())
						if got := answer(result.Reply); got != wantReply && !(strings.HasSuffix(wantReply, " ") && strings.HasPrefix(got, wantReply)) {
							t.Errorf("reply %q, want %q", got, wantReply)
						}
						if want != message.Accepted && want != message.Held && !strings.ContainsRune(answeredAt, rune(result.At)) {
							t.Errorf("answered at %c, want one of %s", result.At, answeredAt)
						}
						if held := result.Quarantined() != ""; held != (want == message.Held) {
							t.Errorf("held: %v", held)
						}
						o := a.next(t)
						if o.Verdict != want || want != message.Accepted && want != message.Held && o.Stage != stage {
							t.Errorf("outcome %v at %v, want %v at %v", o.Verdict, o.Stage, want, stage)
						}
						if o.began-began != o.closed-closed {
							t.Errorf("%d inspectors were begun, %d closed", o.began-began, o.closed-closed)
						}
						checkEnvelope(t, o.m, mtaName)
					}
					c.Quit()
					if err := r.stop(); err != nil {
						t.Error(err)
					}
					a.none(t)
				})
			}
		}
	}
}

// A refusal that has to wait for the end of the message spares the checks the body.
func TestBodyOfARefusedHeaderIsNotLookedAt(t *testing.T) {
	a := newActor()
	a.at, a.act = message.StageHeader, func(context.Context, *message.Message) error {
		return &message.Refusal{Code: 550, Enhanced: "5.6.0", Text: "no"}
	}
	c := connect(t, startActor(t, a, message.Tempfail), miltertest.Postfix(), testClient)
	if result := send(t, c, testMail()); result.At != milter.CodeEOB || result.Reply.SMTP() != "550 5.6.0 no" {
		t.Errorf("at %c it was answered %v", result.At, result.Reply)
	}
	if o := a.next(t); o.Stage != message.StageHeader || len(a.body) != 0 {
		t.Errorf("decided at %v, after %d octets of body", o.Stage, len(a.body))
	}
}

func answer(r miltertest.Reply) string {
	if s := r.SMTP(); s != "" {
		return s
	}
	return string(rune(r.Code))
}

func checkEnvelope(t *testing.T, m *message.Message, mta string) {
	t.Helper()
	want := message.Client{
		Name: "client.example", Addr: netip.MustParseAddr("192.0.2.1"), Port: 1025,
		Helo: "helo.example", Login: "shop", Daemon: "MTA", TLS: "TLSv1.3",
	}
	if m.Client != want {
		t.Errorf("client %+v, want %+v", m.Client, want)
	}
	if m.Sender != "a@example.org" || !reflect.DeepEqual(m.SenderArgs, []string{"SIZE=100", "SMTPUTF8"}) {
		t.Errorf("sender %q with %q", m.Sender, m.SenderArgs)
	}
	if n := len(m.Recipients); n != 0 && (n != 2 || m.Recipients[0].Addr != "b@example.net" || m.Recipients[0].Args[0] != "NOTIFY=NEVER" || m.Recipients[1].Args != nil) {
		t.Errorf("recipients %+v", m.Recipients)
	}
	if n := m.Header.Arrived(); n != 0 && n != 6 {
		t.Errorf("%d header fields", n)
	}
}

func TestHeaderAndBodyArriveExactly(t *testing.T) {
	for name, mta := range mtas() {
		t.Run(name, func(t *testing.T) {
			a := newActor()
			var header strings.Builder
			a.at, a.act = message.StageHeader, func(_ context.Context, m *message.Message) error {
				_, err := m.Header.WriteTo(&header)
				return err
			}
			c := connect(t, startActor(t, a, message.Tempfail), mta, testClient)
			mail := testMail()
			mail.Body = []byte(strings.Repeat(strings.Repeat("x", 70)+"\r\n", 3000)) // more than one chunk
			send(t, c, mail)
			o := a.next(t)
			want := "From: a@example.org\r\nTo:  b@example.net,\r\n\tc@example.net\r\nX-Old: one\r\nX-Old: two\r\nX-Old: three\r\nSubject: greetings\r\n"
			if header.String() != want {
				t.Errorf("header\n%q, want\n%q", header.String(), want)
			}
			if string(a.body) != string(mail.Body) || o.m.BodySize != int64(len(mail.Body)) {
				t.Errorf("the body of %d octets arrived with %d", len(mail.Body), len(a.body))
			}
			if id := o.m.QueueID; id != "TEST000001" {
				t.Errorf("queue id %q", id)
			}
		})
	}
}

// edit changes a header in every way that there is.
// TestSkipSparesABodyThatNobodyNeeds has a check break at the first chunk, with
// the policy to go on without it.
func TestSkipSparesABodyThatNobodyNeeds(t *testing.T) {
	waits := miltertest.Sendmail()
	waits.Protocol &^= milter.OptNoBodyReply
	never := waits
	never.Protocol &^= milter.OptSkip
	for name, tc := range map[string]struct {
		mta    miltertest.MTA
		breaks bool
		chunks int64
	}{
		"a check needs it":               {waits, false, 4},
		"nobody does":                    {waits, true, 1},
		"nobody does, SKIP not offered":  {never, true, 4},
		"nobody does, no replies agreed": {miltertest.Sendmail(), true, 4},
	} {
		t.Run(name, func(t *testing.T) {
			const chunk = 65535
			a := newActor()
			if tc.breaks {
				a.at, a.act = message.StageBody, func(context.Context, *message.Message) error { return errors.New("broke") }
			}
			c := connect(t, startActor(t, a, message.Accept), tc.mta, testClient)
			for range 2 { // nothing of it is left for the next message
				mail := testMail()
				mail.Body = bytes.Repeat([]byte("\r\n"), 2*chunk)
				if result := send(t, c, mail); !result.Reply.Accepts() {
					t.Errorf("reply %v", result.Reply)
				}
				if o := a.next(t); o.Verdict != message.Accepted || o.m.BodySize != tc.chunks*chunk {
					t.Errorf("%v after %d octets of body, want %d chunks", o.Verdict, o.m.BodySize, tc.chunks)
				}
			}
		})
	}
}

func edit(_ context.Context, m *message.Message) error {
	seen := 0
	for i, f := range m.Header.Fields() {
		if f.Is("X-Old") {
			if seen++; seen == 2 {
				m.Header.Replace(i, " second")
			} else {
				m.Header.Remove(i)
			}
		}
	}
	m.Header.Append("X-Last", " bottom")
	m.Header.Prepend("X-First", " one")
	m.Header.Prepend("X-Second", " folded\r\n\tvalue")
	return nil
}

func TestEditsLeaveAsTheChecksSeeThem(t *testing.T) {
	for name, mta := range mtas() {
		t.Run(name, func(t *testing.T) {
			a := newActor()
			a.at, a.act = message.StageEnd, edit
			c := connect(t, startActor(t, a, message.Tempfail), mta, testClient)
			mail := testMail()
			result := send(t, c, mail)
			want := "X-Second: folded\r\n\tvalue\r\nX-First: one\r\nFrom: a@example.org\r\nTo:  b@example.net,\r\n\tc@example.net\r\n" +
				"X-Old: second\r\nSubject: greetings\r\nX-Last: bottom\r\n\r\nHello,\r\n\r\nthere.\r\n"
			if got := string(result.Delivered(mail)); got != want {
				t.Errorf("delivered\n%q, want\n%q", got, want)
			}
			var seen strings.Builder
			o := a.next(t)
			o.m.Header.WriteTo(&seen)
			if !strings.HasPrefix(want, seen.String()) {
				t.Errorf("the checks saw\n%q", seen.String())
			}
		})
	}
}

// giveBody is a check's new body, of several pieces, with a line end on the edge of one.
func giveBody(_ context.Context, m *message.Message) error {
	m.NewBody = []byte(strings.Repeat("x", maxModification-1) + "\r\n" + strings.Repeat("y\r\n", maxModification))
	m.Header.Append("X-Mended", " yes")
	m.Hold("to be looked at")
	return nil
}

func TestNewBodyLeaves(t *testing.T) {
	for name, mta := range mtas() {
		t.Run(name, func(t *testing.T) {
			a := newActor()
			a.at, a.act = message.StageEnd, giveBody
			p := a.pipeline(message.Tempfail)
			p.NewBodies = true
			c := connect(t, start(t, testOptions(), func() *message.Pipeline { return p }), mta, testClient)
			mail := testMail()
			result := send(t, c, mail)
			o := a.next(t)
			if o.m.BodyFixed {
				t.Error("the checks are told that the MTA takes no body")
			}
			_, body, _ := strings.Cut(string(result.Delivered(mail)), "X-Mended: yes\r\n\r\n")
			if body != string(o.m.NewBody) || result.Quarantined() == "" {
				t.Errorf("delivered a body of %d octets, want %d; reply %v", len(body), len(o.m.NewBody), result.Reply)
			}
		})
	}
}

// The right to replace bodies is asked for only where checks may use it.
func TestBodyFixed(t *testing.T) {
	a := newActor()
	c := connect(t, startActor(t, a, message.Tempfail), miltertest.Postfix(), testClient)
	if c.Actions&milter.OptChangeBody != 0 {
		t.Error("CHGBODY was asked for")
	}
	send(t, c, testMail())
	if o := a.next(t); !o.m.BodyFixed {
		t.Error("the checks are not told that the MTA takes no body")
	}
}

func TestUnofferedActionsFailClosed(t *testing.T) {
	for _, tc := range []struct {
		name    string
		without milter.OptAction
		act     func(context.Context, *message.Message) error
		want    string
	}{
		{"no CHGHDRS", milter.OptChangeHeader, edit, "451 4.3.0"},
		{"no CHGBODY", milter.OptChangeBody, giveBody, "451 4.3.0"},
		{"no QUARANTINE", milter.OptQuarantine, func(_ context.Context, m *message.Message) error { m.Hold("x"); return nil }, "451 4.7.0"},
		{"NUL in a value", 0, func(_ context.Context, m *message.Message) error { m.Header.Append("X", " \x00"); return nil }, "451 4.3.0"},
		{"huge value", 0, func(_ context.Context, m *message.Message) error {
			m.Header.Append("X", strings.Repeat(" x", 1<<15))
			return nil
		}, "451 4.3.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newActor()
			a.at, a.act = message.StageEnd, tc.act
			mta := miltertest.Postfix()
			mta.Actions &^= tc.without
			c := connect(t, startActor(t, a, message.Tempfail), mta, testClient)
			result := send(t, c, testMail())
			if !strings.HasPrefix(result.Reply.SMTP(), tc.want) || len(result.Modifications) > 0 {
				t.Errorf("reply %v after %d modifications, want %s", result.Reply, len(result.Modifications), tc.want)
			}
			if o := a.next(t); o.Verdict != message.Tempfailed || o.Check != "milter" || o.Stage != message.StageEnd {
				t.Errorf("outcome %+v", o.Outcome)
			}
		})
	}
}
