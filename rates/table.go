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
)

// A table holds the keys of one kind.
type table struct {
	seed   maphash.Seed
	shards [shardCount]shard

	mu      sync.Mutex // held to change windows
	windows atomic.Pointer[windows]
}

func (t *table) init(memory int, saves bool) {
	t.seed = maphash.MakeSeed()
	t.windows.Store(&reportWindows)
	for i := range t.shards {
		t.shards[i].entries = map[string]*entry{}
		t.shards[i].saves = saves
		t.shards[i].capacity = memory / shardCount
	}
}

func (t *table) shard(key string) *shard {
	return &t.shards[maphash.String(t.seed, key)%shardCount]
}

// adopt prepares the table for limits: from now on counts are kept as fine as
// they need them, and keys that are near one of them are guarded. It only ever
// adds, so it does no harm if the configuration never comes into force.
func (t *table) adopt(limits []limit, now int64) {
	t.mu.Lock()
	more := make(windows, len(limits))
	for i, l := range limits {
		more[i] = limitWindow(l.every)
	}
	ws := t.windows.Load().with(more...)
	t.windows.Store(&ws)
	t.mu.Unlock()
	for i := range t.shards {
		t.shards[i].adopt(limits, now, ws)
	}
}

func (s *shard) adopt(limits []limit, now int64, ws windows) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		e.series = e.series.thin(now, ws)
		if e.watch(now, limits); e.guard > 0 && e.in == &s.recent {
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
