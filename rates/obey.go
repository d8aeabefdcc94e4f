package rates

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"pratique/state"
)

// fileStamp tells whether a file is as it was when it was read. Zero: there was none.
type fileStamp struct {
	modified time.Time
	size     int64
}

func stampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{} // whether that is a fault shows when it is read
	}
	return fileStamp{info.ModTime(), info.Size()}
}

// obey takes up the orders in the state folder if there are others than before, or if
// a block is over. What can't be read leaves those in force that are.
func (s *Store) obey() error {
	if s.dir == "" {
		return nil
	}
	path := filepath.Join(s.dir, ordersName)
	before, now, stamp := s.standing.Load(), s.time.clock(), stampOf(path)
	if before.begun && stamp == before.file && (before.until.IsZero() || now.Before(before.until)) {
		return nil
	}
	orders, problems, err := readOrders(s.dir)
	if err != nil {
		return err
	}
	next := newStanding(orders, now)
	next.begun, next.file, next.read = true, stamp, len(orders)
	next.follow(before, s.time.seconds(), s.time.ahead())
	s.standing.Store(next)
	for _, problem := range problems {
		s.log.Warn("rates: an order can't be read and is left out", "file", path, "problem", problem)
	}
	switch {
	case !before.begun && next.some:
		s.log.Info("rates: keys are blocked", "blocks", len(next.all))
	case before.begun && len(orders) < before.read:
		s.log.Warn("rates: the file of orders was replaced", "file", path, "blocks", len(next.all))
	case before.begun:
		for _, o := range orders[before.read:] {
			s.log.Info("rates: order", "do", o.Do, "per", o.Kind, "key", o.Key, "by", o.By, "at", o.At, "reason", o.Reason)
		}
	}
	return nil
}

// follow takes over what the standing before knows: what it counted, and when a reset
// was that a clock told wrongly. Times are turned into those of the counts.
func (s *standing) follow(before *standing, now, ahead int64) {
	type made struct {
		blockID
		at int64
	}
	counted := map[made]*block{}
	for _, b := range before.all {
		counted[made{blockID{b.kind, b.what}, b.At.UnixNano()}] = b
	}
	for _, b := range s.all {
		if old := counted[made{blockID{b.kind, b.what}, b.At.UnixNano()}]; old != nil {
			b.count = old.count
		}
	}
	for k := range s.resets {
		for key, r := range s.resets[k] {
			switch known := before.resets[k][key]; {
			case known.at.Equal(r.at):
				r.since = known.since
			case before.begun:
				r.since = now
			default:
				r.since = min(r.since-ahead, now)
			}
			s.resets[k][key] = r
		}
	}
}

// A Block is a key whose mail is refused.
type Block struct {
	Order
	Refused int64 `json:"refused"` // messages, since it was blocked
}

// Blocks returns the blocks that hold, in the order in which they were made.
func (s *Store) Blocks() []Block {
	var all []Block
	now := s.time.clock()
	for _, b := range s.standing.Load().all {
		if b.Until.IsZero() || now.Before(b.Until) {
			all = append(all, Block{b.Order, b.count.refused.Load()})
		}
	}
	return all
}

// ReadOrders reads from the state folder, whether or not a daemon runs, which
// blocks hold, and every order that was given, the oldest first. What can't be read
// is reported in problems.
func ReadOrders(stateDir string, now time.Time) (blocks []Block, orders []Order, problems []error, err error) {
	orders, problems, err = readOrders(stateDir)
	if err != nil {
		return nil, nil, nil, err
	}
	st := newStanding(orders, now)
	if len(st.all) > 0 {
		if err := readRefused(stateDir, st); err != nil {
			problems = append(problems, err)
		}
	}
	for _, b := range st.all {
		blocks = append(blocks, Block{b.Order, b.count.refused.Load()})
	}
	return blocks, orders, problems, nil
}

// readRefused completes blocks by what the daemon has saved of them.
func readRefused(stateDir string, st *standing) error {
	path := filepath.Join(stateDir, fileName)
	db, err := state.ReadDatabase(path, state.Quiet(path), "busy_timeout(1000)")
	if errors.Is(err, os.ErrNotExist) {
		return nil // no daemon has refused any yet
	}
	if err == nil {
		err = errors.Join(loadRefused(context.Background(), db, st), db.Close())
	}
	if err != nil {
		return fmt.Errorf("read how many messages were refused: %w", err)
	}
	return nil
}

// loadRefused sets what was refused under blocks, of those that the file knows.
func loadRefused(ctx context.Context, db *sql.DB, st *standing) error {
	for _, b := range st.all {
		var n int64
		err := db.QueryRowContext(ctx, "SELECT refused FROM blocked WHERE kind = ? AND key = ? AND at = ?", b.Kind, b.Key, b.At.Unix()).Scan(&n)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		b.count.refused.Store(n)
		b.count.saved = n
	}
	return nil
}

// saveRefused writes what was refused under blocks since the last time.
func (s *Store) saveRefused(ctx context.Context) error {
	for _, b := range s.standing.Load().all {
		n := b.count.refused.Load()
		if n == b.count.saved {
			continue
		}
		_, err := s.file.db.ExecContext(ctx, "INSERT INTO blocked VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET refused = excluded.refused",
			b.Kind, b.Key, b.At.Unix(), n)
		if err != nil {
			return fmt.Errorf("write %s: %w", s.file.path, err)
		}
		b.count.saved = n
	}
	return nil
}
