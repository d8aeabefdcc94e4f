package message

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A Gate answers at MAIL, when client, login and sender are known and nothing
// else: nil, a *Refusal, or ErrPass.
type Gate interface {
	Admit(ctx context.Context, m *Message) error
}

// A Check judges one message as it streams by. It is shared by all messages and
// must be safe for concurrent use.
type Check interface {
	// Name is the configuration key, log attribute and metric label.
	Name() string
	// Begin is called after the last RCPT. A nil Inspector means not interested.
	// The context ends when the message is aborted or the daemon's patience is over.
	Begin(ctx context.Context, m *Message) (Inspector, error)
}

// An Inspector sees one message once: Header, Write*, End, all from one
// goroutine at a time. Close comes once, always, also after ABORT, a lost
// connection, an earlier refusal or a panic.
//
// A *Refusal or *Discard that Header, Write or End returns is the answer to the
// message. Any other error is ours and meets the check's OnError policy.
type Inspector interface {
	Header() error // the header is complete in the Message: judge it, edit it
	io.Writer      // the body as it arrives, CRLF line ends; p is borrowed
	End() error    // the last byte was seen; may wait, may still edit the header
	Close() error
}

// An Idler is an Inspector that can tell that it needs nothing more of the body.
// An MTA that agreed to SKIP is then spared the rest; End comes all the same.
type Idler interface {
	Idle() bool
}

// A Rewriter is an Inspector that hands the body on itself: those behind it see
// what it releases in place of what it was given, so that it may hold the body
// back and give it another form. One that gives another form also sets it as the
// Message's NewBody, for the MTA. It does not refuse, and it can't be left out once
// it breaks, for it has a part of the body: whatever its policy, that is a Tempfail.
type Rewriter interface {
	Inspector
	// Released returns the octets that those behind are to see now, as far as they
	// were not returned before; valid until the next call. It is asked after each
	// Write and after End.
	Released() []byte
}

// An Observer is told the outcome of every message exactly once, whatever its end.
type Observer interface {
	Observe(m *Message, o Outcome)
}

// ErrPass is a Gate's answer for a message that is to be accepted untouched.
var ErrPass = errors.New("pass untouched")

// Refusal is an error that is the message's own fault: the SMTP reply to it.
type Refusal struct {
	Code     int    // 4xx or 5xx (RFC 5321 4.2)
	Enhanced string // enhanced status code of the same class (RFC 3463), e.g. "5.7.1"
	Text     string // may hold several lines, separated by "\n"
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)
}

// Temporary reports whether the client may try again.
func (r *Refusal) Temporary() bool { return r.Code/100 == 4 }

// Discard is an error that has the message accepted and thrown away.
type Discard struct{ Reason string }

func (d *Discard) Error() string { return "discard: " + d.Reason }

// OnError says what becomes of a message when a check itself breaks.
type OnError uint8

// The policies for a check that broke. The zero value fails closed.
const (
	Tempfail OnError = iota // answer 451: unchecked mail does not leave
	Accept                  // go on without the check; counted and logged
	Hold                    // go on without the check and have the MTA hold the message
)

var onErrorNames = [...]string{Tempfail: "tempfail", Accept: "accept", Hold: "hold"}

func (o OnError) String() string { return name(onErrorNames[:], int(o)) }

// UnmarshalText reads tempfail, accept or hold.
func (o *OnError) UnmarshalText(text []byte) error {
	for i, n := range onErrorNames {
		if n == string(text) {
			*o = OnError(i)
			return nil
		}
	}
	return fmt.Errorf("%q is none of tempfail, accept, hold", text)
}

// Stage is the step of the message at which something happened.
type Stage uint8

// The stages, in the order of a message's life.
const (
	StageMail Stage = iota
	StageBegin
	StageHeader
	StageBody
	StageEnd
	StageClose
	StageObserve
)

var stageNames = [...]string{"mail", "begin", "header", "body", "end", "close", "observe"}

func (s Stage) String() string { return name(stageNames[:], int(s)) }

// CheckRun is what became of a message at one check of a Chain.
type CheckRun struct {
	Check string
	State CheckState
	Spent time.Duration // in the check, all steps together; 0 unless the chain is Timed
}

// CheckState is how far a check came with a message.
type CheckState uint8

// The states of a check.
const (
	CheckUnreached CheckState = iota // the message ended before its turn
	CheckSkipped                     // it was not interested
	CheckRan                         // it looked, and let the message go on
	CheckDecided                     // it gave the answer to the message
	CheckBroke                       // it failed, which is in Failures
)

var checkStateNames = [...]string{"unreached", "skipped", "ran", "decided", "broke"}

func (s CheckState) String() string { return name(checkStateNames[:], int(s)) }

// Verdict is how a message ended.
type Verdict uint8

// The ends of a message.
const (
	Accepted   Verdict = iota
	Held               // accepted into the MTA's hold queue
	Passed             // accepted untouched: the gate let it by
	Discarded          // accepted and thrown away
	Refused            // 5xx
	Tempfailed         // 4xx
	Aborted            // the MTA gave the message up
	Lost               // the connection to the MTA broke before our answer was out
)

var verdictNames = [...]string{"accepted", "held", "passed", "discarded", "refused", "tempfailed", "aborted", "lost"}

func (v Verdict) String() string { return name(verdictNames[:], int(v)) }

// Leaves reports whether the message goes on its way after this verdict, now or on release from hold.
func (v Verdict) Leaves() bool { return v == Accepted || v == Held || v == Passed }

// Outcome is the end of a message as it was told to the MTA.
type Outcome struct {
	Verdict Verdict
	Stage   Stage    // where it was decided
	Check   string   // the check that decided, "" if none did
	Refusal *Refusal // with Refused and Tempfailed
	Reason  string   // with Held, Discarded, Lost
}

func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", i)
}
