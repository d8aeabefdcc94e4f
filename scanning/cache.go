package scanning

import (
	"sync"
	"time"
)

// cache remembers the content of messages that clamd called clean, so that it need not
// see the same again. What it remembers holds for one set of signatures, and for a time.
// It forgets everything while clamd's version is not known: who does not call use, as
// Scanner.Watch does, has no cache.
//
// It is safe for concurrent use.
type cache struct {
	keep time.Duration
	now  func() time.Time

	mu         sync.Mutex
	signatures string // the version of clamd and its signatures; "": not known
	epoch      int    // of the signatures
	young, old map[digest]bool
	turned     time.Time // when young began
}

// mostRemembered bounds each half of a cache: 32 octets and the cost of a map each,
// together 10 MiB.
const mostRemembered = 50_000

func newCache(keep time.Duration, now func() time.Time) *cache {
	return &cache{keep: keep, now: now, young: map[digest]bool{}}
}

// use says which signatures clamd has now. Of others nothing is remembered.
func (c *cache) use(signatures string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.signatures != signatures {
		c.signatures, c.young, c.old = signatures, map[digest]bool{}, nil
		c.epoch++
	}
}

// clean reports whether clamd called this content clean not long ago, and the epoch of
// the signatures that a scan that begins now is going to be judged by.
func (c *cache) clean(d digest) (known bool, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn()
	return c.young[d] || c.old[d], c.epoch
}

// remember keeps in mind that content is clean, unless the signatures changed since the
// epoch: nobody knows which of them the verdict is of.
func (c *cache) remember(d digest, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn()
	if c.signatures != "" && c.epoch == epoch {
		c.young[d] = true
	}
}

// turn forgets what is too old. An element lives between half of the time and all of it.
func (c *cache) turn() {
	now := c.now()
	age := now.Sub(c.turned)
	if age < 0 || age >= c.keep { // also when the clock was set
		c.young, c.old, c.turned = map[digest]bool{}, nil, now
	} else if age >= c.keep/2 || len(c.young) >= mostRemembered {
		c.young, c.old, c.turned = map[digest]bool{}, c.young, now
	}
}
