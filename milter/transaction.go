package milter

import (
	"cmp"
	"context"
	"errors"

	"github.com/emersion/go-milter"

	"pratique/message"
)

// stage is what the MTA has sent of a message.
type stage uint8

const (
	stageEnvelope stage = iota // MAIL, and RCPT
	stageHeader                // header fields
	stageBody                  // the end of the header, and body chunks
	stageEnd                   // the end of the message
)

// reached is the stage in the terms of an Outcome.
func (s stage) reached() message.Stage {
	return [...]message.Stage{message.StageMail, message.StageHeader, message.StageBody, message.StageEnd}[s]
}

// transaction is one message under way: built at MAIL, thrown away when its
// outcome was told.
type transaction struct {
	pipeline  *message.Pipeline // of the time of MAIL, to the message's end
	m         *message.Message
	ctx       context.Context // ends with the message
	cancel    context.CancelFunc
	inspector message.Inspector // nil before the checks begin, and if they do not want the message
	stage     stage
	crowded   bool // more recipients than are allowed

	verdict error            // the first answer of the gates or checks that is not nil
	own     message.Stage    // where we refused it ourselves, 0 if we did not
	outcome *message.Outcome // set once the MTA was, or is being, answered
	replied reply
}

func newTransaction(s *session) *transaction {
	sender, args := parsePath(s.data)
	client := s.client
	client.Login = s.coming.login
	client.TLS = cmp.Or(s.coming.tls, s.macros.tls) // by our own list of macros, or by the MTA's
	tx := &transaction{
		pipeline: s.conn.server.pipeline(),
		m: &message.Message{
			Client: client, QueueID: s.coming.queueID, Sender: sender, SenderArgs: args, Began: s.conn.server.now(),
			BodyFixed: s.terms.actions&milter.OptChangeBody == 0,
		},
	}
	tx.ctx, tx.cancel = context.WithCancel(s.conn.ctx)
	return tx
}

// define takes macros that come after MAIL.
func (tx *transaction) define(pairs []byte) {
	m := macros{queueID: tx.m.QueueID}
	m.read(pairs)
	tx.m.QueueID = m.queueID
}

// admit asks the gates. Their answer stands, unless it is to let a message pass
// untouched that is to be held.
func (tx *transaction) admit() (r reply, decided bool) {
	tx.verdict = tx.pipeline.Admit(tx.ctx, tx.m)
	if errors.Is(tx.verdict, message.ErrPass) && tx.m.Held() != "" {
		tx.verdict = nil
	}
	return tx.answerIfDecided()
}

func (tx *transaction) recipient(r message.Recipient, most int) {
	if len(tx.m.Recipients) >= most {
		tx.crowded = true
		return
	}
	tx.m.Recipients = append(tx.m.Recipients, r)
}

var tooManyRecipients = &message.Refusal{Code: 452, Enhanced: "4.5.3", Text: "too many recipients, please send to fewer at a time"}

// begin begins the checks, when the first part of the message itself comes. DATA
// would be a step earlier, but below version 4 there is none.
func (tx *transaction) begin() {
	if tx.stage != stageEnvelope {
		return
	}
	tx.stage = stageHeader
	if tx.crowded {
		tx.refuse(tooManyRecipients, message.StageBegin)
		return
	}
	tx.inspector, tx.verdict = tx.pipeline.Begin(tx.ctx, tx.m)
}

// refuse is a verdict of our own.
func (tx *transaction) refuse(r *message.Refusal, at message.Stage) { tx.verdict, tx.own = r, at }

// field adds a header field. One that is too many is counted by the Header, which the Chain refuses.
func (tx *transaction) field(name, value string) {
	tx.begin()
	_ = tx.m.Header.Receive(message.NewField(name, value))
}

// judgeHeader has the checks judge the header, once.
func (tx *transaction) judgeHeader() {
	tx.begin()
	if tx.stage != stageHeader {
		return
	}
	tx.stage = stageBody
	if tx.wanted() {
		tx.verdict = tx.inspector.Header()
	}
}

// wanted reports whether anybody still looks at the message.
func (tx *transaction) wanted() bool { return tx.verdict == nil && tx.inspector != nil }

// idle reports whether nobody needs the rest of the body.
func (tx *transaction) idle() bool {
	if tx.inspector == nil {
		return true
	}
	i, ok := tx.inspector.(message.Idler)
	return ok && i.Idle()
}

// chunk hands a body chunk to the checks. With body replies left out, a verdict waits for the end.
func (tx *transaction) chunk(p []byte) {
	tx.judgeHeader()
	if tx.wanted() {
		_, tx.verdict = tx.inspector.Write(p)
	}
}

// end has the checks finish, and keeps a vigil over the MTA meanwhile. That is
// over when it returns: MTAs take no sign of progress after a modification. The
// error is that the MTA went away.
func (tx *transaction) end(c *conn) (err error) {
	tx.judgeHeader()
	tx.stage = stageEnd
	if !tx.wanted() {
		return nil
	}
	v := newVigil(c, tx.cancel)
	defer func() { err = v.end() }() // also when End panics
	tx.verdict = tx.inspector.End()
	return nil
}

// leave answers the end of the message, with the modifications before the reply.
func (tx *transaction) leave(c *conn, t *terms) {
	if tx.verdict == nil {
		if edits, refusal := t.plan(tx.m); refusal != nil {
			tx.refuse(refusal, message.StageEnd)
		} else {
			t.apply(c, tx.m, edits)
		}
	}
	c.send(tx.answer())
}

func (tx *transaction) answerIfDecided() (r reply, decided bool) {
	if tx.verdict == nil {
		return reply{}, false
	}
	return tx.answer(), true
}

// answer turns the verdict into the reply, and into the outcome that is told once the reply is out.
func (tx *transaction) answer() reply {
	o := message.OutcomeOf(tx.m, tx.verdict)
	if tx.own != 0 {
		o.Check, o.Stage = "milter", tx.own
	}
	tx.outcome = &o
	switch o.Verdict {
	case message.Refused, message.Tempfailed:
		tx.replied = refusalReply(o.Refusal)
		if tx.m.Client.Local {
			tx.replied = localReply(o.Refusal)
		}
	case message.Discarded:
		tx.replied = discardReply
	default:
		tx.replied = acceptReply
	}
	return tx.replied
}

// close ends the checks of the message.
func (tx *transaction) close() {
	tx.cancel()
	if tx.inspector != nil {
		if err := tx.inspector.Close(); err != nil {
			tx.m.Failures = append(tx.m.Failures, message.Failure{Check: "chain", Stage: message.StageClose, Err: err})
		}
	}
}
