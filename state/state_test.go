package state

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

const nobody = 65534

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	for _, text := range []string{"one", "", "three"} {
		if err := Replace(path, []byte(text), FileMode); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q, %v in place of %q", got, err, text)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != FileMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if names := namesIn(t, filepath.Dir(path)); !slices.Equal(names, []string{"a.json"}) {
		t.Errorf("the folder has %q", names)
	}
}

// TestReplaceThatFails sees that neither the old file suffers nor a new one is left over.
func TestReplaceThatFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("x"), FileMode); err == nil {
		t.Error("a folder was replaced")
	}
	if err := Replace(filepath.Join(dir, "gone", "x"), nil, FileMode); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is missing: %v", err)
	}
	if names := namesIn(t, dir); !slices.Equal(names, []string{"taken"}) {
		t.Errorf("the folder has %q", names)
	}
}

func TestFilesOfRootBelongToTheOwnerOfTheFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files for others")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if err := Replace(filepath.Join(dir, "a.json"), []byte("x"), FileMode); err != nil {
		t.Fatal(err)
	}
	db := open(t, filepath.Join(dir, "a.db"))
	if err := Migrate(context.Background(), db, []string{"CREATE TABLE a (b)"}); err != nil {
		t.Fatal(err)
	}
	names := namesIn(t, dir)
	if !slices.Contains(names, "a.db-wal") || len(names) != 4 {
		t.Fatalf("the folder has %q", names)
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != nobody || info.Mode() != FileMode {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
}

func TestSetAside(t *testing.T) {
	dir, at := t.TempDir(), time.Date(2026, 11, 28, 13, 0, 0, 0, time.FixedZone("", 3600))
	for _, name := range []string{"a.db", "a.db-wal", "a.db-shm", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), FileMode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a.db", "b", "missing"} {
		aside, err := SetAside(filepath.Join(dir, name), at)
		if want := filepath.Join(dir, name+".damaged-20261128T120000Z"); err != nil || aside != want {
			t.Errorf("%q, %v", aside, err)
		}
	}
	want := []string{"a.db.damaged-20261128T120000Z", "a.db.damaged-20261128T120000Z-shm", "a.db.damaged-20261128T120000Z-wal", "b.damaged-20261128T120000Z"}
	if names := namesIn(t, dir); !slices.Equal(names, want) {
		t.Errorf("the folder has %q", names)
	}
}

func TestMigrate(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "odd ?#% name.db")
	steps := []string{"CREATE TABLE a (b)", "INSERT INTO a VALUES (1)"}
	for n := range len(steps) + 1 {
		db := open(t, path)
		for range 2 { // the second time there is nothing to do
			if err := Migrate(ctx, db, steps[:n]); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db := open(t, path)
	if n := rowsOf(t, db); n != 1 {
		t.Errorf("%d rows", n)
	}
	if err := Migrate(ctx, db, steps[:1]); err == nil || err.Error() != "it has version 2, of a newer pratique; this one knows up to 1" {
		t.Errorf("a newer file: %v", err)
	}
	if err := Migrate(ctx, db, append(steps, "INSERT INTO a VALUES (2)", "nonsense")); err == nil {
		t.Error("a step that fails was taken")
	}
	if n := rowsOf(t, db); n != 1 {
		t.Errorf("%d rows after a step that failed", n)
	}
}

// TestReadAfterACleanStop reads as a user who may write nothing: without a writer there
// is no write-ahead log, and none can be made.
func TestReadAfterACleanStop(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "a.db")
	if _, err := ReadDatabase(path, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	db := open(t, path)
	if err := Migrate(ctx, db, []string{"CREATE TABLE a (b)", "INSERT INTO a VALUES (1)"}); err != nil {
		t.Fatal(err)
	}
	if Quiet(path) {
		t.Error("a file that is being written is quiet")
	}
	for _, stopped := range []bool{false, true} {
		if stopped {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		reader, err := ReadDatabase(path, Quiet(path), "busy_timeout(1000)")
		if err != nil {
			t.Fatal(err)
		}
		if n := rowsOf(t, reader); n != 1 {
			t.Errorf("stopped %t: %d rows", stopped, n)
		}
		if _, err := reader.Exec("INSERT INTO a VALUES (2)"); err == nil {
			t.Errorf("stopped %t: a reader wrote", stopped)
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if names := namesIn(t, filepath.Dir(path)); !slices.Equal(names, []string{"a.db"}) {
		t.Errorf("the folder has %q", names)
	}
}

func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, []byte("this is no database, but it is long enough to be read as a header of one, which has a hundred octets"), FileMode); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(context.Background(), open(t, path), nil); !Damaged(err) {
		t.Errorf("no database: %v", err)
	}
	sound := open(t, filepath.Join(t.TempDir(), "b.db"))
	if _, err := sound.Exec("nonsense"); Damaged(err) || ResultCode(err) != 1 { // SQLITE_ERROR
		t.Errorf("a mistake in a statement: %v", err)
	}
	if Damaged(fs.ErrNotExist) || Damaged(nil) {
		t.Error("what is none of SQLite's errors")
	}
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := OpenDatabase(path, "journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func rowsOf(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT count(*) FROM a").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
