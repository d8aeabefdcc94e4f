package rates

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"pratique/state"

	sqlite3 "modernc.org/sqlite/lib"
)

// unwritable reports an error that tells no more than that the database, which nobody
// has open, or its folder can't be written.
func unwritable(err error, path string) bool {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return true
	}
	switch state.ResultCode(err) {
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return true
	case sqlite3.SQLITE_CANTOPEN: // it does not tell why
		return mayNot(os.OpenFile(path, os.O_RDWR, 0)) || mayNot(os.CreateTemp(filepath.Dir(path), ".rates-"))
	}
	return false
}

// mayNot reports whether a file could not be opened for want of permission. One that
// was made to try is removed.
func mayNot(f *os.File, err error) bool {
	if err != nil {
		return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
	}
	f.Close()
	if strings.HasPrefix(filepath.Base(f.Name()), ".rates-") {
		os.Remove(f.Name())
	}
	return false
}

// goWithout goes on with a state folder that can't be written: mail does not stop for
// it. What can be read there counts, and what is counted is kept in memory until
// the folder can be written, which is tried with every save. Health tells of it.
func (s *Store) goWithout(ctx context.Context, stateDir string, problem error) error {
	s.tell(problem)
	s.rewrite, s.rewriteBook = true, true
	if err := s.obey(); err != nil { // whoever is blocked must not send because of that
		return err
	}
	return s.readOnly(ctx, stateDir)
}

// readOnly takes over what is in a state folder, if anything is, and writes nothing.
func (s *Store) readOnly(ctx context.Context, stateDir string) error {
	known, ok := knownSecret(stateDir)
	if !ok {
		known = newSecret()
	}
	s.book.use(known)
	path := filepath.Join(stateDir, fileName)
	err := s.readFrom(ctx, path, false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// Without its index in shared memory, which it may not make, SQLite reads the
		// file only as one that nobody writes.
		err = s.readFrom(ctx, path, true)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.unread = true
		s.log.Error("rates: the counts can't be read; they begin at zero", "file", path, "error", err)
	}
	return nil
}

func (s *Store) readFrom(ctx context.Context, path string, quiet bool) error {
	db, err := state.ReadDatabase(path, quiet)
	if err != nil {
		return err
	}
	f := &file{path: path, db: db}
	return errors.Join(s.take(ctx, f, false), f.close())
}

// OpenCopy returns a store that begins with the counts, contacts and orders of a
// state folder as they were saved last, and saves nothing: for what has to be played
// through limits beside a running daemon. What can't be read, it begins without.
func OpenCopy(ctx context.Context, stateDir string, clock func() time.Time, log *slog.Logger) (*Store, error) {
	s := newStore(clock, log, kindMemory, false)
	s.dir = stateDir
	if err := s.obey(); err != nil {
		return nil, err
	}
	return s, s.readOnly(ctx, stateDir)
}
