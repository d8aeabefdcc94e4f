package message

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

var (
	errBroken  = errors.New("disk on fire")
	refusal    = &Refusal{Code: 550, Enhanced: "5.7.1", Text: "no"}
	notNow     = &Refusal{Code: 451, Enhanced: "4.7.1", Text: "later"}
	thrownAway = &Discard{Reason: "spam trap"}
)

// act is what a scripted check does when its stage comes.
type act func() error

func fails(err error) act { return func() error { return err } }
func panics() error       { panic("index out of range") }

// scripted is a check that does one thing at one stage and logs every call.
type scripted struct {
	name  string
	stage Stage
	act   act
	log   *[]string
}

func (s *scripted) Name() string { return s.name }

func (s *scripted) Begin(context.Context, *Message) (Inspector, error) {
	if err := s.at(StageBegin); err != nil {
		return nil, err
	}
	return s, nil
}
func (s *scripted) Header() error { return s.at(StageHeader) }
func (s *scripted) Write(p []byte) (int, error) {
	return len(p), s.at(StageBody)
}
func (s *scripted) End() error   { return s.at(StageEnd) }
func (s *scripted) Close() error { return s.at(StageClose) }

func (s *scripted) at(stage Stage) error {
	*s.log = append(*s.log, fmt.Sprintf("%s.%s", s.name, stage))
	if stage == s.stage && s.act != nil {
		return s.act()
	}
	return nil
}

// converse takes a message through a check up to the stage before stop, as a session does.
func converse(check Check, m *Message, stop Stage) error {
	inspector, err := check.Begin(context.Background(), m)
	if err != nil || inspector == nil {
		return err
	}
	defer inspector.Close()
	steps := map[Stage]func() error{
		StageHeader: inspector.Header,
		StageBody:   func() error { _, err := inspector.Write([]byte("body\r\n")); return err },
		StageEnd:    inspector.End,
	}
	for stage := StageHeader; stage < stop && stage <= StageEnd; stage++ {
		if err := steps[stage](); err != nil {
			return err
		}
	}
	return nil
}

func TestChainAnswersForEveryActAtEveryStage(t *testing.T) {
	acts := []struct {
		name    string
		act     act
		policy  OnError
		verdict Verdict
		failure bool
	}{
		{"refuse", fails(refusal), Accept, Refused, false},
		{"refuse, wrapped", fails(fmt.Errorf("lint: %w", refusal)), Accept, Refused, false},
		{"refuse for now", fails(notNow), Accept, Tempfailed, false},
		{"discard", fails(thrownAway), Tempfail, Discarded, false},
		{"break, tempfail", fails(errBroken), Tempfail, Tempfailed, true},
		{"break, accept", fails(errBroken), Accept, Accepted, true},
		{"break, hold", fails(errBroken), Hold, Held, true},
		{"panic, tempfail", panics, Tempfail, Tempfailed, true},
		{"panic, accept", panics, Accept, Accepted, true},
		{"panic, hold", panics, Hold, Held, true},
	}
	for _, a := range acts {
		for stage := StageBegin; stage <= StageEnd; stage++ {
			t.Run(a.name+" at "+stage.String(), func(t *testing.T) {
				var log []string
				m := &Message{Sender: "a@example.org"}
				chain := NewChain(
					Link{Check: &scripted{name: "first", log: &log}},
					Link{Check: &scripted{name: "acting", stage: stage, act: a.act, log: &log}, OnError: a.policy},
					Link{Check: &scripted{name: "last", log: &log}},
				)
				err := converse(chain, m, StageClose)
				o := OutcomeOf(m, err)
				if o.Verdict != a.verdict {
					t.Fatalf("verdict %v (%v), want %v", o.Verdict, err, a.verdict)
				}
				if a.verdict != Accepted && a.verdict != Held && (o.Check != "acting" || o.Stage != stage) {
					t.Errorf("decided by %q at %v", o.Check, o.Stage)
				}
				wantFailures(t, m, a.failure, stage, a.policy)
				wantCloses(t, log, stage)
				wantReach(t, log, o.Verdict, stage)
			})
		}
	}
}

func wantFailures(t *testing.T, m *Message, want bool, stage Stage, policy OnError) {
	t.Helper()
	if !want {
		if len(m.Failures) != 0 {
			t.Errorf("failures %v, want none", m.Failures)
		}
		return
	}
	if len(m.Failures) != 1 {
		t.Fatalf("%d failures, want one", len(m.Failures))
	}
	f := m.Failures[0]
	if f.Check != "acting" || f.Stage != stage || f.Policy != policy || f.Err == nil {
		t.Errorf("failure %+v", f)
	}
}

// wantCloses holds that every inspector that began is closed exactly once.
func wantCloses(t *testing.T, log []string, failedAt Stage) {
	t.Helper()
	calls := map[string]int{}
	for _, l := range log {
		calls[l]++
	}
	for _, name := range []string{"first", "acting", "last"} {
		want := calls[name+".begin"]
		if name == "acting" && failedAt == StageBegin {
			want = 0 // it gave no inspector
		}
		if got := calls[name+".close"]; got != want {
			t.Errorf("%s closed %d times, want %d: %v", name, got, want, log)
		}
	}
}

// wantReach holds that the checks behind the acting one see the message to its
// end if and only if it goes on.
func wantReach(t *testing.T, log []string, v Verdict, stage Stage) {
	t.Helper()
	reached := strings.Contains(strings.Join(log, " "), "last."+stage.String())
	if reached != v.Leaves() {
		t.Errorf("the check behind was reached: %v, verdict %v: %v", reached, v, log)
	}
	if ended := strings.Contains(strings.Join(log, " "), "last.end"); ended != v.Leaves() {
		t.Errorf("the check behind saw the end: %v, verdict %v", ended, v)
	}
	if stage != StageEnd && strings.Contains(strings.Join(log, " "), "acting.end") && v != Accepted && v != Held {
		t.Errorf("the acting check was called again after its answer: %v", log)
	}
}

func TestChainClosesOnAbortAtEveryStage(t *testing.T) {
	for stop := StageHeader; stop <= StageClose; stop++ {
		var log []string
		chain := NewChain(
			Link{Check: &scripted{name: "a", log: &log}},
			Link{Check: &scripted{name: "b", log: &log}},
		)
		if err := converse(chain, &Message{}, stop); err != nil {
			t.Fatal(err)
		}
		if got := log[len(log)-2:]; !reflect.DeepEqual(got, []string{"a.close", "b.close"}) {
			t.Errorf("abort before %v: %v", stop, log)
		}
	}
}

func TestChainContainsAPanicInClose(t *testing.T) {
	var log []string
	m := &Message{}
	err := converse(NewChain(
		Link{Check: &scripted{name: "a", stage: StageClose, act: panics, log: &log}},
		Link{Check: &scripted{name: "b", log: &log}},
	), m, StageClose)
	if err != nil {
		t.Errorf("the answer changed to %v", err)
	}
	if len(m.Failures) != 1 || m.Failures[0].Stage != StageClose {
		t.Errorf("failures %v", m.Failures)
	}
	var p *PanicError
	if !errors.As(m.Failures[0].Err, &p) || len(p.Stack) == 0 {
		t.Errorf("the failure holds no stack: %v", m.Failures[0].Err)
	}
	if log[len(log)-1] != "b.close" {
		t.Errorf("the other inspector was not closed: %v", log)
	}
}

func TestChainCloseTwiceClosesOnce(t *testing.T) {
	var log []string
	inspector, err := NewChain(Link{Check: &scripted{name: "a", log: &log}}).Begin(context.Background(), &Message{})
	if err != nil {
		t.Fatal(err)
	}
	inspector.Close()
	inspector.Close()
	if len(log) != 2 {
		t.Errorf("calls %v", log)
	}
}

func TestChainRepeatsItsAnswer(t *testing.T) {
	var log []string
	inspector, _ := NewChain(Link{Check: &scripted{name: "a", stage: StageHeader, act: fails(refusal), log: &log}}).
		Begin(context.Background(), &Message{})
	defer inspector.Close()
	if err := inspector.Header(); err != refusal {
		t.Fatal(err)
	}
	if _, err := inspector.Write([]byte("x")); err != refusal {
		t.Errorf("Write: %v", err)
	}
	if err := inspector.End(); err != refusal {
		t.Errorf("End: %v", err)
	}
	if len(log) != 2 {
		t.Errorf("calls %v", log)
	}
}

func TestChainWithoutInterest(t *testing.T) {
	chain := NewChain(Link{Check: checkFunc{"uninterested", func() (Inspector, error) { return nil, nil }}})
	if err := converse(chain, &Message{}, StageClose); err != nil {
		t.Error(err)
	}
}

func TestLocalBounceIsHeldNotRefused(t *testing.T) {
	bounce := func() *Message { return &Message{Client: Client{Local: true}} }
	for stage := StageBegin; stage <= StageEnd; stage++ {
		var log []string
		m := bounce()
		err := converse(NewChain(Link{Check: &scripted{name: "a", stage: stage, act: fails(refusal), log: &log}}), m, StageClose)
		if o := OutcomeOf(m, err); o.Verdict != Held || !strings.Contains(o.Reason, "no") {
			t.Errorf("at %v: %+v", stage, o)
		}
	}
	m := bounce()
	err := converse(NewChain(Link{Check: &scripted{name: "a", stage: StageEnd, act: fails(notNow), log: new([]string)}}), m, StageClose)
	if o := OutcomeOf(m, err); o.Verdict != Tempfailed {
		t.Errorf("a temporary refusal became %v", o.Verdict)
	}
	m = &Message{Client: Client{Addr: netip.MustParseAddr("192.0.2.1")}}
	err = converse(NewChain(Link{Check: &scripted{name: "a", stage: StageEnd, act: fails(refusal), log: new([]string)}}), m, StageClose)
	if o := OutcomeOf(m, err); o.Verdict != Refused {
		t.Errorf("a bounce from a client became %v", o.Verdict)
	}
}

func TestOverflowedHeader(t *testing.T) {
	overflowed := func(c Client) *Message {
		m := &Message{Client: c, Header: Header{MaxBytes: 1}}
		m.Header.Receive(NewField("A", " 1"))
		return m
	}
	var log []string
	chain := NewChain(Link{Check: &scripted{name: "a", log: &log}})
	m := overflowed(Client{})
	if o := OutcomeOf(m, converse(chain, m, StageClose)); o.Verdict != Refused || o.Refusal.Code != 552 {
		t.Errorf("%+v", o)
	}
	m = overflowed(Client{Local: true})
	if i, _ := chain.Begin(context.Background(), m); i.Header() != nil || !i.(Idler).Idle() || i.Close() != nil {
		t.Error("the body of a bounce that no check can judge is still wanted")
	}
	log = log[:2]
	if o := OutcomeOf(m, converse(chain, m, StageClose)); o.Verdict != Held {
		t.Errorf("a bounce of our own MTA: %+v", o)
	}
	if !reflect.DeepEqual(log, []string{"a.begin", "a.close", "a.begin", "a.close"}) {
		t.Errorf("a check saw a header that is not whole: %v", log)
	}
}

type gateFunc func(*Message) error

func (g gateFunc) Admit(_ context.Context, m *Message) error { return g(m) }

func TestAdmit(t *testing.T) {
	tests := []struct {
		name    string
		answer  func(*Message) error
		verdict Verdict
	}{
		{"admit", func(*Message) error { return nil }, Accepted},
		{"pass", func(*Message) error { return ErrPass }, Passed},
		{"refuse", func(*Message) error { return refusal }, Refused},
		{"break", func(*Message) error { return errBroken }, Tempfailed},
		{"panic", func(*Message) error { panic("nil map") }, Tempfailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &Message{Sender: "a@example.org"}
			p := &Pipeline{Gates: []Gate{gateFunc(tt.answer)}}
			o := OutcomeOf(m, p.Admit(context.Background(), m))
			if o.Verdict != tt.verdict {
				t.Errorf("verdict %v, want %v", o.Verdict, tt.verdict)
			}
			if tt.verdict != Accepted && (o.Check != "access" || o.Stage != StageMail) {
				t.Errorf("decided by %q at %v", o.Check, o.Stage)
			}
			if broke := tt.name == "break" || tt.name == "panic"; broke != (len(m.Failures) == 1) {
				t.Errorf("failures %v", m.Failures)
			}
		})
	}
	t.Run("a bounce of our own MTA is held", func(t *testing.T) {
		m := &Message{Client: Client{Local: true}}
		p := &Pipeline{Gates: []Gate{gateFunc(func(*Message) error { return refusal })}}
		if o := OutcomeOf(m, p.Admit(context.Background(), m)); o.Verdict != Held {
			t.Errorf("verdict %v", o.Verdict)
		}
	})
}

type observerFunc func(*Message, Outcome)

func (f observerFunc) Observe(m *Message, o Outcome) { f(m, o) }

func TestTellReachesEveryObserver(t *testing.T) {
	told := 0
	p := &Pipeline{Observers: []Observer{
		observerFunc(func(*Message, Outcome) { panic("full disk") }),
		observerFunc(func(*Message, Outcome) { told++ }),
	}}
	m := &Message{}
	p.Tell(m, Outcome{})
	if told != 1 || len(m.Failures) != 1 {
		t.Errorf("told %d, failures %v", told, m.Failures)
	}
}

func TestErrorsThatAreNoAnswerTempfail(t *testing.T) {
	if o := OutcomeOf(&Message{}, errBroken); o.Verdict != Tempfailed || strings.Contains(o.Refusal.Text, "fire") {
		t.Errorf("%+v", o)
	}
}

// idler is an inspector that may need the body or not.
type idler struct{ idle bool }

func (i *idler) Name() string                                       { return "idler" }
func (i *idler) Begin(context.Context, *Message) (Inspector, error) { return i, nil }
func (i *idler) Header() error                                      { return nil }
func (i *idler) Write(p []byte) (int, error)                        { return len(p), nil }
func (i *idler) End() error                                         { return nil }
func (i *idler) Close() error                                       { return nil }
func (i *idler) Idle() bool                                         { return i.idle }

// A chain needs the body as long as one of its checks does.
func TestChainIsIdleIfAllAre(t *testing.T) {
	for _, c := range []struct{ first, second, want bool }{{true, true, true}, {true, false, false}, {false, true, false}} {
		chain := NewChain(Link{Check: &idler{c.first}}, Link{Check: &idler{c.second}})
		i, err := chain.Begin(context.Background(), &Message{})
		if err != nil {
			t.Fatal(err)
		}
		if got := i.(Idler).Idle(); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
