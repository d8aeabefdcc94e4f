package rates

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"pratique/state"
)

// save writes what happened since the last time. What can't be written is kept
// and tried again the next time; how it went is in Health.
func (s *Store) save() {
	if s.path == "" {
		return
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	ctx := context.Background() // bounded by busy_timeout; a save is never given up half way
	err := s.saveChanges(ctx)
	if err == nil {
		err = errors.Join(s.saveContacts(ctx), s.saveRefused(ctx))
	}
	if state.Damaged(err) {
		err = s.startOver(ctx, err)
	}
	s.tell(err)
}

func (s *Store) saveChanges(ctx context.Context) error {
	if s.file != nil && s.file.gone() {
		s.log.Warn("rates: the file of the counts was removed; it is made anew from memory", "file", s.path, "error", s.file.close())
		s.file = nil
	}
	if s.file == nil {
		if err := s.reopen(ctx); err != nil {
			return err
		}
	}
	if s.rewrite || s.file.rows > 2*s.written+logSlack {
		return s.rewriteLog(ctx)
	}
	changes := s.collect()
	if len(changes) == 0 {
		return nil
	}
	err := s.file.write(ctx, false, s.time.ahead(), rowsOf(changes))
	if err != nil {
		s.giveBack(changes)
	}
	return err
}

// reopen opens the file, which could not be opened or written before, or was removed. What is in
// memory takes the place of what it has.
func (s *Store) reopen(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, dirMode); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	before := *s.book.secret.Load()
	if err := s.keepSecret(s.dir); err != nil {
		return err
	}
	f, err := openFile(ctx, s.path)
	if err != nil {
		return err
	}
	if s.unread || before != *s.book.secret.Load() {
		err = s.take(ctx, f, true)
	} else {
		_, err = f.claimContacts(ctx, &before) // they are written anew
	}
	if err != nil {
		return errors.Join(err, f.close())
	}
	s.unread = false
	s.file, s.rewrite, s.rewriteBook = f, true, true
	return nil
}

// startOver puts a new file in the place of one that was found damaged while in
// use; not too often, or a broken disk would be filled with what is set aside.
func (s *Store) startOver(ctx context.Context, damage error) error {
	if !s.replaced.due(s.time.clock()) {
		return damage
	}
	if s.file != nil {
		damage = errors.Join(damage, s.file.close())
		s.file = nil
	}
	if err := s.replace(ctx, damage); err != nil {
		return err
	}
	if err := s.rewriteLog(ctx); err != nil {
		return err
	}
	return s.saveContacts(ctx)
}

// rewriteLog replaces the log by what is in memory.
func (s *Store) rewriteLog(ctx context.Context) error {
	var changes []change // they are part of what is written
	err := s.file.write(ctx, true, s.time.ahead(), func(yield func(row) bool) {
		for k := range s.tables {
			for i := range s.tables[k].shards {
				rows, unsaved := s.tables[k].shards[i].snapshot(Kind(k))
				changes = append(changes, unsaved...)
				for _, r := range rows {
					if !yield(r) {
						return
					}
				}
			}
		}
	})
	if err != nil {
		s.giveBack(changes)
		return err
	}
	s.written, s.rewrite = s.file.rows, false
	return nil
}

// change is what happened to one key and is not saved yet.
type change struct {
	row
	shard *shard
}

func rowsOf(changes []change) iter.Seq[row] {
	return func(yield func(row) bool) {
		for _, c := range changes {
			if !yield(c.row) {
				return
			}
		}
	}
}

// collect takes what is unsaved out of all shards.
func (s *Store) collect() []change {
	var changes []change
	for k := range s.tables {
		for i := range s.tables[k].shards {
			shard := &s.tables[k].shards[i]
			shard.mu.Lock()
			changes = shard.collect(changes, Kind(k))
			shard.mu.Unlock()
		}
	}
	return changes
}

func (s *shard) collect(changes []change, k Kind) []change {
	changes = slices.Grow(changes, len(s.unsaved))
	for _, u := range s.unsaved {
		changes = append(changes, change{row: row{kind: k, key: u.entry.key, bucket: u.bucket}, shard: s})
		u.entry.unsaved = 0
	}
	s.unsaved = nil
	return changes
}

// snapshot returns all that the shard holds, and as changes what of it was not saved yet.
func (s *shard) snapshot(k Kind) ([]row, []change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []row
	for key, e := range s.entries {
		for _, b := range e.series {
			rows = append(rows, row{kind: k, key: key, bucket: b})
		}
	}
	return rows, s.collect(nil, k)
}

// giveBack makes changes unsaved again. A key that was forgotten meanwhile is not brought back.
func (s *Store) giveBack(changes []change) {
	for _, c := range changes {
		c.shard.mu.Lock()
		if e := c.shard.entries[c.key]; e != nil {
			c.shard.markUnsaved(e, c.bucket)
		}
		c.shard.mu.Unlock()
	}
}

// Health returns nil, or why the counts could not be saved the last time. They
// go on in memory meanwhile and are saved as soon as it works again.
func (s *Store) Health() error {
	s.health.Lock()
	defer s.health.Unlock()
	return s.problem
}

// tell puts on record how a save went: at most once a minute, and when it is well again.
func (s *Store) tell(err error) {
	s.health.Lock()
	defer s.health.Unlock()
	switch {
	case err == nil && s.problem != nil:
		s.log.Info("rates: counts are saved again")
	case err != nil && s.saveSaid.due(s.time.clock()):
		s.log.Error("rates: counts can't be saved; they are kept in memory and it is tried again", "file", s.path, "error", err)
	}
	s.problem = err
}
