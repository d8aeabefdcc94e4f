package watch

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pratique/state"
)

// The files in the state folder.
const (
	fileName = "watch.db"
	keyName  = "watch.key" // of the hashes; apart, so that a copy of the database alone names nobody
	keySize  = 32
)

// Store keeps what came back. Several processes may have it open: the daemon, and
// each "pratique ingest". It is safe for concurrent use.
type Store struct {
	db  *sql.DB
	key []byte
	now func() time.Time
}

// Open opens the store in a state folder, or makes it there. A damaged file is set
// aside, which is logged: what came back is not worth keeping reports waiting for.
func Open(ctx context.Context, stateDir string, now func() time.Time, log *slog.Logger) (*Store, error) {
	path := filepath.Join(stateDir, fileName)
	key, err := loadKey(filepath.Join(stateDir, keyName))
	if err != nil {
		return nil, fmt.Errorf("open what came back: %w", err)
	}
	s, err := open(ctx, path, key, now)
	if state.Damaged(err) {
		aside, asideErr := state.SetAside(path, now())
		if asideErr != nil {
			return nil, asideErr
		}
		log.Error("what came back was damaged and is set aside; a new file is begun", "file", path, "aside", aside, "error", err)
		s, err = open(ctx, path, key, now)
	}
	return s, err
}

func open(ctx context.Context, path string, key []byte, now func() time.Time) (*Store, error) {
	db, err := state.OpenDatabase(path, "busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "journal_size_limit(4194304)", "cache_size(-2048)")
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, key: key, now: now}
	if err := state.Migrate(ctx, db, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return s, nil
}

// OpenReader opens the store for reading only. The error is fs.ErrNotExist if
// nothing came back yet.
func OpenReader(ctx context.Context, stateDir string, now func() time.Time) (*Store, error) {
	path := filepath.Join(stateDir, fileName)
	key, err := os.ReadFile(filepath.Join(stateDir, keyName))
	if err != nil {
		return nil, fmt.Errorf("read what came back: %w", err)
	}
	db, err := state.ReadDatabase(path, state.Quiet(path), "busy_timeout(10000)")
	if err != nil {
		return nil, fmt.Errorf("read what came back: %w", err)
	}
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	if version != len(migrations) {
		return nil, errors.Join(fmt.Errorf("%s has version %d, this pratique reads %d", path, version, len(migrations)), db.Close())
	}
	return &Store{db: db, key: key, now: now}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// loadKey reads the key, or makes it. Two processes that make it at the same time
// agree on the one that was first.
func loadKey(path string) ([]byte, error) {
	for range 2 {
		key, err := os.ReadFile(path)
		if err == nil && len(key) == keySize {
			return key, nil
		}
		if err == nil {
			return nil, fmt.Errorf("%s has %d octets, not %d; without it recipients are not recognised again", path, len(key), keySize)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err := makeKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return os.ReadFile(path)
}

// makeKey puts a whole key to its place in one step.
func makeKey(path string) error {
	key := make([]byte, keySize)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), keyName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key)
	if err := errors.Join(err, f.Chmod(state.FileMode), state.GiveToOwner(f, filepath.Dir(path)), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // unlike a rename, it fails if there is one
}

// hash returns the keyed hash of an address, by which it is recognised again;
// empty for no address. Upper and lower case are the same, and so are both forms of
// an internationalized domain (RFC 5890 2.3.2.1).
func (s *Store) hash(address string) []byte {
	if address == "" {
		return []byte{}
	}
	if local, domain, ok := cutLast(address, "@"); ok {
		address = local + "@" + toASCII(domain)
	}
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(strings.ToLower(address)))
	return h.Sum(nil)[:hashSize]
}

const hashSize = 16
