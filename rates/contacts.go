package rates

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"pratique/message"
)

// Recipients are known by the week.
const (
	generation  = 7 * day // seconds
	rememberFor = 5       // generations: a recipient is known for 35 to 42 days, so a monthly letter meets no strangers
)

// A fingerprint is what is kept of a recipient's address: 29 bits of a keyed hash.
// It can't be turned back into the address, and tells nothing to who does not have
// the secret. Of n recipients that one key has written to, a stranger is taken for
// one with a probability of n in 2^29: 0.02 % at 100,000, 0.6 % at the most that a
// key can have.
type fingerprint uint32

const (
	fingerprintBits = 29
	ageBits         = 32 - fingerprintBits
	ageMask         = 1<<ageBits - 1
)

// secret is the key of the fingerprints, one for each state folder.
type secret [16]byte

func (s *secret) fingerprint(addr string) fingerprint {
	var buffer [96]byte
	sum := sha256.Sum256(append(append(buffer[:0], s[:]...), addr...))
	// Zero stands for an empty slot.
	return max(fingerprint(binary.LittleEndian.Uint32(sum[:])>>ageBits), 1)
}

// fingerprints returns those of a message's recipients, each once.
func (s *secret) fingerprints(recipients []message.Recipient) []fingerprint {
	all := make([]fingerprint, len(recipients))
	for i, r := range recipients {
		all[i] = s.fingerprint(foldAddress(r.Addr))
	}
	if len(all) > 1 {
		slices.Sort(all)
		all = slices.Compact(all)
	}
	return all
}

// A contact is a recipient in the set: its fingerprint, and the generation in which
// it was last written to, modulo 8.
type contact uint32

func newContact(f fingerprint, generation int64) contact {
	return contact(f)<<ageBits | contact(generation&ageMask)
}

func (c contact) fingerprint() fingerprint { return fingerprint(c >> ageBits) }

// age is how many generations ago it was written to, as seen from one that is not further off than a contact lives.
func (c contact) age(generation int64) int64 { return (generation - int64(c)) & ageMask }

// contacts is the set of recipients that one key has written to: a hash table with
// linear probing, at most three quarters full.
type contacts struct {
	slots      []contact // zero: empty; a power of two
	n          int
	generation int64 // that the ages are seen from
}

// Sizes of the table.
const (
	fewestSlots = 8
	mostSlots   = 1 << 22 // 16 MiB, for 3.1 million recipients
)

// slot returns where a fingerprint is, or the empty slot where it would be.
func (c *contacts) slot(f fingerprint) int {
	mask := len(c.slots) - 1
	i := int(f) & mask
	for c.slots[i] != 0 && c.slots[i].fingerprint() != f {
		i = (i + 1) & mask
	}
	return i
}

func (c *contacts) has(f fingerprint) bool { return c.n > 0 && c.slots[c.slot(f)] != 0 }

// full reports that the next one needs a larger table.
func (c *contacts) full() bool { return 4*(c.n+1) > 3*len(c.slots) }

// put makes a recipient known as of a generation, which takes a table that is not
// full. fresh: it was not known; changed: the file has to hear of it.
func (c *contacts) put(f fingerprint, generation int64) (fresh, changed bool) {
	i := c.slot(f)
	switch old := c.slots[i]; {
	case old == 0:
		c.n++
		fresh = true
	case old.age(c.generation) <= c.generation-generation:
		return false, false
	}
	c.slots[i] = newContact(f, generation)
	return fresh, true
}

// rebuild moves those that are not older than so many generations to a new table.
func (c *contacts) rebuild(slots int, oldest int64) {
	before := c.slots
	c.slots, c.n = make([]contact, slots), 0
	for _, one := range before {
		if one != 0 && one.age(c.generation) <= oldest {
			c.slots[c.slot(one.fingerprint())] = one
			c.n++
		}
	}
}

// advance has ages seen from a later generation, and forgets who is too old by then.
func (c *contacts) advance(to int64) {
	passed := to - c.generation
	if passed <= 0 {
		return
	}
	// Ages are known modulo 8 only: they are told from the generation before.
	c.rebuild(len(c.slots), rememberFor-passed)
	c.generation = to
}

// oldest returns the age of the oldest one.
func (c *contacts) oldest() int64 {
	var oldest int64
	for _, one := range c.slots {
		if one != 0 {
			oldest = max(oldest, one.age(c.generation))
		}
	}
	return oldest
}
