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

// match is the message that an event is about.
type match struct {
	*Sent
	// guessed tells that it was found by what anybody could make up, such as the
	// address of a recipient in a bounce address. It is good enough for shares, and not
	// to have the recipient refused.
	guessed bool
}

// find returns the message that an event is about, and nil if the journal knows no
// such message, or knows that it went to somebody else.
func (s *Store) find(ctx context.Context, journal Journal, a about) (*match, error) {
	if journal == nil {
		return nil, nil
	}
	for _, id := range a.ids() {
		found, err := journal.ByID(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("look up %q in the journal: %w", id, err)
		}
		if sent := s.pick(found, a); sent != nil {
			return &match{sent, false}, nil
		}
	}
	if a.messageID != "" {
		return nil, nil // it is about that one, which did not leave here
	}
	for _, address := range a.sentTo {
		sent, err := s.findByReturnPath(ctx, journal, address, a)
		if sent != nil || err != nil {
			return sent, err
		}
	}
	return nil, nil
}

// How many messages are looked at for one bounce address.
const (
	// mostSenders is how many may share a bounce address that tells no recipient: one
	// that more of them share tells nothing.
	mostSenders = 4
	// mostOfVERP is how many of one that tells the recipient; all of them may be meant,
	// and the newest is taken.
	mostOfVERP = 20
)

// findByReturnPath finds a message by the address that a report came back to: the
// sender of one message, of all messages to one recipient (VERP), or of all messages,
// with the recipient put in by the MTA (XVERP of Postfix).
func (s *Store) findByReturnPath(ctx context.Context, journal Journal, address string, a about) (*match, error) {
	recipient, base, isVERP := verp(address)
	guessed := !hasToken(address)
	ways := []struct {
		sender, to string
		most       int
	}{{address, "", mostSenders}}
	if isVERP {
		ways[0].most = mostOfVERP
		ways = append(ways, struct {
			sender, to string
			most       int
		}{base, domainOf(recipient), mostOfVERP})
	}
	for _, way := range ways {
		found, err := journal.BySender(ctx, way.sender, way.to, way.most+1)
		if err != nil {
			return nil, fmt.Errorf("look up the sender of a bounce in the journal: %w", err)
		}
		if len(found) > way.most && !isVERP {
			continue
		}
		if sent := s.pick(found, a); sent != nil {
			return &match{sent, guessed}, nil
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
		return sameDomain(domain, a.domain) || a.finalName != "" && sameDomain(domain, a.finalName)
	})
}
