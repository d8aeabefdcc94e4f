package message

import (
	"context"
	"errors"
)

// Pipeline is all that a message meets under one configuration: the gates at
// MAIL, the checks, and who is told the outcome. A message keeps the Pipeline
// that it began with until its end, so that a reload never changes it under way.
type Pipeline struct {
	Gates     []Gate
	Checks    *Chain
	Observers []Observer
	// NewBodies tells that one of the checks may set a NewBody. An MTA is asked for
	// the right to replace the body only if so.
	NewBodies bool
}

// Admit asks the gates, the first one first. It returns nil, ErrPass, or a
// *Refusal; a gate that breaks refuses temporarily, for there is no safe way
// around the question who may send.
func (p *Pipeline) Admit(ctx context.Context, m *Message) error {
	for _, gate := range p.Gates {
		err := guard(func() error { return gate.Admit(ctx, m) })
		var refusal *Refusal
		switch {
		case err == nil:
		case errors.Is(err, ErrPass):
			m.decide("access", StageMail)
			return ErrPass
		case errors.As(err, &refusal):
			m.decide("access", StageMail)
			if m.LocalBounce() && !refusal.Temporary() {
				m.Hold("access would refuse this bounce: " + refusal.Text)
				continue
			}
			return refusal
		default:
			m.Failures = append(m.Failures, Failure{Check: "access", Stage: StageMail, Err: err})
			m.decide("access", StageMail)
			return unavailable("access control")
		}
	}
	return nil
}

// Begin begins the checks for a message that was admitted.
func (p *Pipeline) Begin(ctx context.Context, m *Message) (Inspector, error) {
	return p.Checks.Begin(ctx, m)
}

// Tell tells every observer the outcome. An observer that panics does not keep
// the others from hearing it.
func (p *Pipeline) Tell(m *Message, o Outcome) {
	for _, observer := range p.Observers {
		err := guard(func() error { observer.Observe(m, o); return nil })
		if err != nil {
			m.Failures = append(m.Failures, Failure{Check: "observer", Stage: StageObserve, Err: err})
		}
	}
}

// OutcomeOf says what the answer of the gates or the checks means for the
// message: err is what Admit, Begin, Header, Write or End returned.
func OutcomeOf(m *Message, err error) Outcome {
	o := Outcome{Stage: m.decidedAt, Check: m.decidedBy}
	var refusal *Refusal
	var discard *Discard
	switch {
	case errors.Is(err, ErrPass):
		o.Verdict = Passed
	case errors.As(err, &discard):
		o.Verdict, o.Reason = Discarded, discard.Reason
	case errors.As(err, &refusal):
		o.Verdict, o.Refusal = Refused, refusal
		if refusal.Temporary() {
			o.Verdict = Tempfailed
		}
	case err != nil:
		o.Verdict, o.Refusal = Tempfailed, unavailable("message processing")
	case m.Held() != "":
		o.Verdict, o.Reason = Held, m.Held()
	}
	return o
}

// decide records which check gave the answer, and where.
func (m *Message) decide(check string, stage Stage) { m.decidedBy, m.decidedAt = check, stage }
