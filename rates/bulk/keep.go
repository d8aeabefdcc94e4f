package bulk

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// kept is what is kept, as JSON.
type kept struct {
	Pairs []keptPair `json:"pairs"`
}

type keptPair struct {
	Domain   string    `json:"domain"`
	Receiver string    `json:"receiver"`
	Last     int64     `json:"last"`  // the newest slot, a quarter of an hour since 1970
	Slots    []uint32  `json:"slots"` // the newest first
	Reached  time.Time `json:"reached,omitzero"`
}

// ErrDamaged says that what was kept can't be understood.
var ErrDamaged = errors.New("the counts of bulk mail are damaged")

// Marshal returns what was counted, to be kept over a restart. It is the same as long
// as nothing else was counted.
func (c *Counter) Marshal() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := kept{Pairs: []keptPair{}}
	for p, d := range c.pairs {
		kp := keptPair{Domain: p.domain, Receiver: p.receiver, Last: d.last, Reached: d.reached, Slots: make([]uint32, slots)}
		for i := range kp.Slots {
			kp.Slots[i] = d.slots[(d.last-int64(i)+int64(slots))%int64(slots)]
		}
		k.Pairs = append(k.Pairs, kp)
	}
	slices.SortFunc(k.Pairs, func(a, b keptPair) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Receiver, b.Receiver))
	})
	return json.Marshal(k)
}

// Unmarshal takes over what Marshal returned. The error wraps ErrDamaged if it can't
// be understood.
func (c *Counter) Unmarshal(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kp := range k.Pairs[:min(len(k.Pairs), maxPairs)] {
		if kp.Last < int64(slots) {
			continue
		}
		d := &day{last: kp.Last, reached: kp.Reached}
		for i, n := range kp.Slots[:min(len(kp.Slots), slots)] {
			d.slots[(kp.Last-int64(i))%int64(slots)] = n
		}
		c.pairs[pair{kp.Domain, kp.Receiver}] = d
	}
	return nil
}
