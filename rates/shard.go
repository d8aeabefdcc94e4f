package rates

import (
	"errors"
	"sync"
	"unsafe"
)

// errFull is met when a key can't be counted without forgetting another one that is near its limit.
var errFull = errors.New("the memory for counts is full of keys that are near their limits")

// A shard is a part of the keys of one kind, under one lock and within its
// share of memory.
//
// What happens when the share is used up: the key that was used least recently
// is forgotten, but never one with mail under way, and never one that has used
// half of a limit that refuses or holds, as long as that counts. So a flood of
// made-up keys only pushes out keys that are far from their limits. When
// nothing else is left, a new key is not admitted: errFull.
type shard struct {
	mu       sync.Mutex
	entries  map[string]*entry
	recent   list      // may be forgotten, the least recently used one first
	guarded  list      // may not, until their guard is over
	unsaved  []unsaved // what happened since it was last collected for the file
	saves    bool      // there is a file
	used     int       // octets, as reckoned by entry.cost
	capacity int
}

// An entry is what is known of one key. While mail of it is under way it is in neither list.
type entry struct {
	key      string
	series   series
	underway Amounts
	guard    uint32 // Unix second until which it must not be forgotten
	unsaved  uint32 // its place in shard.unsaved, from 1; 0 if it is not there

	in         *list
	prev, next *entry
}

// unsaved is what happened to one key and is not in the file yet.
type unsaved struct {
	entry  *entry
	bucket bucket
}

// The memory of an entry beside its key and buckets: itself, its place in the
// map, and what the allocator rounds up.
const (
	entryCost  = int(unsafe.Sizeof(entry{})) + 56
	bucketCost = int(unsafe.Sizeof(bucket{}))
)

func (e *entry) cost() int { return entryCost + len(e.key) + cap(e.series)*bucketCost }

// expired reports an entry of which nothing counts any more.
func (e *entry) expired(now, longest int64) bool {
	n := len(e.series)
	return n == 0 || int64(e.series[n-1].last) < now-longest
}

// A place is what a message under way has reserved for one key.
type place struct {
	shard  *shard
	entry  *entry // nil: nothing is reserved
	amount Amounts
}

// reserve takes a place for a claim if no limit that refuses stands against it. It
// returns every limit that has no room, in their order.
func (s *shard) reserve(c *Claim, now int64) (place, []Excess, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.open(c.Key, true)
	if err != nil {
		return place{}, nil, err
	}
	over := e.exceeds(now, c, c.Want)
	if Refusing(over) {
		s.shelve(e)
		return place{}, over, nil
	}
	e.underway.add(c.Want)
	return place{shard: s, entry: e, amount: c.Want}, over, nil
}

// resize changes the octets of a place to what the message truly has. Limits on
// bytes are asked again if that is more.
func (s *shard) resize(p *place, c *Claim, now int64, bytes uint64) []Excess {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := p.entry
	e.underway.subtract(Amounts{Bytes: p.amount.Bytes})
	var over []Excess
	if bytes > p.amount.Bytes {
		over = e.exceeds(now, c, Amounts{Bytes: bytes})
	}
	if !Refusing(over) {
		p.amount.Bytes = bytes
	}
	e.underway.add(Amounts{Bytes: p.amount.Bytes})
	return over
}

// exceeds returns the limits that have no room for what a message wants, and notes
// the fullest of them all.
func (e *entry) exceeds(now int64, c *Claim, want Amounts) []Excess {
	var over []Excess
	for i := range c.Bounds {
		l := &c.Bounds[i]
		n := want.Of(l.Count)
		from := max(now-l.Every, c.Since+1)
		used := saturate(e.series.sum(l.Count, from), e.underway.Of(l.Count))
		total := saturate(used, n)
		if fill := (Fill{l, total}); n > 0 && fill.Share() >= c.Fullest.Share() {
			c.Fullest = fill
		}
		if n > 0 && total > l.Max {
			frees := e.series.frees(l.Count, from, total-l.Max)
			if frees > 0 {
				frees += l.Every + 1 - now
			}
			over = append(over, Excess{Bound: l, Used: used, Want: n, Frees: frees})
		}
	}
	return over
}

// rule is what a shard has to know of a kind to count for it.
type rule struct {
	windows windows
	bounds  []Bound
	since   int64 // of the claim
}

// settle ends a place, if there is one, and counts what became of the message.
// An empty bucket counts nothing.
func (s *shard) settle(key string, p place, now int64, r rule, b bucket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := p.entry
	if e != nil {
		e.underway.subtract(p.amount)
	} else {
		if b.empty() {
			return nil
		}
		var err error
		// Mail that was refused takes free memory only: those who may not send
		// must not push out those who do.
		if e, err = s.open(key, b.messages > 0); err != nil {
			return err
		}
	}
	if !b.empty() {
		b.last = second(now)
		s.record(e, now, r, b)
		e.watch(now, r.bounds)
	}
	s.shelve(e)
	return nil
}

// record adds to the counts of an entry that is in no list.
func (s *shard) record(e *entry, now int64, r rule, b bucket) {
	s.append(e, now, r, b)
	s.markUnsaved(e, b)
}

func (s *shard) markUnsaved(e *entry, b bucket) {
	switch {
	case !s.saves:
	case e.unsaved == 0:
		s.unsaved = append(s.unsaved, unsaved{entry: e, bucket: b})
		e.unsaved = uint32(len(s.unsaved))
	default:
		s.unsaved[e.unsaved-1].bucket.absorb(b)
	}
}

// dropUnsaved takes an entry out of what is to be saved: the last one takes its place.
func (s *shard) dropUnsaved(e *entry) {
	if e.unsaved == 0 {
		return
	}
	n := len(s.unsaved) - 1
	moved := s.unsaved[n]
	s.unsaved[e.unsaved-1] = moved
	moved.entry.unsaved = e.unsaved
	s.unsaved[n] = unsaved{}
	s.unsaved, e.unsaved = s.unsaved[:n], 0
}

// append puts a bucket at the end of an entry's series, within the memory that there is.
func (s *shard) append(e *entry, now int64, r rule, b bucket) {
	n := len(e.series)
	if n > 0 {
		newest := &e.series[n-1]
		// The clock is read outside the lock: a bucket may come a moment late.
		b.last = max(b.last, newest.last)
		if mergeable(newest.last, b.last, r.windows[0].width, r.since) {
			newest.absorb(b)
			return
		}
	}
	if n == cap(e.series) {
		s.extend(e, now, r)
	}
	if n = len(e.series); n > 0 && n == cap(e.series) {
		e.series[n-1].absorb(b)
		return
	}
	e.series = append(e.series, b)
}

// extend makes room in an entry's series: by what time allows, else by more
// memory, else at the price of exactness.
func (s *shard) extend(e *entry, now int64, r rule) {
	e.series = e.series.thin(now, r.windows, r.since)
	room := cap(e.series)
	if len(e.series) <= room/2 && room > 0 {
		return
	}
	more := max(room, 1)
	if !s.makeRoom(more * bucketCost) {
		if len(e.series) == room {
			e.series = e.series.coarsen(now, r.windows, r.since, max(room/2, 1))
		}
		return
	}
	s.used += more * bucketCost
	e.series = append(make(series, 0, room+more), e.series...)
}

// watch guards an entry that has used half of a limit, until that has left the window.
func (e *entry) watch(now int64, bounds []Bound) {
	for i := range bounds {
		l := &bounds[i]
		if l.Then == actObserve {
			continue
		}
		if sum := e.series.sum(l.Count, now-l.Every); sum >= l.Max-l.Max/2 {
			e.guard = max(e.guard, second(now+l.Every+1))
		}
	}
}

// open returns the entry of a key, taken out of its list, and makes one if there
// is none. To have the memory for it, it may forget others if forget is set.
func (s *shard) open(key string, forget bool) (*entry, error) {
	if e := s.entries[key]; e != nil {
		if e.in != nil {
			e.in.remove(e)
		}
		return e, nil
	}
	e := &entry{key: key, series: make(series, 0, 1)}
	cost := e.cost()
	if s.used+cost > s.capacity && (!forget || !s.makeRoom(cost)) {
		return nil, errFull
	}
	s.used += cost
	s.entries[key] = e
	return e, nil
}

// shelve puts an entry back into the list where it belongs, as the most
// recently used one; one that holds nothing goes.
func (s *shard) shelve(e *entry) {
	switch {
	case e.underway.Messages > 0:
	case len(e.series) == 0:
		s.forget(e)
	case e.guard > 0:
		s.guarded.push(e)
	default:
		s.recent.push(e)
	}
}

// makeRoom forgets entries until so many octets more fit, or reports that it can't.
func (s *shard) makeRoom(octets int) bool {
	for s.used+octets > s.capacity {
		e := s.recent.last
		if e == nil {
			return false
		}
		s.recent.remove(e)
		s.forget(e)
	}
	return true
}

// forget drops an entry that is in no list.
func (s *shard) forget(e *entry) {
	s.used -= e.cost()
	delete(s.entries, e.key)
	s.dropUnsaved(e)
}

// sweep forgets what is of no use any more and ends the guards that are over.
func (s *shard) sweep(now, longest int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.guarded.last; e != nil; {
		next := e.prev
		if int64(e.guard) < now {
			e.guard = 0
			s.guarded.remove(e)
			s.recent.push(e)
		}
		e = next
	}
	for e := s.recent.last; e != nil && e.expired(now, longest); e = s.recent.last {
		s.recent.remove(e)
		s.forget(e)
	}
}

// second is a point of time as it is kept: Unix seconds, good until 2106.
func second(now int64) uint32 { return clamp(now) }
