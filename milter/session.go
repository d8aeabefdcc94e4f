package milter

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/textproto"
	"runtime/debug"
	"time"

	"github.com/emersion/go-milter"

	"pratique/message"
)

// Commands that go-milter has no name for.
const (
	codeUnknown milter.Code = 'U' // SMFIC_UNKNOWN: an SMTP command that the MTA does not know
)

// session is go-milter's backend for one connection. It knows the client, which
// belongs to the connection, and at most one message under way.
type session struct {
	conn *conn
	full bool // the connection is over the cap: it is turned away at CONNECT

	terms  *terms // nil before negotiation
	macros macros // of CONNECT and HELO
	coming macros // of the MAIL that comes next
	client message.Client
	tx     *transaction // nil between messages
	data   []byte       // of the command under way; valid until the next one

	broken error // what went wrong in a callback of go-milter, or a reply that is not whole
	last   error // the reply under way is the last one of the connection
	over   bool
}

var _ milter.Milter = (*session)(nil)

func newSession(c *conn) *session { return &session{conn: c} }

// turnAwayTime is how long an MTA may take to hear that there are too many connections.
const turnAwayTime = 5 * time.Second

// patience is how long the MTA may be silent.
func (s *session) patience() time.Duration {
	if s.full {
		return turnAwayTime
	}
	return s.conn.server.opts.IdleTimeout
}

// command takes a command as it comes from the MTA. It carries out what
// go-milter has no room for, and has the rest passed on.
func (s *session) command(code milter.Code, data []byte) (pass bool, err error) {
	s.data = data
	if s.terms == nil && code != milter.CodeOptNeg && code != milter.CodeQuit {
		return false, fmt.Errorf("the MTA sent command %q before it negotiated", rune(code))
	}
	if s.full && code == milter.CodeMail {
		return false, errTooMany // it has not waited for the answer to CONNECT
	}
	switch code {
	case milter.CodeOptNeg:
		return false, s.negotiate()
	case milter.CodeMacro:
		return false, s.define()
	case milter.CodeConn:
		_, err := parseConnect(data) // go-milter prints an error to package log
		return true, err
	case milter.CodeHelo, milter.CodeMail, milter.CodeAbort:
		return true, nil
	case milter.CodeRcpt:
		return true, s.inOrder(code, stageEnvelope)
	case milter.CodeEOH:
		return true, s.inOrder(code, stageHeader)
	case milter.CodeEOB:
		if err := s.inOrder(code, stageBody); err != nil || len(data) == 0 {
			return true, err
		}
		s.tx.chunk(data) // the last chunk may come so, as libmilter has it
		return true, nil
	case milter.CodeData:
		return false, s.dataCommand()
	case milter.CodeHeader:
		return false, s.header()
	case milter.CodeBody:
		return false, s.body()
	case codeUnknown:
		s.reply(milter.OptNoUnknownReply, continueReply)
		return false, nil
	case milter.CodeQuitNewConn:
		s.disconnect()
		return false, nil
	case milter.CodeQuit:
		return false, errQuit
	}
	return false, fmt.Errorf("the MTA sent the unknown command %q", rune(code))
}

// inOrder says what is wrong with a command that needs a message, and one that has not got beyond a stage.
func (s *session) inOrder(code milter.Code, latest stage) error {
	switch {
	case s.tx == nil:
		return fmt.Errorf("the MTA sent command %q without a MAIL before it", rune(code))
	case s.tx.stage > latest:
		return fmt.Errorf("the MTA sent command %q out of order", rune(code))
	}
	return nil
}

// reply answers a command that was carried out here, unless it has no reply by agreement.
func (s *session) reply(unless milter.OptProtocol, r reply) {
	if !s.terms.agreed(unless) {
		s.conn.send(r)
	}
}

func (s *session) negotiate() error {
	if s.terms != nil {
		return errors.New("the MTA negotiated a second time")
	}
	t, answer, err := negotiate(s.data, s.full, s.conn.server.pipeline().NewBodies)
	if err != nil {
		return err
	}
	s.terms = &t
	s.conn.send(reply{code: byte(milter.CodeOptNeg), data: string(answer)})
	return nil
}

// define takes the macros of the command that comes next.
func (s *session) define() error {
	if len(s.data) == 0 {
		return errors.New("the MTA sent macros without their command")
	}
	pairs := s.data[1:]
	switch milter.Code(s.data[0]) {
	case milter.CodeConn, milter.CodeHelo:
		s.macros.read(pairs)
	case milter.CodeMail:
		s.coming.read(pairs)
	default:
		if s.tx != nil && len(pairs) > 0 {
			s.tx.define(pairs)
		}
	}
	return nil
}

// dataCommand is the SMTP command DATA. It matters for the macros before it only.
func (s *session) dataCommand() error {
	if err := s.inOrder(milter.CodeData, stageEnvelope); err != nil {
		return err
	}
	s.reply(milter.OptNoDataReply, continueReply)
	return nil
}

// disconnect is the end of an SMTP session whose connection the MTA uses again
// (SMFIC_QUIT_NC): nothing of it may be left.
func (s *session) disconnect() {
	s.abort("the MTA ended the SMTP session")
	s.macros, s.coming, s.client = macros{}, macros{}, message.Client{}
}

// Connect takes the client in.
func (s *session) Connect(string, string, uint16, net.IP, *milter.Modifier) (milter.Response, error) {
	return s.step(func() {
		if s.full {
			s.last = errTooMany
			s.conn.send(refusalReply(tooManyConnections))
			return
		}
		p, err := parseConnect(s.data)
		if err != nil {
			s.broken = err
			return
		}
		s.abort("the MTA began another SMTP session")
		s.client = p.client(s.macros)
		s.reply(milter.OptNoConnReply, continueReply)
	})
}

var (
	errTooMany         = errors.New("there are too many connections")
	tooManyConnections = &message.Refusal{Code: 421, Enhanced: "4.3.2", Text: "too many connections, please try again later"}
)

// Helo takes the client's name for itself.
func (s *session) Helo(string, *milter.Modifier) (milter.Response, error) {
	return s.step(func() {
		s.client.Helo = cString(s.data)
		s.reply(milter.OptNoHeloReply, continueReply)
	})
}

// MailFrom begins a message.
func (s *session) MailFrom(string, *milter.Modifier) (milter.Response, error) {
	return s.step(func() {
		s.abort("the MTA began another message")
		s.begin()
		s.conn.send(orContinue(s.tx.admit()))
	})
}

// RcptTo adds a recipient. It is never refused: mail that is not from SMTP must not be.
func (s *session) RcptTo(string, *milter.Modifier) (milter.Response, error) {
	return s.step(func() {
		addr, args := parsePath(s.data)
		s.tx.recipient(message.Recipient{Addr: addr, Args: args}, s.conn.server.opts.MaxRecipients)
		s.reply(milter.OptNoRcptReply, continueReply)
	})
}

// Header is not called: header fields don't pass go-milter.
func (s *session) Header(string, string, *milter.Modifier) (milter.Response, error) { return nil, nil }

// header adds a header field. One with a NUL in it is kept as it is, for the checks to judge.
func (s *session) header() error {
	if err := s.inOrder(milter.CodeHeader, stageHeader); err != nil {
		return err
	}
	name, value, ok := bytes.Cut(s.data, nul)
	if !ok || len(name) == 0 {
		return errors.New("the MTA sent a malformed header field")
	}
	s.tx.field(string(name), s.terms.received(string(bytes.TrimSuffix(value, nul))))
	s.reply(milter.OptNoHeaderReply, continueReply)
	return nil
}

// Headers is the end of the header.
func (s *session) Headers(textproto.MIMEHeader, *milter.Modifier) (milter.Response, error) {
	return s.step(func() {
		s.tx.judgeHeader()
		if !s.terms.agreed(milter.OptNoEOHReply) {
			s.conn.send(orContinue(s.tx.answerIfDecided()))
		}
	})
}

// orContinue is the reply that was decided on, or "continue".
func orContinue(r reply, decided bool) reply {
	if decided {
		return r
	}
	return continueReply
}

// BodyChunk is not called: the body doesn't pass go-milter.
func (s *session) BodyChunk([]byte, *milter.Modifier) (milter.Response, error) { return nil, nil }

// body hands on a body chunk.
func (s *session) body() error {
	if err := s.inOrder(milter.CodeBody, stageBody); err != nil {
		return err
	}
	s.tx.chunk(s.data)
	if s.terms.agreed(milter.OptNoBodyReply) {
		return nil
	}
	if r, decided := s.tx.answerIfDecided(); decided {
		s.conn.send(r)
		return nil
	}
	if s.terms.agreed(milter.OptSkip) && s.tx.idle() {
		s.conn.send(skipReply)
		return nil
	}
	s.conn.send(continueReply)
	return nil
}

// Body is the end of the message: the modifications and the last reply.
func (s *session) Body(*milter.Modifier) (milter.Response, error) {
	return s.step(func() {
		if s.broken = s.tx.end(s.conn); s.broken == nil {
			s.tx.leave(s.conn, s.terms)
		}
	})
}

// Abort ends the message. It has no reply, and may come at any time.
func (s *session) Abort(*milter.Modifier) error {
	_, err := s.step(func() {
		s.abort("the MTA aborted the message")
		s.coming = macros{}
	})
	return err
}

// step is a callback of go-milter. A panic ends the connection, and no more
// than it: the MTA answers the client with a temporary failure.
//
// It leaves nothing for go-milter to send, whose writer sets a buffer of 4 KiB
// aside for each reply and each modification: four a message, two thirds of all
// memory that the edge took for one.
func (s *session) step(f func()) (milter.Response, error) {
	defer func() {
		if v := recover(); v != nil {
			s.broken = &message.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	f()
	return nil, nil
}

// begin begins a message under the configuration of this moment.
func (s *session) begin() {
	s.tx = newTransaction(s)
	s.coming = macros{}
	s.conn.setBusy(true)
}

// abort ends the message under way, if there is one, for a reason that is not ours.
func (s *session) abort(reason string) {
	if s.tx != nil {
		s.finish(message.Outcome{Verdict: message.Aborted, Stage: s.tx.stage.reached(), Reason: reason})
	}
}

// answered is called when the replies are out: a message that has its answer is over.
func (s *session) answered() error {
	if s.tx != nil && s.tx.outcome != nil {
		s.finish(*s.tx.outcome)
	}
	return s.last
}

// finish ends the message and tells its outcome. It is the only place that does.
func (s *session) finish(o message.Outcome) {
	tx := s.tx
	s.tx = nil
	tx.close()
	tx.pipeline.Tell(tx.m, o)
	logMessage(s.conn.ctx, s.log(), tx, o, s.conn.server.now().Sub(tx.m.Began))
	s.conn.setBusy(false)
}

// end is the end of the connection, told once with its reason.
func (s *session) end(reason error) {
	if s.over {
		return
	}
	s.over = true
	s.logEnd(reason)
	switch {
	case s.tx == nil:
	case errors.Is(reason, errQuit):
		s.abort(reason.Error())
	default:
		s.finish(message.Outcome{Verdict: message.Lost, Stage: s.tx.stage.reached(), Reason: reason.Error()})
	}
}

func (s *session) log() *slog.Logger { return s.conn.server.log }
