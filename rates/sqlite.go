package rates

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"pratique/state"
)

// fileName is the database in the state folder.
const fileName = "rates.db"

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
	db, err := state.OpenDatabase(path, "busy_timeout(1000)", "journal_mode(WAL)", "synchronous(NORMAL)", "journal_size_limit(4194304)")
	if err != nil {
		return nil, err
	}
	if err := state.Migrate(ctx, db, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare %s: %w", path, err), db.Close())
	}
	return &file{path: path, db: db}, nil
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
	err := state.Transact(ctx, f.db, func(tx *sql.Tx) error {
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

// gone reports whether somebody has removed the file: what is written into it now would
// end with this process.
func (f *file) gone() bool {
	_, err := os.Stat(f.path)
	return errors.Is(err, fs.ErrNotExist)
}

func (f *file) close() error {
	if err := f.db.Close(); err != nil {
		return fmt.Errorf("close %s: %w", f.path, err)
	}
	return nil
}
