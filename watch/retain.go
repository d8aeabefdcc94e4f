package watch

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"pratique/state"
)

// Bounds of the file, whatever is sent to it.
const (
	maxEvents   = 1_000_000
	maxReported = 500_000 // rows of DMARC, and of TLS
	maxIngested = 500_000
	maxHosts    = 50_000
	maxCounts   = 2_000_000 // rows of what was sent, and of attempts: a domain in an hour, or a day, is one
	fineFor     = 2 * day   // so long hours are kept apart; after that, days
)

// Tidy forgets what is older than keep, and the oldest of what is beyond the bounds.
func (s *Store) Tidy(ctx context.Context, keep time.Duration) error {
	oldest := s.now().Add(-keep).Unix()
	err := state.Transact(ctx, s.db, func(tx *sql.Tx) error {
		for _, table := range []struct {
			name, at string
			most     int
		}{
			{"events", "at", maxEvents}, {"dmarc", "at", maxReported}, {"tls", "at", maxReported}, {"ingested", "at", maxIngested},
			{"hosts", "at", maxHosts}, {"released", "at", maxHosts}, {"sent", "hour", maxCounts}, {"attempts", "hour", maxCounts},
		} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table.name+" WHERE "+table.at+" < ?", oldest); err != nil {
				return err
			}
			// Those of the same second as the last one to stay are kept, too.
			_, err := tx.ExecContext(ctx, fmt.Sprintf("DELETE FROM %[1]s WHERE %[2]s < (SELECT %[2]s FROM %[1]s ORDER BY %[2]s DESC LIMIT 1 OFFSET %[3]d)", table.name, table.at, table.most))
			if err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM envelopes WHERE day < ?", dayOf(s.now().Add(-min(keep, envelopesFor)))); err != nil {
			return err
		}
		return s.toDays(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("forget what came back long ago: %w", err)
	}
	return nil
}

// addedUpTo is when the first day begins whose hours are kept apart.
func (s *Store) addedUpTo() time.Time { return s.now().Add(-fineFor).Truncate(day) }

// toDays adds the hours of old days up.
func (s *Store) toDays(ctx context.Context, tx *sql.Tx) error {
	before := s.addedUpTo().Unix()
	for _, step := range []string{
		`CREATE TEMP TABLE days AS SELECT hour - hour % 86400 AS hour, dimension, key, sum(messages) AS messages, sum(recipients) AS recipients
			FROM sent WHERE hour < ?1 GROUP BY 1, 2, 3`,
		`DELETE FROM sent WHERE hour < ?1`,
		`INSERT INTO sent SELECT * FROM days`,
		`DROP TABLE days`,
		`CREATE TEMP TABLE days AS SELECT hour - hour % 86400 AS hour, domain, status, sum(n) AS n, sum(delay_ms) AS delay_ms
			FROM attempts WHERE hour < ?1 GROUP BY 1, 2, 3`,
		`DELETE FROM attempts WHERE hour < ?1`,
		`INSERT INTO attempts SELECT * FROM days`,
		`DROP TABLE days`,
	} {
		var arguments []any
		if len(step) > 0 && (step[0] == 'C' || step[:6] == "DELETE") {
			arguments = []any{before}
		}
		if _, err := tx.ExecContext(ctx, step, arguments...); err != nil {
			return err
		}
	}
	return nil
}
