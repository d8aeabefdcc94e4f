package watch

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// about is what an event tells of the message that it is about.
type about struct {
	queueIDs          []string
	messageID         string
	sentTo            []string
	recipient, final  []byte // keyed hashes; empty if they are not told
	domain, finalName string // of the recipient, of the other address of it
	at                time.Time
}

// How long after a message left something may come back for it. A clock may differ a little.
const (
	longestWay = 35 * day
	clockSkew  = 10 * time.Minute
)

// mostSenders is how many messages of one sender are still looked at one by one: a
// bounce address that many messages share tells nothing.
const mostSenders = 4

// find returns the message that an event is about, and nil if the journal knows no
// such message, or knows that it went to somebody else.
func (s *Store) find(ctx context.Context, journal Journal, a about) (*Sent, error) {
	if journal == nil {
		return nil, nil
	}
	for _, id := range a.ids() {
		found, err := journal.ByID(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("look up %q in the journal: %w", id, err)
		}
		if sent := s.pick(found, a); sent != nil {
			return sent, nil
		}
	}
	for _, address := range a.sentTo {
		found, err := journal.BySender(ctx, address, mostSenders+1)
		if err != nil {
			return nil, fmt.Errorf("look up the sender of a bounce in the journal: %w", err)
		}
		if len(found) > mostSenders || a.hasID() {
			continue
		}
		if sent := s.pick(found, a); sent != nil {
			return sent, nil
		}
	}
	return nil, nil
}

// ids are those to look up, the most exact first.
func (a about) ids() []string {
	var ids []string
	if a.messageID != "" {
		ids = append(ids, a.messageID)
	}
	return append(ids, a.queueIDs...)
}

func (a about) hasID() bool { return a.messageID != "" }

// pick returns the newest of some messages that the event can be about.
func (s *Store) pick(found []Sent, a about) *Sent {
	for i := range found {
		if s.fits(&found[i], a) {
			return &found[i]
		}
	}
	return nil
}

// fits reports whether a message can be the one: a queue id comes again, and a
// forged bounce names a recipient that it never had.
func (s *Store) fits(sent *Sent, a about) bool {
	if a.messageID != "" && sent.MessageID != "" && !strings.EqualFold(a.messageID, sent.MessageID) {
		return false
	}
	if a.at.Before(sent.At.Add(-clockSkew)) || a.at.After(sent.At.Add(longestWay)) {
		return false
	}
	if len(a.recipient) == 0 {
		return true
	}
	if len(sent.Addresses) > 0 && !sent.Partial {
		return slices.ContainsFunc(sent.Addresses, func(address string) bool {
			h := s.hash(address)
			return bytes.Equal(h, a.recipient) || bytes.Equal(h, a.final)
		})
	}
	return sent.Partial || slices.ContainsFunc(sent.Domains, func(domain string) bool {
		return strings.EqualFold(domain, a.domain) || a.finalName != "" && strings.EqualFold(domain, a.finalName)
	})
}
