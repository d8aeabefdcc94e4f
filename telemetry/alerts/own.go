package alerts

import (
	"context"
	"fmt"
	"sync"

	"pratique/message"
)

// Own is the check that knows the mail of our own alerts, and the observer that
// sees to it that each seal is of use once. It stands before the checks from which
// that mail is exempt: they ask IsOwn once the header is complete.
type Own struct {
	seal     *Seal
	underway sync.Map // *message.Message: the id of its seal
}

// NewOwn returns the check for the mail that was sealed with this.
func NewOwn(seal *Seal) *Own { return &Own{seal: seal} }

const (
	checkName = "alerts"
	keyOwn    = "own"
)

// Name is "alerts".
func (*Own) Name() string { return checkName }

// IsOwn reports whether a message was found to be the mail of an alert of ours.
func IsOwn(m *message.Message) bool {
	for _, n := range m.Notes {
		if n.Check == checkName && n.Key == keyOwn {
			return true
		}
	}
	return false
}

// Begin implements message.Check.
func (o *Own) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	return &recognizer{own: o, message: m}, nil
}

// Observe spends the seal of a mail that is on its way. One that was tempfailed keeps
// it: sendmail(1) will try again with the same mail.
func (o *Own) Observe(m *message.Message, out message.Outcome) {
	id, ours := o.underway.LoadAndDelete(m)
	if ours && out.Verdict.Leaves() {
		o.seal.spend(id.(string))
	}
}

// recognizer looks for the seal of one message.
type recognizer struct {
	own     *Own
	message *message.Message
	token   token
	body    *bodyHash // nil: not ours
}

// Header takes every seal out of the header, also those that are not ours.
func (r *recognizer) Header() error {
	var seals []int
	for i, f := range r.message.Header.Fields() {
		if f.Is(headerSeal) {
			seals = append(seals, i)
			r.token = parseToken(f.Unfolded())
		}
	}
	for i := len(seals) - 1; i >= 0; i-- { // from the bottom, so that the others keep their index
		r.message.Header.Remove(seals[i])
	}
	if len(seals) == 0 {
		return nil
	}
	err := r.ours(len(seals))
	if err != nil {
		r.message.Notes = append(r.message.Notes, message.Note{Check: checkName, Key: "seal", Code: "not_ours", Text: err.Error()})
		return nil
	}
	r.message.Note(checkName, keyOwn, "the mail of an alert of ours: not counted, not limited, not scanned")
	r.own.underway.Store(r.message, r.token.id)
	r.body = newBodyHash()
	return nil
}

func (r *recognizer) ours(seals int) error {
	if seals > 1 {
		return fmt.Errorf("%d fields %s", seals, headerSeal)
	}
	if c := r.message.Client; c.Login != "" {
		return fmt.Errorf("login %q is not ours", c.Login)
	}
	if r.message.Header.Count("Message-ID") != 1 {
		return fmt.Errorf("the Message-ID is not ours")
	}
	id, _ := r.message.Header.First("Message-ID")
	return r.own.seal.check(r.token, id.Unfolded())
}

func (r *recognizer) Write(p []byte) (int, error) {
	if r.body == nil {
		return len(p), nil
	}
	return r.body.Write(p)
}

// End holds the body to the seal. What differs was exempt from checks until here, so
// it does not leave.
func (r *recognizer) End() error {
	if r.body != nil && r.body.sum() != r.token.body {
		return &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "alerts: the body is not the one that was sealed"}
	}
	return nil
}

func (r *recognizer) Close() error { return nil }

// Idle reports that the rest of the body is not needed.
func (r *recognizer) Idle() bool { return r.body == nil }

// Exempt is a check that does not look at the mail of our own alerts. The Own check
// has to stand before it.
func Exempt(c message.Check) message.Check { return exempt{c} }

type exempt struct{ message.Check }

func (e exempt) Begin(ctx context.Context, m *message.Message) (message.Inspector, error) {
	i, err := e.Check.Begin(ctx, m)
	if i == nil {
		return nil, err
	}
	return &exempted{Inspector: i, message: m}, err
}

type exempted struct {
	message.Inspector
	message *message.Message
	out     bool
}

func (e *exempted) Header() error {
	if e.out = IsOwn(e.message); e.out {
		return nil
	}
	return e.Inspector.Header()
}

func (e *exempted) Write(p []byte) (int, error) {
	if e.out {
		return len(p), nil
	}
	return e.Inspector.Write(p)
}

func (e *exempted) End() error {
	if e.out {
		return nil
	}
	return e.Inspector.End()
}

func (e *exempted) Idle() bool {
	idler, ok := e.Inspector.(message.Idler)
	return e.out || ok && idler.Idle()
}

// Unseen is an observer that does not hear of the mail of our own alerts.
func Unseen(o message.Observer) message.Observer { return unseen{o} }

type unseen struct{ message.Observer }

func (u unseen) Observe(m *message.Message, o message.Outcome) {
	if !IsOwn(m) {
		u.Observer.Observe(m, o)
	}
}
