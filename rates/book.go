package rates

import (
	linked "container/list"
	"sync"
	"sync/atomic"

	"pratique/message"
)

// bookMemory is the memory for all contacts, in octets.
const bookMemory = 64 << 20

// book has the contacts of every key for which new recipients are counted, within
// its memory. If that is used up, it forgets the contacts of the key that was used
// least recently; and before those of any key that ever wrote to a recipient twice,
// those of keys that never did, so that made-up senders push out only each other.
type book struct {
	secret atomic.Pointer[secret]

	mu       sync.Mutex
	pages    map[pageKey]*page
	once     *linked.List // of pages that met no recipient again, the most recently used one first
	again    *linked.List // of those that did
	unsaved  []*page
	saves    bool
	used     int // octets
	capacity int
}

type pageKey struct {
	kind Kind
	key  string
}

// page is what the book has of one key.
type page struct {
	pageKey
	contacts
	in      *linked.List
	place   *linked.Element
	unsaved []fingerprint // written to since the page was saved
}

// pageCost is the memory of a page beside its key and slots: itself, its places in
// the map and the list, and what the allocator rounds up.
const pageCost = 304

func (p *page) cost() int { return pageCost + len(p.key) + 4*len(p.slots) }

func newBook(saves bool, capacity int) *book {
	return &book{pages: map[pageKey]*page{}, once: linked.New(), again: linked.New(), saves: saves, capacity: capacity}
}

// use has fingerprints be made with a secret. Those of another one tell nothing any more.
func (b *book) use(s secret) {
	if before := b.secret.Swap(&s); before == nil || *before == s {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pages {
		b.forget(p)
	}
}

// fingerprints returns those of a message's recipients, each once.
func (b *book) fingerprints(recipients []message.Recipient) []fingerprint {
	return b.secret.Load().fingerprints(recipients)
}

// strangers returns how many of these a key has not written to.
func (b *book) strangers(k Kind, key string, all []fingerprint, now int64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[pageKey{k, key}]
	if p == nil {
		return uint64(len(all))
	}
	b.advance(p, now/generation)
	var n uint64
	for _, f := range all {
		if !p.has(f) {
			n++
		}
	}
	return n
}

// meet makes recipients known to a key, and returns how many were not.
func (b *book) meet(k Kind, key string, all []fingerprint, now int64) uint64 {
	if len(all) == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	current := now / generation
	p := b.open(pageKey{k, key}, current)
	var n uint64
	for _, f := range all {
		if p.full() {
			b.grow(p)
		}
		fresh, changed := p.put(f, current)
		if fresh {
			n++
		}
		if changed && b.saves {
			if p.unsaved == nil {
				b.unsaved = append(b.unsaved, p)
			}
			p.unsaved = append(p.unsaved, f)
		}
	}
	b.file(p, n < uint64(len(all)))
	return n
}

// open returns the page of a key, and begins it if there is none.
func (b *book) open(key pageKey, current int64) *page {
	if p := b.pages[key]; p != nil {
		b.advance(p, current)
		return p
	}
	p := &page{pageKey: key, contacts: contacts{slots: make([]contact, fewestSlots), generation: current}}
	b.makeRoom(p.cost(), nil)
	b.used += p.cost()
	b.pages[key] = p
	p.in, p.place = b.once, b.once.PushFront(p)
	return p
}

// advance forgets who is too old on a page, and returns the memory of many.
func (b *book) advance(p *page, to int64) {
	if to <= p.generation {
		return
	}
	before := p.cost()
	p.advance(to)
	for len(p.slots) > fewestSlots && 8*p.n < len(p.slots) {
		p.rebuild(len(p.slots)/2, rememberFor)
	}
	b.used += p.cost() - before
}

// file puts a page in front of its list.
func (b *book) file(p *page, again bool) {
	if again && p.in == b.once {
		b.once.Remove(p.place)
		p.in, p.place = b.again, b.again.PushFront(p)
		return
	}
	p.in.MoveToFront(p.place)
}

// grow makes room for one more in a page: by a larger table, or else by forgetting
// the recipients that it has not written to for longest.
func (b *book) grow(p *page) {
	before := p.cost()
	if n := len(p.slots); n < mostSlots && b.makeRoom(4*n, p) {
		p.rebuild(2*n, rememberFor)
	}
	for p.full() {
		p.rebuild(len(p.slots), p.oldest()-1)
	}
	b.used += p.cost() - before
}

// makeRoom forgets pages but one until so many octets more fit, or reports that it can't.
func (b *book) makeRoom(octets int, but *page) bool {
	for _, pages := range []*linked.List{b.once, b.again} {
		for e := pages.Back(); e != nil && b.used+octets > b.capacity; {
			p := e.Value.(*page)
			e = e.Prev()
			if p != but {
				b.forget(p)
			}
		}
	}
	return b.used+octets <= b.capacity
}

func (b *book) forget(p *page) {
	p.in.Remove(p.place)
	delete(b.pages, p.pageKey)
	b.used -= p.cost()
	p.unsaved = nil // whoever saves finds nothing
}

// sweep forgets pages that nobody on them is known of any more.
func (b *book) sweep(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pages {
		if now/generation-p.generation > rememberFor {
			b.forget(p)
		}
	}
}
