package watch

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"pratique/state"
	"pratique/watch/maillog"
	"pratique/watch/reason"
	"pratique/watch/receiver"
)

const sourceLog = "log"

// Position returns how far a log was read.
func (s *Store) Position(ctx context.Context, log string) (maillog.Position, error) {
	var text string
	var pos maillog.Position
	err := s.db.QueryRowContext(ctx, "SELECT position FROM positions WHERE log = ?", log).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return pos, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &pos)
	}
	if err != nil {
		return pos, fmt.Errorf("find where the log was read to: %w", err)
	}
	return pos, nil
}

// Deliveries keeps what a log says, and how far it was read, in one step: after a
// crash nothing counts twice and nothing is missing.
func (s *Store) Deliveries(ctx context.Context, journal Journal, log string, found []maillog.Delivery, pos maillog.Position) error {
	rows := make([]row, len(found))
	journal = onceEach(journal, len(found)) // a line names one message, and many may name the same
	for i, d := range found {
		if d.Status == maillog.Sent || d.Status == maillog.Expired {
			continue
		}
		var err error
		if rows[i], err = s.prepare(ctx, journal, logged(d)); err != nil {
			return err
		}
	}
	text, err := json.Marshal(pos)
	if err != nil {
		return err
	}
	err = state.Transact(ctx, s.db, func(tx *sql.Tx) error {
		for i, d := range found {
			if err := s.delivery(ctx, tx, d, rows[i]); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO positions (log, position) VALUES (?, ?)", log, string(text))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep what the log says: %w", err)
	}
	return nil
}

// logged is what a line of the log tells of a recipient.
func logged(d maillog.Delivery) event {
	e := event{kind: kindBounce, at: d.At, source: sourceLog, queueIDs: []string{d.QueueID}, recipient: d.Recipient, final: d.Original, dead: d.Recipient,
		status: statusDeferred, host: d.Relay, words: d.Text, reason: reason.Of(d.Code, d.Text)}
	if d.Original != "" {
		e.recipient, e.final = d.Original, d.Recipient // an alias of ours, which may have other ends: see deadOf
	}
	if d.Status == maillog.Bounced {
		e.status = statusFailed
	}
	return e
}

// delivery keeps what one line says; r is the row of a recipient that did not get it.
func (s *Store) delivery(ctx context.Context, tx *sql.Tx, d maillog.Delivery, r row) error {
	if d.Status == maillog.Expired {
		return giveUp(ctx, tx, d)
	}
	domain := domainOf(d.Recipient)
	_, err := tx.ExecContext(ctx, `INSERT INTO attempts (hour, domain, status, n, delay_ms) VALUES (?, ?, ?, 1, ?)
		ON CONFLICT DO UPDATE SET n = n + 1, delay_ms = delay_ms + excluded.delay_ms`, hourOf(d.At), domain, d.Status, d.Delay.Milliseconds())
	if err != nil {
		return err
	}
	// A host of no provider tells nothing, and may be a relay or a filter of our own, which
	// takes the mail of all domains.
	if domain != "" && receiver.ByHost(d.Relay) != "" {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO hosts (domain, host, at) VALUES (?, ?, ?)", domain, d.Relay, d.At.Unix())
		if err != nil {
			return err
		}
	}
	if d.Status != maillog.Sent {
		return put(ctx, tx, r)
	}
	return s.cameThrough(ctx, tx, d)
}

// cameThrough notes that a recipient got a message in the end, if it was deferred before.
func (s *Store) cameThrough(ctx context.Context, tx *sql.Tx, d maillog.Delivery) error {
	_, err := tx.ExecContext(ctx, "UPDATE events SET status = ?, at = ? WHERE recipient = ? AND kind = ? AND status = ? AND queue_id = ?",
		statusDelivered, d.At.Unix(), s.hash(cmp.Or(d.Original, d.Recipient)), kindBounce, statusDeferred, d.QueueID)
	return err
}

// giveUp notes that whoever a message was deferred for does not get it any more. The
// reason stays the one for which it was deferred. A queue id comes again.
func giveUp(ctx context.Context, tx *sql.Tx, d maillog.Delivery) error {
	// The status stands in the text, so that the index of what is deferred is taken.
	_, err := tx.ExecContext(ctx, "UPDATE events SET status = ?, at = ? WHERE queue_id = ? AND status = 'deferred' AND kind = ? AND at > ?",
		statusFailed, d.At.Unix(), d.QueueID, kindBounce, d.At.Add(-longestWay).Unix())
	return err
}

// hourOf returns the start of the hour, in Unix seconds.
func hourOf(at time.Time) int64 { return at.Truncate(time.Hour).Unix() }
