package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pratique/state"
)

// keeping is a store with a clock that writes a message a day.
func keeping(t *testing.T, change func(*Options)) (*store, *clock, func(days int)) {
	opts := DefaultOptions()
	change(&opts)
	c := newClock()
	s := newStore(optionsOf(opts), folder(t.TempDir()), c.time, quiet())
	t.Cleanup(func() { s.close() })
	return s, c, func(days int) {
		t.Helper()
		for range days {
			r := someRecords(1)
			r[0].Time = c.time()
			if _, err := s.write(r); err != nil {
				t.Fatal(err)
			}
			c.advance(24 * time.Hour)
		}
	}
}

func filesIn(t *testing.T, s *store) []string {
	t.Helper()
	names, err := list(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, n := range names {
		all = append(all, n.String())
	}
	return all
}

func TestOldDaysAreRemoved(t *testing.T) {
	t.Parallel()
	s, _, days := keeping(t, func(o *Options) { o.Keep = 3 * 24 * time.Hour })
	days(10)
	want := []string{"2026-12-07.0.db", "2026-12-06.0.db", "2026-12-05.0.db", "2026-12-04.0.db"}
	if got := filesIn(t, s); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "2026-11-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// A clock that jumps a year ahead and is set right soon has cost one day, not all.
func TestAClockThatJumpsAhead(t *testing.T) {
	t.Parallel()
	s, c, days := keeping(t, func(*Options) {})
	days(10)
	c.advance(365 * 24 * time.Hour)
	for range 8 { // two minutes
		s.idle()
		c.advance(tendEvery)
	}
	c.advance(-366 * 24 * time.Hour)
	s.idle()
	if got := filesIn(t, s); len(got) != 9 {
		t.Errorf("files %v", got)
	}
}

func TestTooMuchIsRemoved(t *testing.T) {
	t.Parallel()
	s, c, days := keeping(t, func(o *Options) { o.MaxSize = 1 << 20 })
	days(5)
	for _, name := range []string{"2026-11-29.0.db", "2026-11-30.0.db"} { // they grow
		if err := os.Truncate(filepath.Join(s.dir, name), 600<<10); err != nil {
			t.Fatal(err)
		}
	}
	aside := filepath.Join(s.dir, "2026-11-28.0.db"+state.AsideMark+"20261128T130000Z")
	if err := os.WriteFile(aside, make([]byte, 100<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	s.idle()
	want := []string{"2026-12-02.0.db", "2026-12-01.0.db", "2026-11-30.0.db"}
	if got := filesIn(t, s); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	if _, err := os.Stat(aside); err == nil {
		t.Error("what was set aside is older, and still there")
	}
	if n := s.bytes.Load(); n < 600<<10 || n > 1<<20 {
		t.Errorf("%d octets are said to be there", n)
	}
}

// One day may be more than all that is kept: its first part goes.
func TestADayIsCutInParts(t *testing.T) {
	t.Parallel()
	opts := DefaultOptions()
	opts.MaxSize = 1 << 20
	c := newClock()
	dir := t.TempDir()
	s := newStore(optionsOf(opts), folder(dir), c.time, quiet())
	defer s.close()
	g := newTraffic(3)
	var last string
	for range 20 {
		var batch []*Record
		for range 200 {
			m, o := g.next(c.time())
			batch = append(batch, take(m, o, c.time(), &opts).record())
			last = m.QueueID
			c.advance(10 * time.Millisecond)
		}
		if _, err := s.write(batch); err != nil {
			t.Fatal(err)
		}
		c.advance(tendEvery)
	}
	files := filesIn(t, s)
	var numbers []int
	for _, f := range files {
		var part int
		if _, err := fmt.Sscanf(f, "2026-11-28.%d.db", &part); err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, part)
	}
	if len(files) < 3 || numbers[len(numbers)-1] == 0 {
		t.Errorf("files %v: the first ones should be gone", files)
	}
	if n := s.bytes.Load(); n > opts.MaxSize+s.partSize() {
		t.Errorf("%d octets are kept of %d", n, opts.MaxSize)
	}
	found, err := reader(t, dir).Find(context.Background(), last)
	if err != nil || len(found) != 1 {
		t.Errorf("found %d, error %v", len(found), err)
	}
}

func TestNamesOfFiles(t *testing.T) {
	for name, ok := range map[string]bool{
		"2026-11-28.0.db": true, "2026-11-28.12.db": true, "2026-11-28.db": false, "2026-11-28.00.db": false, "2026-11-28.-1.db": false,
		"2026-13-28.0.db": false, "2026-11-28.0.db-wal": false, "2026-11-28.0.db.damaged-20261128T130000Z": false, "rates.db": false, "": false,
	} {
		if _, got := parseName(name); got != ok {
			t.Errorf("%q: %v", name, got)
		}
	}
}
