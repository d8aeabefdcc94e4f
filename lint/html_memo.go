package lint

import "hash/maphash"

// Bounds of a memo: what it keeps has no more than 150 KiB, and little where little comes again.
const (
	memoSlots = 256
	maxMemoed = 512
)

// memo remembers what octets that come again and again meant: mail is built by
// programs, and of its tags and styles nine in ten were seen before. A newcomer takes
// the place of what it happens to share it with.
type memo[T any] struct {
	seed  maphash.Seed
	slots []memoSlot[T]
}

type memoSlot[T any] struct {
	key   []byte
	value T
	valid bool
}

// slot returns the place for a key, and whether that is what it holds. Otherwise the
// place is the key's own from now on, and not valid until its value was set. It is nil
// for a key that is too long to be remembered.
func (m *memo[T]) slot(key []byte) (slot *memoSlot[T], known bool) {
	if len(key) > maxMemoed {
		return nil, false
	}
	if m.slots == nil {
		m.seed, m.slots = maphash.MakeSeed(), make([]memoSlot[T], memoSlots)
	}
	slot = &m.slots[maphash.Bytes(m.seed, key)%memoSlots]
	if string(slot.key) == string(key) {
		return slot, slot.valid
	}
	slot.key, slot.valid = append(slot.key[:0], key...), false
	return slot, false
}

func (s *memoSlot[T]) set(value T) {
	if s != nil {
		s.value, s.valid = value, true
	}
}
