package rates

import (
	"sync"
	"time"
)

// A timeline is time as counts see it: it begins as the wall clock says, never
// runs backwards, and is not moved by anyone who sets the clock while the
// process runs, because time.Now carries a monotonic reading. A clock without
// one (in tests) may jump: back is no time at all, and ahead is time.
type timeline struct {
	clock func() time.Time

	mu   sync.Mutex
	read time.Time // what the clock said last
	now  time.Time
}

func newTimeline(clock func() time.Time) *timeline {
	t := clock()
	return &timeline{clock: clock, read: t, now: t.Round(0)}
}

// seconds returns the time in Unix seconds. It stands still at what 32 bits
// hold: with a clock as wrong as that, limits fill up and stay so.
func (t *timeline) seconds() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	read := t.clock() // under the lock: two readings that change places would look like a jump
	if passed := read.Sub(t.read); passed > 0 {
		t.now = t.now.Add(passed)
	}
	t.read = read
	return int64(second(t.now.Unix()))
}

// ahead returns how many seconds the wall clock is ahead of the timeline: what
// is kept on disk is in the wall clock's time, which is all that the next
// process and other readers have.
func (t *timeline) ahead() int64 {
	now := t.seconds()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read.Unix() - now
}

// throttleEvery is how often a problem that lasts is logged, or something is done about it.
const throttleEvery = time.Minute

// throttle keeps a problem that lasts from filling the log or the disk. The zero throttle is due.
type throttle struct {
	mu   sync.Mutex
	last time.Time
}

func (t *throttle) due(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if passed := now.Sub(t.last); !t.last.IsZero() && passed >= 0 && passed < throttleEvery {
		return false
	}
	t.last = now
	return true
}
