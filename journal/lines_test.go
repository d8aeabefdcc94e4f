package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pratique/message"
)

// recorded reads a file of JSON lines.
func recorded(t *testing.T, path string) []Record {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []Record
	for line := range bytes.Lines(data) {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, r)
	}
	return all
}

func someRecords(n ...int) []*Record {
	opts := DefaultOptions()
	var all []*Record
	for _, i := range n {
		all = append(all, take(letter(i, start), message.Outcome{}, start, &opts).record())
	}
	return all
}

// The file may be renamed, removed, or be another one after a reload.
func TestLinesFollowTheirFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.json")
	other := path + ".other"
	opts := DefaultOptions()
	opts.JSON = path
	l := newLines(optionsOf(opts), nil)
	write := func(n ...int) {
		t.Helper()
		if done, err := l.write(someRecords(n...)); err != nil || done != len(n) {
			t.Fatalf("wrote %d: %v", done, err)
		}
	}
	write(1, 2)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(3)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(4)
	opts.JSON = other
	l.opts.Store(&opts)
	write(5, 6)
	opts.JSON = ""
	l.opts.Store(&opts)
	write(7)
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int{path + ".1": 2, path: 1, other: 2} {
		if got := recorded(t, file); len(got) != want || got[0].Verdict != "accepted" || got[0].Signatures[0].Domain != "example.org" {
			t.Errorf("%s has %+v", file, got)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A disk that is full in the middle of a line leaves no half of it.
func TestLinesAreWhole(t *testing.T) {
	t.Parallel()
	dir := onSmallDisk(t, "64k", "")
	path := filepath.Join(dir, "journal.json")
	opts := DefaultOptions()
	opts.JSON = path
	l := newLines(optionsOf(opts), nil)
	var err error
	written := 0
	for n := 0; err == nil && n < 1000; n++ {
		var done int
		done, err = l.write(someRecords(n))
		written += done
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if got := recorded(t, path); len(got) != written || written == 0 {
		t.Errorf("%d whole lines, wrote %d", len(got), written)
	}
}

func TestLinesToStandardOutput(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	opts := DefaultOptions()
	opts.JSON = "-"
	l := newLines(optionsOf(opts), &out)
	if done, err := l.write(someRecords(1, 2)); done != 2 || err != nil {
		t.Fatal(done, err)
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines", n)
	}
	l.stdout = broken{}
	var useless *uselessError
	if done, err := l.write(someRecords(3)); done != 0 || !errors.As(err, &useless) {
		t.Errorf("to a closed pipe: %d, %v", done, err)
	}
}

type broken struct{}

func (broken) Write(p []byte) (int, error) { return 0, syscall.EPIPE }

// Both places get every record, and a reload decides on the second.
func TestJournalWritesBoth(t *testing.T) {
	t.Parallel()
	c, dir := newClock(), t.TempDir()
	path := filepath.Join(dir, "journal.json")
	j := begin(t, dir, c, nil)
	j.Observe(letter(1, c.time()), message.Outcome{})
	opts := DefaultOptions()
	opts.JSON, opts.Subject = path, true
	j.Use(opts)
	j.Reopen()
	j.Observe(letter(2, c.time()), message.Outcome{})
	settled(t, j)
	if got := recorded(t, path); len(got) != 1 || got[0].QueueID != "4F00000002" || got[0].Subject != "Your order" {
		t.Errorf("JSON lines: %+v", got)
	}
	stats := j.Stats()
	if stats["json"].Written != 1 || stats[storeSQLite].Written != 2 {
		t.Errorf("stats %+v", stats)
	}
}
