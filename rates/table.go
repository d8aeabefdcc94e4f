package rates

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Memory for counts. Every kind has its own share, so that a flood of made-up
// senders can't push out a client. A key that is used now and then takes about
// 200 octets; one that is used all day under a limit of 1h and one of 24h, 5 KiB.
const (
	kindMemory = 24 << 20
	shardCount = 8 // a kind

	// While the file is read there may be this many times as much: its log says
	// more than memory held, and what may be forgotten is not known before the
	// limits are. The keys that come next push it down to size.
	readingMemory = 3
)

// A table holds the keys of one kind.
type table struct {
	seed   maphash.Seed
	shards [shardCount]shard

	mu      sync.Mutex // held to change windows
	windows atomic.Pointer[windows]
}

func (t *table) init(saves bool) {
	t.seed = maphash.MakeSeed()
	t.windows.Store(&reportWindows)
	for i := range t.shards {
		t.shards[i].entries = map[string]*entry{}
		t.shards[i].saves = saves
	}
}

func (t *table) setMemory(octets int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.capacity = octets / shardCount
		s.mu.Unlock()
	}
}

func (t *table) shard(key string) *shard {
	return &t.shards[maphash.String(t.seed, key)%shardCount]
}

// adopt prepares the table for limits: from now on counts are kept as fine as
// they need them, and keys that are near one of them are guarded. It only ever
// adds, so it does no harm if the configuration never comes into force.
func (t *table) adopt(l *limits, now int64) {
	t.mu.Lock()
	more := make(windows, len(l.bounds))
	for i, b := range l.bounds {
		more[i] = limitWindow(b.Every)
	}
	ws := t.windows.Load().with(more...)
	t.windows.Store(&ws)
	t.mu.Unlock()
	for i := range t.shards {
		t.shards[i].guard(l, now)
	}
}

// guard looks at every key, because those that were read from the file have not been looked at yet.
func (s *shard) guard(l *limits, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.watch(now, l.of(e.key)); e.guard > 0 && e.in == &s.recent {
			s.recent.remove(e)
			s.guarded.push(e)
		}
	}
}

func (t *table) sweep(now int64) {
	longest := t.windows.Load().longest()
	for i := range t.shards {
		t.shards[i].sweep(now, longest)
	}
}
