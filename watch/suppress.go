package watch

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"pratique/state"
	"pratique/watch/reason"
)

// Gone are the recipients that are refused at once, by their keyed hashes. The
// daemon reads them anew now and then; the zero value knows none.
type Gone struct {
	known atomic.Pointer[gone]
}

type gone struct {
	store *Store
	until map[[hashSize]byte]int64 // Unix seconds
}

// deadForGood is what a certain bounce of a recipient that is gone has; see reason.Reason.
const deadForGood = "e.kind = ? AND e.status = ? AND e.certain = 1 AND e.proven = 1 AND e.class = ? AND e.code LIKE '5%'"

// maxGone bounds the memory for it: some 40 MB.
const maxGone = 500_000

// goneSince selects the last bounce of each recipient that is refused: those that
// bounced after a time, and were not released since.
const goneSince = ` FROM events e LEFT JOIN released r ON r.recipient = e.dead
	WHERE ` + deadForGood + ` AND length(e.dead) = ? AND e.at > ? AND e.at > coalesce(r.at, 0)
	GROUP BY e.dead ORDER BY 2 DESC LIMIT ?`

func (s *Store) goneArguments(within time.Duration, most int) []any {
	return []any{kindBounce, statusFailed, reason.Hard, hashSize, s.now().Add(-within).Unix(), most}
}

// Load reads which recipients bounced for good, and certainly, within a time.
func (g *Gone) Load(ctx context.Context, s *Store, within time.Duration) error {
	next := &gone{store: s, until: map[[hashSize]byte]int64{}}
	q := &query{ctx: ctx, db: s.db}
	q.each("SELECT e.dead, max(e.at)"+goneSince, func(scan scanner) {
		var hash []byte
		var at int64
		if scan(&hash, &at); len(hash) == hashSize {
			next.until[[hashSize]byte(hash)] = at + int64(within/time.Second)
		}
	}, s.goneArguments(within, maxGone)...)
	if q.err != nil {
		return fmt.Errorf("read which recipients are gone: %w", q.err)
	}
	g.known.Store(next)
	return nil
}

// Size returns how many recipients are refused.
func (g *Gone) Size() int {
	if known := g.known.Load(); known != nil {
		return len(known.until)
	}
	return 0
}

// Has reports whether a recipient bounced for good, and until when it is refused.
func (g *Gone) Has(address string) (until time.Time, has bool) {
	known := g.known.Load()
	if known == nil || len(known.until) == 0 || address == "" {
		return until, false
	}
	at, ok := known.until[[hashSize]byte(known.store.hash(address))]
	if !ok || at <= known.store.now().Unix() {
		return until, false
	}
	return time.Unix(at, 0), true
}

// Release lets mail to a recipient through again, until it bounces once more. It
// reports whether the recipient bounced for good at all.
func (s *Store) Release(ctx context.Context, address string) (known bool, err error) {
	hash := s.hash(address)
	err = s.db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM events e WHERE "+deadForGood+" AND e.dead = ?",
		kindBounce, statusFailed, reason.Hard, hash).Scan(&known)
	if err == nil {
		_, err = s.db.ExecContext(ctx, "INSERT OR REPLACE INTO released (recipient, at) VALUES (?, ?)", hash, s.now().Unix())
	}
	if err != nil {
		return known, fmt.Errorf("release a recipient: %w", err)
	}
	return known, nil
}

// ReleaseDomain lets mail to all recipients of a domain through again, as after a
// receiver that took back what it said; to all recipients of all domains if it is "".
// It returns how many were refused.
func (s *Store) ReleaseDomain(ctx context.Context, domain string, within time.Duration) (released int, err error) {
	all, err := s.Suppressed(ctx, nil, within, maxGone)
	if err != nil {
		return 0, err
	}
	err = state.Transact(ctx, s.db, func(tx *sql.Tx) error {
		for _, r := range all {
			if domain != "" && !sameDomain(r.Domain, domain) {
				continue
			}
			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO released (recipient, at) VALUES (?, ?)", r.hash, s.now().Unix()); err != nil {
				return err
			}
			released++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("release recipients: %w", err)
	}
	return released, nil
}

// Suppressed is a recipient that is refused.
type Suppressed struct {
	Address string        `json:"address,omitempty"` // as far as the journal keeps addresses; nothing else does
	Domain  string        `json:"domain"`
	Bounced time.Time     `json:"bounced"`
	Until   time.Time     `json:"until"`
	Reason  reason.Reason `json:"reason"`
	QueueID string        `json:"queue_id"` // of the message that bounced
	Words   string        `json:"words"`    // of the receiver

	hash []byte
}

// Suppressed lists the recipients that are refused, the latest first, at most so
// many. The journal, if there is one, may know their addresses.
func (s *Store) Suppressed(ctx context.Context, journal Journal, within time.Duration, most int) ([]Suppressed, error) {
	all := []Suppressed{}
	q := &query{ctx: ctx, db: s.db}
	q.each("SELECT e.dead, max(e.at), e.dead_domain, e.class, e.reason, e.code, e.queue_id, e.words"+goneSince, func(scan scanner) {
		var r Suppressed
		var at int64
		scan(&r.hash, &at, &r.Domain, &r.Reason.Class, &r.Reason.Name, &r.Reason.Code, &r.QueueID, &r.Words)
		r.Bounced = time.Unix(at, 0).UTC()
		r.Until = r.Bounced.Add(within)
		all = append(all, r)
	}, s.goneArguments(within, most)...)
	if q.err != nil {
		return nil, fmt.Errorf("list the recipients that are refused: %w", q.err)
	}
	if journal == nil {
		return all, nil
	}
	for i := range all {
		if err := s.name(ctx, journal, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// name finds the address of a recipient among those of the message that bounced.
func (s *Store) name(ctx context.Context, journal Journal, r *Suppressed) error {
	if r.QueueID == "" {
		return nil
	}
	found, err := journal.ByID(ctx, r.QueueID)
	if err != nil {
		return fmt.Errorf("look up %q in the journal: %w", r.QueueID, err)
	}
	for _, sent := range found {
		for _, address := range sent.Addresses {
			if bytes.Equal(s.hash(address), r.hash) {
				r.Address = address
			}
		}
	}
	return nil
}
