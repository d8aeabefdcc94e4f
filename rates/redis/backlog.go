package redis

import (
	"slices"
	"sync"
)

// A hold is an amount in one window of one key.
type hold struct {
	key          string // in Redis
	every, width int64  // seconds
	amount       uint64
}

// Place is what a message under way has reserved.
type Place struct {
	id      string
	holds   []hold
	renewed int64 // seconds since Open
}

// entry is what left for a window at a time.
type entry struct {
	hold
	window Window
	last   int64 // seconds since Open, of the latest part; what happened before Open is below zero
}

// tally is what Redis is still to be told of one window, oldest first.
type tally struct {
	every, width int64
	cells        []cell
}

type cell struct {
	last   int64
	amount uint64
}

// batch is what Redis is told at once. It stays as it is until Redis has it.
type batch struct {
	seq            uint64
	ended, renewed []*Place
	counts         []entry
	marks          []string
	complete       bool  // nothing that was settled before asOf is left out
	asOf           int64 // seconds since Open
	closing        bool
}

func (b *batch) empty() bool {
	return len(b.ended)+len(b.renewed)+len(b.counts)+len(b.marks) == 0
}

// Bounds of what is told and kept.
const (
	batchSize  = 500     // counts, and windows of places, told at once: others wait so long, a few ms
	maxBacklog = 100_000 // counts kept while Redis is away; beyond that the history has to do
)

// backlog is what Redis is still to be told.
type backlog struct {
	mu        sync.Mutex
	told      map[Window]bool // Redis has the history of these: what comes is told, too
	live      map[*Place]struct{}
	renewing  []*Place
	ended     []*Place
	abandoned []*Place // nobody knows whether Redis has reserved them
	doubtful  []*Place // the same, ended once
	counts    map[string]*tally
	cells     int // in counts
	overflow  bool
	marks     []string
}

func (b *backlog) init() {
	b.told = map[Window]bool{}
	b.live = map[*Place]struct{}{}
	b.counts = map[string]*tally{}
}

func (b *backlog) hold(p *Place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live[p] = struct{}{}
}

// abandon is for a place whose reservation was not answered.
func (b *backlog) abandon(p *Place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.abandoned) < maxBacklog {
		b.abandoned = append(b.abandoned, p)
	}
}

// endAbandoned ends those places, each twice: a Redis that was stopped works off what
// it was sent before in any order.
func (b *backlog) endAbandoned() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = append(append(b.ended, b.doubtful...), b.abandoned...)
	b.doubtful, b.abandoned = b.abandoned, nil
}

// settle ends places and counts what left.
func (b *backlog) settle(places []*Place, entries []entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range places {
		delete(b.live, p)
		b.ended = append(b.ended, p)
	}
	for _, e := range entries {
		if b.told[e.window] {
			b.add(e)
		}
	}
}

// put adds what left in the past.
func (b *backlog) put(e entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(e)
}

func (b *backlog) add(e entry) {
	if b.cells >= maxBacklog {
		b.overflow = true
	}
	if b.overflow {
		return
	}
	t := b.counts[e.key]
	if t == nil {
		t = &tally{every: e.every, width: e.width}
		b.counts[e.key] = t
	}
	if n := len(t.cells); n > 0 && floorDiv(t.cells[n-1].last, e.width) == floorDiv(e.last, e.width) {
		t.cells[n-1].last = max(t.cells[n-1].last, e.last)
		t.cells[n-1].amount += e.amount
		return
	}
	t.cells = append(t.cells, cell{last: e.last, amount: e.amount})
	b.cells++
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// renew has the places told again that were not for a while.
func (b *backlog) renew(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.live {
		if now-p.renewed >= inSeconds(renewEvery) {
			p.renewed = now
			b.renewing = append(b.renewing, p)
		}
	}
}

// next returns what to tell next. What left comes before the places that it had: in
// between it rather counts twice than not at all. A batch that holds all there is has both.
func (b *backlog) next(now int64) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := &batch{asOf: now}
	for key, t := range b.counts {
		if len(n.counts) >= batchSize {
			return n
		}
		for _, c := range t.cells {
			n.counts = append(n.counts, entry{hold: hold{key: key, every: t.every, width: t.width, amount: c.amount}, last: c.last})
		}
		b.cells -= len(t.cells)
		delete(b.counts, key)
	}
	n.marks, b.marks = b.marks, nil
	n.ended, b.ended = cut(b.ended, batchSize)
	n.renewed, b.renewing = cut(b.stillHeld(), batchSize)
	n.complete = len(b.ended) == 0
	return n
}

// stillHeld are the places to renew that have not ended meanwhile.
func (b *backlog) stillHeld() []*Place {
	return slices.DeleteFunc(b.renewing, func(p *Place) bool {
		_, held := b.live[p]
		return !held
	})
}

// cut takes places off the front that hold no more than so many windows, or one place.
func cut(places []*Place, most int) (first, rest []*Place) {
	n := 0
	for holds := 0; n < len(places); n++ {
		if holds += len(places[n].holds); holds > most && n > 0 {
			break
		}
	}
	return places[:n:n], places[n:]
}

// mark notes that the history of windows will have been told.
func (b *backlog) mark(names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.marks = append(b.marks, names...)
}

// tell has windows told from now on.
func (b *backlog) tell(windows []Window) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range windows {
		b.told[w] = true
	}
}

// forget drops all counts that are to be told, because the history has them.
func (b *backlog) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.counts)
	b.cells, b.overflow, b.marks = 0, false, nil
}

func (b *backlog) overflowed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.overflow
}

func (b *backlog) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cells + len(b.ended)
}
