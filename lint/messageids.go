package lint

import (
	"hash/maphash"
	"sync"
)

// MessageIDs remembers which Message-IDs were sent, to tell when one is used
// again for another message. It outlives a Lint, and is bounded: it has two
// generations, and when the young one is full the old one is forgotten.
type MessageIDs struct {
	seed       maphash.Seed
	mu         sync.Mutex
	young, old map[uint64]uint64 // hash of the id: hash of the message
}

// maxMessageIDs is how many ids are remembered at most: 2 MB or so.
const maxMessageIDs = 100_000

// NewMessageIDs returns a memory that is empty.
func NewMessageIDs() *MessageIDs {
	return &MessageIDs{seed: maphash.MakeSeed(), young: map[uint64]uint64{}}
}

// reused remembers a Message-ID with what tells messages apart, and reports
// whether it was seen with something else before. Copies of one message, as they
// are sent to several recipients, are the same message.
func (ids *MessageIDs) reused(id string, content ...string) bool {
	key := maphash.String(ids.seed, id)
	var h maphash.Hash
	h.SetSeed(ids.seed)
	for _, c := range content {
		h.WriteString(c)
		h.WriteByte(0)
	}
	sum := h.Sum64()
	ids.mu.Lock()
	defer ids.mu.Unlock()
	before, ok := ids.young[key]
	if !ok {
		before, ok = ids.old[key]
	}
	if ok && before != sum {
		return true
	}
	if len(ids.young) >= maxMessageIDs/2 {
		ids.old, ids.young = ids.young, make(map[uint64]uint64, maxMessageIDs/2)
	}
	ids.young[key] = sum
	return false
}

// messageIDReused is rule H14. What differs between messages, and not between
// copies of one, is the sender, the subject and the date.
func messageIDReused(h *header) {
	if h.lint.env.MessageIDs == nil {
		return
	}
	i := h.first("Message-ID")
	if i < 0 || h.refused(i) {
		return
	}
	var content []string
	for _, name := range []string{"From", "Subject", "Date"} {
		value := ""
		if j := h.first(name); j >= 0 {
			value = h.fields[j].Unfolded()
		}
		content = append(content, value)
	}
	id := h.fields[i].Unfolded()
	if h.lint.env.MessageIDs.reused(id, content...) {
		h.foundAt(i, "sent before with another message: "+shown(id))
	}
}
