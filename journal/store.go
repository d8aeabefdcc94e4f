package journal

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"pratique/state"

	sqlite3 "modernc.org/sqlite/lib"
)

// store writes records into the files of a folder. It is used by one goroutine,
// but for the number of octets.
type store struct {
	opts  *atomic.Pointer[Options]
	dir   string
	now   func() time.Time
	log   *slog.Logger
	bytes atomic.Int64 // of all files, as of the last look

	file   *dayFile // nil: none is open
	gaps   []Gap    // not written yet
	tended time.Time
	aged   time.Time // when a file was last removed for its age
	aside  time.Time // when a file was last set aside
}

const (
	dirMode  = fs.FileMode(0o750)
	mostGaps = 100 // not written yet

	// mostLog bounds the write-ahead log of a file. The larger it is, the fewer times a
	// page goes into the file, of which each batch touches many.
	mostLog = 16 << 20
)

// newStore returns a store of which no file is open yet, and makes its folder. If
// that can't be done, mail goes on, and it is tried again with each batch.
func newStore(opts *atomic.Pointer[Options], dir string, now func() time.Time, log *slog.Logger) *store {
	s := &store{opts: opts, dir: dir, now: now, log: log}
	if err := s.prove(); err != nil {
		log.Warn("journal: its folder can't be written; mail goes on, and it is tried again with the next message", "folder", dir, "error", err)
	}
	return s
}

// prove makes the folder and finds out whether files can be made in it.
func (s *store) prove() error {
	if err := os.MkdirAll(s.dir, dirMode); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, "probe-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// write writes records, each day's into its file.
func (s *store) write(records []*Record) (done int, err error) {
	for done < len(records) {
		day, n := dayOf(records[done].Time), done+1
		for n < len(records) && dayOf(records[n].Time) == day {
			n++
		}
		if err := s.writeDay(day, records[done:n]); err != nil {
			return done, err
		}
		done = n
	}
	s.tend()
	return done, nil
}

func (s *store) writeDay(day string, records []*Record) error {
	err := s.open(day)
	if err == nil {
		err = s.file.write(records, s.gaps)
	}
	switch {
	case err == nil:
		s.gaps = nil
		return nil
	case state.Damaged(err):
		return s.startOver(day, records, err)
	}
	err = errors.Join(err, s.closeFile()) // whatever it is, a new connection knows nothing of it
	if useless(err) {
		return &uselessError{err}
	}
	return err
}

// open has the file of a day open: its last part, or a new one when that is full.
func (s *store) open(day string) error {
	if s.file != nil && s.file.name.day == day && !s.full() && !s.file.gone() {
		return nil
	}
	if err := s.closeFile(); err != nil {
		s.log.Warn("journal: a file could not be closed in good order", "error", err)
	}
	if err := os.MkdirAll(s.dir, dirMode); err != nil {
		return err
	}
	names, err := list(s.dir)
	if err != nil {
		return err
	}
	name := fileName{day: day}
	for _, n := range names { // newest first
		if n.day == day {
			name = n
			break
		}
	}
	if info, err := os.Stat(name.in(s.dir)); err == nil && info.Size() > s.partSize() {
		name.part++
	}
	for s.file, err = openDayFile(s.dir, name); errors.Is(err, errForeign); s.file, err = openDayFile(s.dir, name) {
		_ = s.closeFile() // nothing was written
		name.part++
	}
	if err == nil {
		err = s.file.boundLog(min(s.partSize()/4, mostLog))
		s.sealBefore(name)
	}
	return err
}

// partSize is how large a file may get before the rest of its day goes into another:
// a few files have to fit into what may be kept, for whole files are removed.
func (s *store) partSize() int64 { return s.opts.Load().MaxSize / 8 }

func (s *store) full() bool { return s.file.size() > s.partSize() }

// startOver sets a damaged file aside and writes into a new one; not too often, or a
// broken disk would be filled with what is set aside.
func (s *store) startOver(day string, records []*Record, damage error) error {
	now := s.now()
	if !s.aside.IsZero() && now.Sub(s.aside).Abs() < time.Minute {
		return errors.Join(damage, s.closeFile())
	}
	s.aside = now
	if s.file == nil {
		return damage
	}
	path := s.file.path
	_ = s.closeFile() // it is damaged, and left as it is
	aside, err := state.SetAside(path, now)
	if err != nil {
		return errors.Join(damage, err)
	}
	s.log.Error("journal: a file was damaged and is set aside; a new one was begun, and what came before is missing from searches",
		"file", path, "aside", aside, "error", damage)
	if err := s.open(day); err != nil {
		return err
	}
	err = s.file.write(records, s.gaps)
	if err == nil {
		s.gaps = nil
	}
	return err
}

func (s *store) gap(g Gap) {
	if len(s.gaps) == mostGaps { // it has failed for long: the first ones become one
		s.gaps[1].Since = s.gaps[0].Since
		s.gaps[1].Records += s.gaps[0].Records
		s.gaps = s.gaps[1:]
	}
	s.gaps = append(s.gaps, g)
}

func (s *store) idle() { s.tend() }

func (s *store) closeFile() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.close()
}

func (s *store) close() error { return s.closeFile() }

// useless reports that the same records would fail again.
func useless(err error) bool {
	switch state.ResultCode(err) {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return true
	}
	return false
}
