package watch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"pratique/state"
)

// How a join is tried again: the journal writes a message a little later than the
// MTA logs its bounce.
const (
	firstRetry = 5   // seconds; doubled each time
	retryFor   = day // after which it stays unverified
	// Within this time the daemon also has put down whom a message went to.
	provenWithin = 2 * time.Minute
)

// Rejoin tries again to join what could not be joined before, as far as it is time
// to. It returns how many were joined.
func (s *Store) Rejoin(ctx context.Context, journal Journal) (joined int, err error) {
	if journal == nil {
		return 0, nil
	}
	due, err := s.due(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range due {
		a := about{messageID: r.messageID, recipient: r.recipient, domain: r.domain, at: time.Unix(r.at, 0)}
		if r.queueID != "" {
			a.queueIDs = []string{r.queueID}
		}
		sent, err := s.find(ctx, journal, a)
		if err != nil {
			return joined, err
		}
		if sent != nil && !r.certain {
			joined++
		}
		proven, err := s.proven(ctx, &r, sent)
		if err != nil {
			return joined, err
		}
		if err := state.Transact(ctx, s.db, func(tx *sql.Tx) error { return s.retried(ctx, tx, r.id, sent, proven) }); err != nil {
			return joined, err
		}
	}
	return joined, nil
}

// atOnce bounds the tries of one round.
const atOnce = 500

func (s *Store) due(ctx context.Context) ([]row, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+eventColumns+" FROM events WHERE next_try > 0 AND next_try <= ? ORDER BY next_try LIMIT ?", s.now().Unix(), atOnce)
	if err != nil {
		return nil, fmt.Errorf("find what is not joined yet: %w", err)
	}
	defer rows.Close()
	var due []row
	for rows.Next() {
		var r row
		if err := r.scan(rows.Scan); err != nil {
			return nil, fmt.Errorf("find what is not joined yet: %w", err)
		}
		due = append(due, r)
	}
	return due, rows.Err()
}

// retried puts down the result of a try. The row may have changed meanwhile.
func (s *Store) retried(ctx context.Context, tx *sql.Tx, id int64, sent *match, proven bool) error {
	var r row
	err := r.scan(tx.QueryRowContext(ctx, "SELECT "+eventColumns+" FROM events WHERE id = ?", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("join what came back: %w", err)
	}
	switch {
	case r.certain && (proven || r.proven):
		_, err := tx.ExecContext(ctx, "UPDATE events SET next_try = 0, proven = 1 WHERE id = ?", id)
		return err
	case r.certain:
		return s.retryLater(ctx, tx, &r, provenWithin)
	case sent == nil:
		return s.retryLater(ctx, tx, &r, retryFor)
	}
	r.join(sent.Sent)
	r.proven = proven
	if _, err := tx.ExecContext(ctx, "DELETE FROM events WHERE id = ?", id); err != nil {
		return err
	}
	r.id = 0
	return put(ctx, tx, r)
}

// retryLater puts the next try off, twice as long as the last time, and gives up
// beyond a time.
func (s *Store) retryLater(ctx context.Context, tx *sql.Tx, r *row, giveUp time.Duration) error {
	r.waited *= 2
	r.nextTry = s.now().Unix() + r.waited
	if time.Duration(r.waited)*time.Second > giveUp {
		r.nextTry = 0
	}
	_, err := tx.ExecContext(ctx, "UPDATE events SET next_try = ?, waited = ? WHERE id = ?", r.nextTry, r.waited, r.id)
	return err
}
