package message

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Link is a check in a Chain with what to do when it breaks.
type Link struct {
	Check   Check
	OnError OnError
}

// Chain runs checks one after the other, in order, as one Check. It is the one
// place where a check's failure meets its OnError policy and where panics end.
type Chain struct {
	links []Link
	clock func() time.Time // nil: the checks are not timed
}

// NewChain returns the chain of these links, the first one first.
func NewChain(links ...Link) *Chain { return &Chain{links: links} }

// Timed has the chain put on record how long each check takes, by a clock such as
// time.Now, and returns it. The clock is read once a check and step of the message.
func (c *Chain) Timed(clock func() time.Time) *Chain {
	c.clock = clock
	return c
}

// Name names the chain as a Check.
func (c *Chain) Name() string { return "chain" }

// Begin begins every check. The Inspector's errors are always a *Refusal or a
// *Discard; after the first one it answers the same to everything.
func (c *Chain) Begin(ctx context.Context, m *Message) (Inspector, error) {
	r := &run{m: m, watch: stopwatch{clock: c.clock}}
	m.Checks = make([]CheckRun, len(c.links))
	for i, link := range c.links {
		m.Checks[i].Check = link.Check.Name()
	}
	r.watch.start()
	for i, link := range c.links {
		if r.verdict = r.begin(ctx, link, &m.Checks[i]); r.verdict != nil {
			r.Close()
			return nil, r.verdict
		}
	}
	return r, nil
}

// begin begins one check and returns the answer to the message, if it gave one.
func (r *run) begin(ctx context.Context, link Link, record *CheckRun) error {
	var inspector Inspector
	err := guard(func() (err error) {
		inspector, err = link.Check.Begin(ctx, r.m)
		return err
	})
	record.Spent += r.watch.lap()
	if inspector != nil {
		r.members = append(r.members, &member{Link: link, inspector: inspector, record: record, broken: err != nil})
	}
	if err == nil {
		if inspector == nil {
			record.State = CheckSkipped
		}
		return nil
	}
	return r.settle(record, link.OnError, StageBegin, err)
}

// run is one message's way through a Chain.
type run struct {
	m       *Message
	members []*member
	verdict error
	watch   stopwatch
}

type member struct {
	Link
	inspector Inspector
	record    *CheckRun
	broken    bool // it failed and its policy lets the message go on without it
}

// stopwatch measures how long one check after the other takes.
type stopwatch struct {
	clock func() time.Time // nil: it stands still
	last  time.Time
}

func (s *stopwatch) start() {
	if s.clock != nil {
		s.last = s.clock()
	}
}

// lap returns the time since start or the last lap.
func (s *stopwatch) lap() time.Duration {
	if s.clock == nil {
		return 0
	}
	now := s.clock()
	spent := now.Sub(s.last)
	s.last = now
	return spent
}

// policy is what to do when the inspector breaks.
func (mb *member) policy() OnError {
	if _, ok := mb.inspector.(Rewriter); ok {
		return Tempfail
	}
	return mb.OnError
}

func (r *run) Header() error {
	if r.m.Header.Overflow() {
		if r.verdict = settle(r.m, "header", Tempfail, StageHeader, errHeaderRefused); r.verdict == nil {
			r.leaveOut() // a held bounce: no check can say anything of a header that is not whole
		}
	}
	return r.each(StageHeader, func(i Inspector) error { return i.Header() })
}

// leaveOut takes every inspector out of the rest of the message.
func (r *run) leaveOut() {
	for _, mb := range r.members {
		mb.broken = true
	}
}

// errHeaderRefused answers a header that was not kept whole: it can be neither judged nor signed.
var errHeaderRefused = &Refusal{Code: 552, Enhanced: "5.3.4", Text: "H23 the message header is too large"}

func (r *run) Write(p []byte) (int, error) {
	r.m.BodySize += int64(len(p))
	visible := p // to the inspector whose turn it is
	err := r.each(StageBody, func(i Inspector) error {
		if len(visible) == 0 {
			return nil
		}
		_, err := i.Write(visible)
		if rw, ok := i.(Rewriter); ok {
			visible = rw.Released()
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Idle reports whether no check needs the body: each was left out, was not
// interested, or says so itself.
func (r *run) Idle() bool {
	for _, mb := range r.members {
		if idler, ok := mb.inspector.(Idler); !mb.broken && !(ok && idler.Idle()) {
			return false
		}
	}
	return true
}

func (r *run) End() error {
	var released []byte // the last of the body, as far as it was held back
	return r.each(StageEnd, func(i Inspector) error {
		if len(released) > 0 {
			if _, err := i.Write(released); err != nil {
				return err
			}
		}
		err := i.End()
		if rw, ok := i.(Rewriter); ok {
			released = rw.Released()
		}
		return err
	})
}

// Close closes every inspector. What goes wrong there can't change the answer
// any more, so it is put on record as a Failure and not returned.
func (r *run) Close() error {
	members := r.members
	r.members = nil
	for _, mb := range members {
		if err := guard(mb.inspector.Close); err != nil {
			r.m.Failures = append(r.m.Failures, Failure{Check: mb.Check.Name(), Stage: StageClose, Err: err, Policy: mb.OnError})
		}
	}
	return nil
}

// each hands a step to every inspector that is still taking part, until one answers the message.
func (r *run) each(stage Stage, step func(Inspector) error) error {
	r.watch.start()
	for _, mb := range r.members {
		if r.verdict != nil {
			break
		}
		if mb.broken {
			continue
		}
		err := guard(func() error { return step(mb.inspector) })
		mb.record.Spent += r.watch.lap()
		mb.record.State = CheckRan
		if err != nil {
			mb.broken = true
			r.verdict = r.settle(mb.record, mb.policy(), stage, err)
		}
	}
	return r.verdict
}

// settle is settle for a check of the chain, and puts on record what came of it.
func (r *run) settle(record *CheckRun, policy OnError, stage Stage, err error) error {
	failures := len(r.m.Failures)
	verdict := settle(r.m, record.Check, policy, stage, err)
	switch {
	case len(r.m.Failures) > failures:
		record.State = CheckBroke
	case verdict != nil:
		record.State = CheckDecided
	default:
		record.State = CheckRan // it would have refused a bounce, which is held
	}
	return verdict
}

// settle turns what a check returned into the answer to the message, or nil if
// the message goes on without that check.
func settle(m *Message, check string, policy OnError, stage Stage, err error) error {
	var refusal *Refusal
	var discard *Discard
	switch {
	case errors.As(err, &refusal):
		if m.LocalBounce() && !refusal.Temporary() {
			m.Hold(fmt.Sprintf("%s would refuse this bounce: %s", check, refusal.Text))
			return nil
		}
		m.decide(check, stage)
		return refusal
	case errors.As(err, &discard):
		m.decide(check, stage)
		return discard
	}
	m.Failures = append(m.Failures, Failure{Check: check, Stage: stage, Err: err, Policy: policy})
	switch policy {
	case Accept:
		return nil
	case Hold:
		m.Hold(check + " failed")
		return nil
	default:
		m.decide(check, stage)
		return unavailable(check)
	}
}

// unavailable is the answer while one of our own parts is broken. It tells the
// client nothing of the inside.
func unavailable(check string) *Refusal {
	return &Refusal{Code: 451, Enhanced: "4.3.0", Text: check + " is temporarily unavailable, please try again later"}
}

// PanicError is a panic of a check, as an error.
type PanicError struct {
	Value any
	Stack []byte
}

func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// guard calls f and turns a panic into an error.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
