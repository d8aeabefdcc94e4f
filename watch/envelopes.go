package watch

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"pratique/message"
)

// A recipient is refused because of a bounce that came by mail only if the message
// went to that very recipient. The journal need not keep addresses, and its domains
// are not enough: somebody at a big provider who got one message could have others
// there refused. So while recipients are suppressed, a mark of each recipient of each
// message is kept: 8 octets of a keyed hash, which tell nothing to who has no key.

// envelope is who a message went to.
type envelope struct {
	at         time.Time
	queueID    string
	recipients []string
}

const (
	// envelopesFor is how long marks are kept. A bounce comes within five days, or so
	// the queues of most MTAs are set.
	envelopesFor = 14 * day
	// maxRemembered bounds the recipients in memory until they are kept.
	maxRemembered = 200_000
)

// Remember has the counter also remember who messages went to, or not.
func (c *Counter) Remember(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.remember = on; !on {
		c.envelopes, c.remembered = nil, 0
	}
}

func envelopeOf(m *message.Message, at time.Time) envelope {
	e := envelope{at: at, queueID: m.QueueID}
	for _, r := range m.Recipients {
		e.recipients = append(e.recipients, r.Addr)
	}
	return e
}

// addEnvelope remembers one; what is beyond the bound can't be refused later, and nothing worse.
func (c *Counter) addEnvelope(e envelope) {
	if e.queueID == "" || c.remembered+len(e.recipients) > maxRemembered {
		return
	}
	c.remembered += len(e.recipients)
	c.envelopes = append(c.envelopes, e)
}

// mark is what is kept of a recipient, given by its hash, of a message.
func (s *Store) mark(queueID string, recipient []byte) int64 {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("envelope\x00" + queueID + "\x00"))
	h.Write(recipient)
	return int64(binary.BigEndian.Uint64(h.Sum(nil)))
}

func dayOf(at time.Time) int64 { return at.Unix() / 86400 }

func (s *Store) putEnvelopes(ctx context.Context, tx *sql.Tx, all []envelope) error {
	if len(all) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, "INSERT OR IGNORE INTO envelopes (day, mark) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, e := range all {
		for _, recipient := range e.recipients {
			if _, err := insert.ExecContext(ctx, dayOf(e.at), s.mark(e.queueID, s.hash(recipient))); err != nil {
				return err
			}
		}
	}
	return nil
}

// sentTo reports whether a recipient, given by its hash, is known to have been sent
// this very message.
func (s *Store) sentTo(ctx context.Context, sent *Sent, recipient []byte) (bool, error) {
	if slices.ContainsFunc(sent.Addresses, func(a string) bool { return bytes.Equal(s.hash(a), recipient) }) {
		return true, nil
	}
	if sent.QueueID == "" {
		return false, nil
	}
	var known bool
	// The journal's time and ours may lie on two sides of midnight.
	err := s.db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM envelopes WHERE day BETWEEN ? AND ? AND mark = ?",
		dayOf(sent.At)-1, dayOf(sent.At)+1, s.mark(sent.QueueID, recipient)).Scan(&known)
	if err != nil {
		return false, fmt.Errorf("look up whom a message went to: %w", err)
	}
	return known, nil
}

// toldByLog reports whether the log is among the sources of an event. It is the MTA's
// own word, and proves itself.
func toldByLog(source string) bool {
	return strings.Contains("+"+source+"+", "+"+sourceLog+"+")
}
