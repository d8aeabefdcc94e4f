package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// OpenDatabase opens a SQLite database for writing, and makes the file if it is
// missing. There is one connection, and its transactions have the lock from their
// beginning. Pragmas are written as in "busy_timeout(1000)".
func OpenDatabase(path string, pragmas ...string) (*sql.DB, error) {
	if err := makePrivate(path); err != nil {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	return openDatabase(path, url.Values{"_txlock": {"immediate"}, "_pragma": pragmas})
}

// ReadDatabase opens a SQLite database without ever writing. The error is
// fs.ErrNotExist if there is none. Quiet says that nobody is writing (see Quiet).
func ReadDatabase(path string, quiet bool, pragmas ...string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	parameters := url.Values{"mode": {"ro"}, "_pragma": pragmas}
	if quiet {
		parameters.Set("immutable", "1")
	}
	return openDatabase(path, parameters)
}

// Quiet reports whether nobody is writing a database, as its missing write-ahead log
// tells. SQLite can't read a file in WAL mode without making that log, which a reader
// may not, unless it is told so.
func Quiet(path string) bool {
	_, err := os.Stat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist)
}

func openDatabase(path string, parameters url.Values) (*sql.DB, error) {
	name := url.URL{Scheme: "file", Path: path, RawQuery: parameters.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// makePrivate makes the file if it is missing: SQLite would make it readable for
// everybody, and the files beside it take over its mode and owner. One that is there
// is not opened, because closing it would drop the locks that SQLite holds on it
// elsewhere in this process (fcntl(2)).
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, FileMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(GiveToOwner(f, filepath.Dir(path)), f.Close())
}

// Migrate leads a database from the version of its schema (PRAGMA user_version) to the
// latest, by the steps between them, whole or not at all. It writes even if there is
// nothing to do: a file that can't be written is to be found out at the start.
func Migrate(ctx context.Context, db *sql.DB, steps []string) error {
	return Transact(ctx, db, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		if version > len(steps) {
			return fmt.Errorf("it has version %d, of a newer pratique; this one knows up to %d", version, len(steps))
		}
		for _, step := range steps[version:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(steps)))
		return err
	})
}

// Transact does something in a transaction, which its error undoes.
func Transact(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Damaged reports that an error of SQLite means that the file itself is of no use: it
// is damaged, or no database at all.
func Damaged(err error) bool {
	code := ResultCode(err)
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// ResultCode is the primary result code of SQLite (https://sqlite.org/rescode.html)
// behind an error, 0 if the error is none of SQLite's.
func ResultCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff // the rest is an extended code
}
