package signing

import (
	"errors"

	"pratique/message"
)

// Facts is what is known, before a message is signed, of the signatures that it will get.
type Facts struct {
	Reason Reason // why it will get none, "" if it will
	Text   string // the same in words
	Domain string // d=
	Keys   []FactKey
}

// FactKey is a key that will sign the message.
type FactKey struct {
	Selector string
	Record   string // the name under which it is to be published
	File     string
	Weakness string // what is wrong with it although it can be used, or ""
}

// Facts returns what will be done about a message whose header is complete.
func (s *Signer) Facts(m *message.Message) Facts {
	e, err := s.entryFor(m)
	var none *lack
	switch {
	case errors.As(err, &none):
		return Facts{Reason: none.reason, Text: none.text}
	case err != nil:
		return Facts{Reason: SignFailed, Text: err.Error()}
	case e.broken != nil:
		return Facts{Reason: KeyFailed, Text: e.broken.Error()}
	}
	f := Facts{Domain: e.domain}
	for _, k := range e.keys {
		f.Keys = append(f.Keys, FactKey{Selector: k.selector, Record: Domain{Domain: e.domain}.RecordName(k.selector), File: k.file, Weakness: k.weakness})
	}
	return f
}
