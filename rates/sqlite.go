package rates

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The database in the state folder.
const (
	fileName = "rates.db"
	fileMode = 0o640
)

// migrations lead from one version of the schema (PRAGMA user_version) to the next.
//
// The table is a log of what happened: each batch appends, and now and then
// the log is rewritten from memory, which drops what is too old and merges what
// need not be told apart. There is no index, because nothing ever looks up a
// single key; writing in order costs a few pages a batch, however many keys there are.
var migrations = []string{
	`CREATE TABLE counts (
		second     INTEGER NOT NULL, -- Unix time of the latest mail in this row
		kind       TEXT    NOT NULL, -- client, login, sender, sender_domain, recipient_domain, total
		key        TEXT    NOT NULL,
		messages   INTEGER NOT NULL, -- that left
		recipients INTEGER NOT NULL, -- of those
		bytes      INTEGER NOT NULL, -- of those
		refused    INTEGER NOT NULL, -- messages
		tempfailed INTEGER NOT NULL  -- messages
	) STRICT`,

	// Recipients are kept as fingerprints alone, four octets each, of a secret that
	// is not in this file; this is a log too, and one row is what a key wrote to
	// between two batches.
	`ALTER TABLE counts ADD COLUMN new_recipients INTEGER NOT NULL DEFAULT 0; -- of recipients
	CREATE TABLE contacts (
		second       INTEGER NOT NULL, -- Unix time
		kind         TEXT    NOT NULL,
		key          TEXT    NOT NULL,
		fingerprints BLOB    NOT NULL
	) STRICT;
	CREATE TABLE fingerprinted (secret TEXT NOT NULL) STRICT -- what tells the secret from others`,

	// What was refused to keys that an order blocks. The orders are in another file.
	`CREATE TABLE blocked (
		kind    TEXT    NOT NULL,
		key     TEXT    NOT NULL, -- a pattern
		at      INTEGER NOT NULL, -- Unix time of the order
		refused INTEGER NOT NULL, -- messages
		PRIMARY KEY (kind, key, at)
	) STRICT, WITHOUT ROWID`,
}

// row is a bucket of one key, on its way to the file or back.
type row struct {
	kind   Kind
	key    string
	bucket bucket
}

// file is the database, open for writing. It is used by one goroutine at a time.
type file struct {
	path string
	db   *sql.DB
	rows int // in the log

	contactOctets int // of fingerprints
}

// openFile opens the database or makes it, and brings its schema up to date.
func openFile(ctx context.Context, path string) (*file, error) {
	if err := makePrivate(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(1000)", "journal_mode(WAL)", "synchronous(NORMAL)", "journal_size_limit(4194304)"},
	}))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	f := &file{path: path, db: db}
	if err := f.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

// makePrivate makes the file if it is missing: SQLite would make it readable for
// everybody, and the files beside it take over its mode. One that is there is
// not opened, because closing it would drop the locks that SQLite holds on it
// elsewhere in this process (fcntl(2)).
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", path, err)
	}
	return nil
}

func dsn(path string, parameters url.Values) string {
	name := url.URL{Scheme: "file", Path: path, RawQuery: parameters.Encode()}
	return name.String()
}

// migrate runs in a transaction that writes even if there is nothing to do: a
// file that can't be written is to be found out at the start.
func (f *file) migrate(ctx context.Context) error {
	err := f.transact(ctx, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		if version > len(migrations) {
			return fmt.Errorf("it has version %d, of a newer pratique; this one knows up to %d", version, len(migrations))
		}
		for _, step := range migrations[version:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations)))
		return err
	})
	if err != nil {
		return fmt.Errorf("prepare %s: %w", f.path, err)
	}
	return nil
}

func (f *file) transact(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// load hands every row since a second to each, in the order in which they were written.
func (f *file) load(ctx context.Context, since int64, each func(row)) error {
	if err := f.db.QueryRowContext(ctx, "SELECT count(*) FROM counts").Scan(&f.rows); err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	rows, err := f.db.QueryContext(ctx, `SELECT second, kind, key, messages, recipients, new_recipients, bytes, refused, tempfailed
		FROM counts WHERE second >= ? ORDER BY rowid`, since)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	defer rows.Close()
	for rows.Next() {
		var at, messages, recipients, fresh, bytes, refused, tempfailed int64
		var name string
		var r row
		if err := rows.Scan(&at, &name, &r.key, &messages, &recipients, &fresh, &bytes, &refused, &tempfailed); err != nil {
			return fmt.Errorf("read %s: %w", f.path, err)
		}
		r.bucket = bucket{last: second(at), messages: clamp(messages), refused: clamp(refused), tempfailed: clamp(tempfailed),
			recipients: clamp(recipients), newRecipients: clamp(fresh), bytes: uint64(max(bytes, 0))}
		if k := index(kindNames[:], name); k >= 0 {
			r.kind = Kind(k)
			each(r)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	return nil
}

// write appends rows to the log, or replaces the log by them, whole or not at
// all. Seconds are moved by ahead.
func (f *file) write(ctx context.Context, replace bool, ahead int64, rows iter.Seq[row]) error {
	written := f.rows
	err := f.transact(ctx, func(tx *sql.Tx) error {
		if replace {
			if _, err := tx.ExecContext(ctx, "DELETE FROM counts"); err != nil {
				return err
			}
			written = 0
		}
		insert, err := tx.PrepareContext(ctx, "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		defer insert.Close()
		for r := range rows {
			b := r.bucket
			_, err := insert.ExecContext(ctx, int64(b.last)+ahead, r.kind.String(), r.key,
				b.messages, b.recipients, int64(b.bytes), b.refused, b.tempfailed, b.newRecipients)
			if err != nil {
				return err
			}
			written++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	f.rows = written
	return nil
}

func (f *file) close() error {
	if err := f.db.Close(); err != nil {
		return fmt.Errorf("close %s: %w", f.path, err)
	}
	return nil
}

// corrupt reports that the file itself is damaged, or is no database at all.
func corrupt(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff // the rest is an extended code
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// setAside renames a damaged database, which nobody has open, so that somebody
// can look at it, and returns its new name. Its log goes with it: replayed into
// a new file it would damage that one as well.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".corrupt-" + now.UTC().Format("20060102T150405Z")
	for _, suffix := range []string{"-shm", "-wal", ""} {
		err := os.Rename(path+suffix, aside+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("set %s aside: %w", filepath.Base(path)+suffix, err)
		}
	}
	return aside, nil
}
