package signing

import (
	"errors"

	"pratique/message"
)

// Reason is why a message leaves without a signature of ours. The words are
// stable: they stand in the log, in the metrics and in the header of the message.
type Reason string

// The reasons. Each message that leaves unsigned has exactly one.
const (
	Off            Reason = "off"              // no domain is configured to sign
	NotPermitted   Reason = "not_permitted"    // the gate let the client's message pass untouched
	Excluded       Reason = "excluded"         // its From is one that is deliberately not signed
	NoFrom         Reason = "no_from"          // it has no From field
	ManyFrom       Reason = "many_from"        // it has several
	UnreadableFrom Reason = "unreadable_from"  // there is no address in it that can be read
	NoKey          Reason = "no_key"           // there is no key for its From domain
	NullSender     Reason = "null_sender"      // the same of a bounce, and there is no default domain
	KeyFailed      Reason = "key_failed"       // a key of the domain can't be used, and on_error let it go
	SignFailed     Reason = "sign_failed"      // signing broke otherwise, and on_error let it go
	HeaderTooLarge Reason = "header_too_large" // a bounce that is held: its header was not kept whole
	Unexplained    Reason = "unexplained"      // none of these: a mistake in this program
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		Off, NotPermitted, Excluded, NoFrom, ManyFrom, UnreadableFrom, NoKey, NullSender,
		KeyFailed, SignFailed, HeaderTooLarge, Unexplained,
	}
}

// lack is why there is nothing to sign a message with, as an error.
type lack struct {
	reason Reason
	text   string
}

func (l *lack) Error() string { return l.text }

// brokenKey is an error of a key, not of the signing with it.
type brokenKey struct{ error }

func (b *brokenKey) Unwrap() error { return b.error }

// The keys of the notes.
const (
	noteSigned   = "signed"
	noteUnsigned = "unsigned"
)

// Observe puts on record why a message that leaves is unsigned, where that was not
// decided by the signer itself: the gate let it pass, signing broke, or nobody
// asked. It belongs before the observers that count or store the reason.
func (s *Signer) Observe(m *message.Message, o message.Outcome) {
	if !o.Verdict.Leaves() || accounted(m) {
		return
	}
	reason, text := s.explain(m, o)
	note(m, reason, text)
}

// accounted reports whether the record says that the message was signed, or why not.
func accounted(m *message.Message) bool {
	for _, n := range m.Notes {
		if n.Check == checkName && (n.Key == noteSigned || n.Key == noteUnsigned) {
			return true
		}
	}
	return false
}

func note(m *message.Message, reason Reason, text string) {
	m.Notes = append(m.Notes, message.Note{Check: checkName, Key: noteUnsigned, Code: string(reason), Text: text})
}

func (s *Signer) explain(m *message.Message, o message.Outcome) (Reason, string) {
	if o.Verdict == message.Passed {
		return NotPermitted, "the message was let pass untouched"
	}
	for _, f := range m.Failures {
		if f.Check == checkName && f.Stage < message.StageClose {
			return reasonOf(f.Err), f.Err.Error()
		}
	}
	if m.Header.Overflow() {
		return HeaderTooLarge, "the header is too large to be signed"
	}
	s.log.Error("a message leaves unsigned, and nothing says why; please report this", "queue_id", m.QueueID)
	return Unexplained, "no reason is known"
}

// reasonOf is the reason for a failure of ours.
func reasonOf(err error) Reason {
	var key *brokenKey
	if errors.As(err, &key) {
		return KeyFailed
	}
	return SignFailed
}
