package journal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pratique/message"
	"pratique/state"
)

// logged is a log that a test reads.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) says(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), part)
}

// faulty is a journal with an alarm and a log.
type faulty struct {
	*Journal
	clock *clock
	alarm *bell
	log   *logged
	dir   string
}

func beginFaulty(t *testing.T, dir string) *faulty {
	f := &faulty{clock: newClock(), alarm: &bell{}, log: &logged{}, dir: dir}
	f.Journal = New(DefaultOptions(), dir, f.clock.time, slog.New(slog.NewTextHandler(f.log, nil)), f.alarm)
	t.Cleanup(func() { f.Close(context.Background()) })
	return f
}

func (f *faulty) observe(t *testing.T, n int) {
	t.Helper()
	began := time.Now()
	f.Observe(letter(n, f.clock.time()), message.Outcome{})
	if took := time.Since(began); took > time.Second {
		t.Errorf("Observe took %v", took)
	}
	f.clock.advance(time.Millisecond)
}

// finds holds that a message is in the journal, once.
func (f *faulty) finds(t *testing.T, n int) {
	t.Helper()
	id := letter(n, start).QueueID
	waitFor(t, "record "+id, func() bool {
		r, err := OpenReader(f.dir)
		if err != nil {
			return false
		}
		defer r.Close() // whoever is the last one to close a file sees to its log
		found, err := r.Find(context.Background(), id)
		return err == nil && len(found) == 1
	})
}

func today(dir string) string { return fileName{day: dayOf(start)}.in(folder(dir)) }

func TestALockedFileCostsNothingInTheEnd(t *testing.T) {
	t.Parallel()
	f := beginFaulty(t, t.TempDir())
	f.observe(t, 1)
	f.finds(t, 1)
	other, err := sql.Open("sqlite", today(f.dir))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	f.observe(t, 2)
	waitFor(t, "the alarm", func() bool { return f.alarm.heard("locked") })
	if !f.log.says("mail goes on") {
		t.Error("the log does not say so")
	}
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	f.finds(t, 2)
	if s := f.Stats()[storeSQLite]; s.Lost != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestADamagedFileIsSetAside(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, path string){
		"no database": func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("not a database. "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"torn": func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, _ := f.Stat()
			for at := int64(4096); at < info.Size(); at += 4096 { // every page but the first
				if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 100), at); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := beginFaulty(t, dir)
			f.observe(t, 1)
			f.finds(t, 1)
			closeJournal(t, f.Journal)
			damage(t, today(dir))

			f = beginFaulty(t, dir)
			f.observe(t, 2)
			f.finds(t, 2)
			if !f.log.says("set aside") {
				t.Error("the log does not say so")
			}
			aside, err := filepath.Glob(today(dir) + state.AsideMark + "*")
			if err != nil || len(aside) == 0 {
				t.Errorf("nothing is set aside: %v", err)
			}
			settled(t, f.Journal) // a record can be read before it is counted
			if s := f.Stats()[storeSQLite]; s.Lost != 0 || s.Written != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// Somebody removes the files of a day: what comes then goes into a new one.
func TestAFileThatIsRemoved(t *testing.T) {
	t.Parallel()
	f := beginFaulty(t, t.TempDir())
	f.observe(t, 1)
	f.finds(t, 1)
	if err := remove(today(f.dir)); err != nil {
		t.Fatal(err)
	}
	f.observe(t, 2)
	f.finds(t, 2)
	settled(t, f.Journal) // a record can be read before it is counted
	if s := f.Stats()[storeSQLite]; s != (Stats{Written: 2, Bytes: s.Bytes}) {
		t.Errorf("stats %+v", s)
	}
}

// A file that a newer version has written is left alone.
func TestAForeignFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(folder(dir), dirMode); err != nil {
		t.Fatal(err)
	}
	foreign, err := sql.Open("sqlite", today(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.Exec("CREATE TABLE other (a); PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	foreign.Close()
	before, _ := os.ReadFile(today(dir))
	f := beginFaulty(t, dir)
	f.observe(t, 1)
	f.finds(t, 1)
	after, err := os.ReadFile(today(dir))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

// onSmallDisk mounts a file system of so many octets, for the length of the test.
func onSmallDisk(t *testing.T, size, flags string) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+flags)
	if errors.Is(err, syscall.EPERM) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip("only root can mount a small disk")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestAFullDiskCostsRecordsOnly(t *testing.T) {
	t.Parallel()
	dir := onSmallDisk(t, "2m", "")
	f := beginFaulty(t, dir)
	f.observe(t, 1)
	f.finds(t, 1)
	fill := filepath.Join(dir, "fill")
	file, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil { // to the last octet
		_, err = file.Write(make([]byte, 4096))
	}
	file.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	const told = queueRecords + batchRecords + 2000
	for n := range told {
		f.observe(t, 100+n)
	}
	waitFor(t, "the alarm", func() bool { return f.alarm.heard("full") })
	lost := f.Stats()[storeSQLite].Lost
	if lost < 1000 {
		t.Errorf("only %d are lost of %d", lost, told)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	f.finds(t, 100) // the first one that did not fit
	f.finds(t, 101)
}

// What was lost is marked in the journal once it can be written again.
func TestALossIsMarked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := beginFaulty(t, dir)
	f.store.lose(7, start.Add(time.Second))
	f.store.lose(3, start.Add(time.Minute))
	f.observe(t, 1)
	f.finds(t, 1)
	extent, err := reader(t, dir).Extent(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := Gap{Since: start.Add(time.Second), Until: start.Add(time.Minute), Records: 10}
	if len(extent.Gaps) != 1 || extent.Gaps[0] != want {
		t.Errorf("gaps %v, want %v", extent.Gaps, want)
	}
	if !extent.First.Equal(start) || !extent.Last.Equal(start) || extent.Bytes == 0 {
		t.Errorf("extent %+v", extent)
	}
}

func TestAReadOnlyFolder(t *testing.T) {
	t.Parallel()
	dir := onSmallDisk(t, "1m", "")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	f := beginFaulty(t, dir)
	if !f.log.says("its folder can't be written; mail goes on") {
		t.Error("the log does not say so at the start")
	}
	f.observe(t, 1)
	waitFor(t, "the alarm", func() bool { return f.alarm.heard("read-only") })
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	f.finds(t, 1)
}

// A clock that jumps back has records filed under the time that it says, and none is
// written over another.
func TestAClockThatJumpsBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := beginFaulty(t, dir)
	for n, at := range []time.Time{
		start, start, start.Add(-25 * time.Hour), start.Add(-25 * time.Hour), start.Add(time.Hour), start.AddDate(0, 0, -10), start,
	} {
		f.clock.mu.Lock()
		f.clock.now = at
		f.clock.mu.Unlock()
		f.Observe(letter(n, at), message.Outcome{})
	}
	settled(t, f.Journal)
	r := reader(t, dir)
	found, err := r.Search(context.Background(), Query{})
	if err != nil || len(found) != 7 {
		t.Fatalf("found %d, error %v", len(found), err)
	}
	for i, r := range found[1:] {
		if r.ID >= found[i].ID {
			t.Errorf("%s is not older than the one before it", r.QueueID)
		}
	}
	for n := range 7 {
		f.finds(t, n)
	}
	if files, _ := list(folder(dir)); len(files) != 3 {
		t.Errorf("files %v", files)
	}
}

// A clock that nobody has set shows a time before 1970.
func TestBefore1970(t *testing.T) {
	t.Parallel()
	f := beginFaulty(t, t.TempDir())
	f.clock.now = time.Unix(0, 0).Add(-90 * time.Minute)
	f.observe(t, 1)
	f.finds(t, 1)
	r := reader(t, f.dir)
	found, err := r.Search(context.Background(), Query{Login: "shop"})
	if err != nil || len(found) != 1 || found[0].Time.Year() != 1969 {
		t.Errorf("found %v, error %v", found, err)
	}
	top, err := r.Top(context.Background(), ByLogin, f.clock.now.Add(-time.Hour), f.clock.now, 0)
	if err != nil || len(top) != 1 || top[0].Messages != 1 {
		t.Errorf("top %v, error %v", top, err)
	}
}
