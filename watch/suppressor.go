package watch

import (
	"context"
	"fmt"
	"time"

	"pratique/message"
)

// Suppressor is the check that refuses a message all of whose recipients are gone.
//
// A message with other recipients as well goes to all of them: to refuse the whole
// would keep it from those who are there, and to take one out (SMFIR_DELRCPT) would
// be silent. Refusing one at RCPT would need an answer to each RCPT of all mail, which
// is spared otherwise, and Postfix takes it amiss for mail that is not from SMTP. It is
// put on record, and the receiver bounces it once more. Programs that send to lists
// hand in one message a recipient, as a rule, and are told.
type Suppressor struct{ Gone *Gone }

// Name is the name of the check.
func (Suppressor) Name() string { return "suppression" }

// Begin is interested in messages with a recipient that is gone. Bounces are let through.
func (s Suppressor) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	if m.Sender == "" {
		return nil, nil
	}
	dead := 0
	var last time.Time
	for _, r := range m.Recipients {
		if until, ok := s.Gone.Has(r.Addr); ok {
			dead++
			if until.After(last) {
				last = until
			}
		}
	}
	if dead == 0 {
		return nil, nil
	}
	return &suppression{m, dead, last}, nil
}

// suppression is one message with recipients that are gone.
type suppression struct {
	m    *message.Message
	dead int
	last time.Time
}

// Header refuses the message, or puts it on record.
func (s *suppression) Header() error {
	all := len(s.m.Recipients)
	if s.dead < all {
		s.m.Notes = append(s.m.Notes, message.Note{Check: "suppression", Key: "gone", Code: "some",
			Text: fmt.Sprintf("%d of %d recipients bounced for good before", s.dead, all)})
		return nil
	}
	text := "the recipient bounced for good before"
	if all > 1 {
		text = fmt.Sprintf("all %d recipients bounced for good before", all)
	}
	return &message.Refusal{Code: 550, Enhanced: "5.1.1", Text: "suppression: " + text + "; not tried again until " + s.last.UTC().Format("2006-01-02 15:04 MST")}
}

func (s *suppression) Write(p []byte) (int, error) { return len(p), nil }
func (s *suppression) Idle() bool                  { return true }
func (s *suppression) End() error                  { return nil }
func (s *suppression) Close() error                { return nil }
