package journal

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"pratique/message"
)

// Readers see a journal that is being written: whole records, newest first, and sums
// that agree with them.
func TestReadersBesideTheWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := DefaultOptions()
	j := New(opts, dir, time.Now, quiet(), nil)
	messages, outcomes := sample(500)
	stop := make(chan struct{})
	var reading sync.WaitGroup
	began := time.Now()
	j.Observe(messages[0], outcomes[0])
	settled(t, j)
	for range 2 {
		reading.Go(func() {
			r := reader(t, dir)
			ctx, last := context.Background(), int64(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				found, err := r.Search(ctx, Query{Limit: 20})
				if err != nil || len(found) == 0 || found[0].ID < last {
					t.Errorf("found %d, error %v", len(found), err)
					return
				}
				last = found[0].ID
				top, err := r.Top(ctx, ByOutcome, began.Add(-time.Hour), began.Add(2*time.Hour), 0)
				if err != nil || len(top) == 0 {
					t.Errorf("top %v, error %v", top, err)
					return
				}
			}
		})
	}
	for n := range 3000 {
		j.Observe(messages[n%500], outcomes[n%500])
		if n%100 == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	settled(t, j)
	close(stop)
	reading.Wait()
	r := reader(t, dir)
	if s := j.Stats()[storeSQLite]; s.Written != 3001 || s.Lost != 0 {
		t.Errorf("stats %+v", s)
	}
	top, err := r.Top(context.Background(), ByOutcome, began.Add(-time.Hour), time.Now().Add(time.Hour), 0)
	total := int64(0)
	for _, k := range top {
		total += k.Messages
	}
	if err != nil || total != 3001 {
		t.Errorf("the sums have %d messages, error %v", total, err)
	}
	closeJournal(t, j)
	if found, err := r.Search(context.Background(), Query{Limit: 5000}); err != nil || len(found) != 3001 { // the log is gone now
		t.Errorf("found %d after the stop, error %v", len(found), err)
	}
}

func TestVersionTellsOfWhatIsNew(t *testing.T) {
	t.Parallel()
	c, dir := newClock(), t.TempDir()
	j := begin(t, dir, c, nil)
	r := reader(t, dir)
	seen := map[string]bool{}
	for n := range 5 {
		before, err := r.Version()
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := r.Version(); again != before {
			t.Errorf("%q and %q with nothing in between", before, again)
		}
		if seen[before] {
			t.Errorf("%q again", before)
		}
		seen[before] = true
		j.Observe(letter(n, c.time()), message.Outcome{})
		settled(t, j)
		c.advance(13 * time.Hour)
	}
}

func TestReaderOfNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := OpenReader(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := os.Mkdir(folder(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	r, ctx := reader(t, dir), context.Background()
	found, err := r.Find(ctx, "4F00000001")
	if err != nil || len(found) != 0 {
		t.Error(found, err)
	}
	if e, err := r.Extent(ctx); err != nil || !e.First.IsZero() {
		t.Error(e, err)
	}
	if b, err := r.Traffic(ctx, start, start.Add(time.Hour), 5*time.Minute); err != nil || len(b) != 12 {
		t.Error(len(b), err)
	}
	if _, err := r.ByID(ctx, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// What is removed while a reader has it open is passed over from then on.
func TestADayThatIsRemovedWhileItIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	filled(t, dir, 300)
	r, ctx := reader(t, dir), context.Background()
	before, err := r.Search(ctx, Query{Limit: 1000})
	if err != nil || len(before) != 300 {
		t.Fatal(len(before), err)
	}
	names, err := list(folder(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := remove(names[len(names)-1].in(folder(dir))); err != nil {
		t.Fatal(err)
	}
	after, err := r.Search(ctx, Query{Limit: 1000})
	if err != nil || len(after) == 0 || len(after) >= 300 {
		t.Errorf("found %d, error %v", len(after), err)
	}
}
