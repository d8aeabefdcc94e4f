package watch

import (
	"context"
	"fmt"
	"time"

	"pratique/watch/reason"
)

// Recipient is what is known of one recipient.
type Recipient struct {
	Events     []RecipientEvent // the newest first, at most 100
	Suppressed time.Time        // until when it is refused; zero: it is not
}

// RecipientEvent is something that came back from a recipient.
type RecipientEvent struct {
	At      time.Time
	Status  string // failed, deferred, delivered or complaint
	Certain bool
	Reason  reason.Reason
	QueueID string
	Words   string
}

// Recipient returns what is known of a recipient, given for how long those that
// bounced for good are refused.
func (s *Store) Recipient(ctx context.Context, address string, suppress time.Duration) (Recipient, error) {
	var known Recipient
	q := &query{ctx: ctx, db: s.db}
	q.each("SELECT at, status, certain, class, reason, code, queue_id, words FROM events WHERE recipient = ?1 OR dead = ?1 ORDER BY at DESC LIMIT ?2", func(scan scanner) {
		var e RecipientEvent
		var at int64
		scan(&at, &e.Status, &e.Certain, &e.Reason.Class, &e.Reason.Name, &e.Reason.Code, &e.QueueID, &e.Words)
		e.At = time.Unix(at, 0)
		known.Events = append(known.Events, e)
	}, s.hash(address), mostShown)
	if q.err != nil {
		return known, fmt.Errorf("look up a recipient: %w", q.err)
	}
	var gone Gone
	if err := gone.Load(ctx, s, suppress); err != nil {
		return known, err
	}
	known.Suppressed, _ = gone.Has(address)
	return known, nil
}
