// Package proof plays stored messages through the decisions of OpenDKIM and of
// Pratique, each with its own configuration, and says where they differ: whether a
// message is signed, by whom, and what its signatures cover. OpenDKIM itself is asked
// over the milter protocol where it is installed. What is done to a message beside
// signing it is not looked at.
package proof

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pratique/access"
	"pratique/configs/opendkim"
	"pratique/message"
	"pratique/signing"
)

// Side is what one of the two does with a message.
type Side struct {
	Signatures []Signature
	Refused    bool   // the message would not leave
	Why        string // why there is no signature, if that is known
}

func (s Side) String() string {
	switch {
	case s.Refused:
		return "refuses it: " + s.Why
	case len(s.Signatures) == 0 && s.Why != "":
		return "does not sign it: " + s.Why
	case len(s.Signatures) == 0:
		return "does not sign it"
	}
	names := make([]string, len(s.Signatures))
	for i, sig := range s.Signatures {
		names[i] = sig.name()
	}
	return "signs it with " + strings.Join(names, " and ")
}

// Verdict is what both do with a message.
type Verdict struct {
	Letter       Letter
	Ours, Theirs Side
	Differences  []string // what OpenDKIM does that is not done here, or is done otherwise
	Wider        []string // fields that are covered here and not, or less often, there
}

// Prover has both sides.
type Prover struct {
	gate   *access.Access
	signer *signing.Signer
	theirs func(*letterRead) (Side, error)
}

// New returns a prover whose side of OpenDKIM is that of the daemon, or, if that is
// nil, the prediction of the translation. The clock gives the time of signatures.
func New(t *opendkim.Translation, daemon *Daemon, clock func() time.Time) (*Prover, error) {
	gate, err := access.New(t.Config.Access)
	if err != nil {
		return nil, err
	}
	signer, err := signing.New(t.Config.Signing, clock, nil)
	if err != nil {
		return nil, err
	}
	p := &Prover{gate: gate, signer: signer}
	p.theirs = func(l *letterRead) (Side, error) { return predicted(t, l), nil }
	if daemon != nil {
		p.theirs = daemon.play
	}
	return p, nil
}

// Prove plays one message through both.
func (p *Prover) Prove(ctx context.Context, l Letter) (Verdict, error) {
	read, err := l.read(ctx)
	if err != nil {
		return Verdict{}, fmt.Errorf("%s: %w", l.Name, err)
	}
	v := Verdict{Letter: l}
	if v.Theirs, err = p.theirs(read); err != nil {
		return v, fmt.Errorf("%s: ask OpenDKIM: %w", l.Name, err)
	}
	if v.Ours, err = p.ours(ctx, read); err != nil {
		return v, fmt.Errorf("%s: %w", l.Name, err)
	}
	v.Differences, v.Wider = compare(v.Ours, v.Theirs)
	return v, nil
}

// ours is what access and signing do, in that order, with nothing between them.
func (p *Prover) ours(ctx context.Context, l *letterRead) (Side, error) {
	m := l.message
	before := m.Header.Count(signatureField)
	if err := p.gate.Admit(ctx, m); err != nil {
		var refusal *message.Refusal
		switch {
		case errors.Is(err, message.ErrPass):
			return Side{Why: "the client is in no network of [access] and has not logged in"}, nil
		case errors.As(err, &refusal):
			return Side{Refused: true, Why: refusal.Text}, nil
		}
		return Side{}, err
	}
	inspector, err := p.signer.Begin(ctx, m)
	if err != nil {
		return Side{}, err
	}
	err = sign(inspector, l.body)
	if err = errors.Join(err, inspector.Close()); err != nil {
		return Side{Refused: true, Why: err.Error()}, nil
	}
	side := Side{}
	for _, n := range m.Notes {
		if n.Check == p.signer.Name() && n.Key == "unsigned" {
			side.Why = n.Text
		}
	}
	for _, f := range m.Header.Named(signatureField) {
		if added := m.Header.Count(signatureField) - before; len(side.Signatures) == added {
			break
		}
		side.Signatures = append(side.Signatures, parseSignature(f.Unfolded()))
	}
	return side, nil
}

func sign(inspector message.Inspector, body []byte) error {
	if err := inspector.Header(); err != nil {
		return err
	}
	if _, err := inspector.Write(body); err != nil {
		return err
	}
	return inspector.End()
}

// predicted is what OpenDKIM would do by the tables.
func predicted(t *opendkim.Translation, l *letterRead) Side {
	p := t.Predict(l.message.Client, &l.message.Header)
	side := Side{Refused: p.Tempfail, Why: p.Why}
	for _, s := range p.Signatures {
		side.Signatures = append(side.Signatures, Signature{
			Domain: s.Domain, Selector: s.Selector, Identity: s.Identity, Canonicalization: t.Canonicalization(),
		})
	}
	return side
}
