package keystore

import (
	"fmt"
	"time"

	"pratique/signing/records"
)

// Move is a step of a key in its life.
type Move struct {
	Key  Key // as it is now
	From State
	Why  string
}

// advance moves keys on by what was seen of their records. It changes them in
// place, each by one step at most. What is not known moves nothing.
func advance(keys []Key, seen map[Key]Sight, now time.Time, o Options) []Move {
	var moves []Move
	move := func(k *Key, to State, why string) {
		from := k.State
		k.State = to
		*k.since() = now
		moves = append(moves, Move{*k, from, why})
	}
	before := append([]Key{}, keys...)
	for i := range keys {
		k, sight := &keys[i], seen[before[i]]
		if k.State != before[i].State {
			continue // its successor has moved it
		}
		if k.Since().After(now) {
			move(k, k.State, "the clock was put back: its time in this state begins anew")
			continue
		}
		if sight.State == records.Match {
			k.TTL = int64(sight.TTL / time.Second)
		}
		switch {
		case k.State == Created && sight.State == records.Match:
			move(k, Published, sight.Text)
		case k.State == Published && sight.Known() && sight.State != records.Match:
			k.Published = time.Time{}
			k.State = Created // since its making: nothing was signed yet
			moves = append(moves, Move{*k, Published, sight.Text})
		case k.State == Published && sight.State == records.Match && !now.Before(k.activation(o)):
			for j := range keys {
				if keys[j].State == Active && keys[j].sameSlot(*k) {
					move(&keys[j], Retiring, "succeeded by "+k.Selector)
				}
			}
			move(k, Active, sight.Text)
		case k.State == Retiring && sight.Known() && !now.Before(k.release(o)):
			move(k, Done, fmt.Sprintf("what it signed has left all queues; safe to remove %s from the DNS", k.Record()))
		}
	}
	return moves
}

// activation is when a published key may begin to sign.
func (k Key) activation(o Options) time.Time { return k.Published.Add(o.ActivateAfter) }

// release is when the record of a retiring key is needed no longer: the last message
// that it signed has left all queues, and no receiver remembers the record.
func (k Key) release(o Options) time.Time {
	return k.Retired.Add(o.QueueLifetime + time.Duration(k.TTL)*time.Second)
}

// Old reports whether an active key has passed the age to be warned of.
func (k Key) Old(now time.Time, o Options) bool {
	return k.State == Active && o.KeyAge > 0 && now.Sub(k.Activated) > o.KeyAge
}

// Next says what comes next in a key's life, and who has to do it.
func (k Key) Next(now time.Time, o Options) string {
	const minute = "2006-01-02 15:04 MST"
	switch k.State {
	case Created:
		return "publish its record: pratique keys dns " + k.Domain
	case Published:
		return "signs from " + k.activation(o).Local().Format(minute) + " on, if the record stays"
	case Retiring:
		return fmt.Sprintf("leave %s in the DNS until %s", k.Record(), k.release(o).Local().Format(minute))
	case Done:
		return fmt.Sprintf("safe to remove %s from the DNS; then: pratique keys remove %s %s", k.Record(), k.Domain, k.Selector)
	}
	if k.Old(now, o) {
		return "has signed for long enough: pratique keys rotate " + k.Domain
	}
	return "signs"
}

// soonest is how soon the DNS is asked again for a record that is awaited.
const soonest = 30 * time.Second

// due is how long from now the DNS is asked again for a key. A record that is
// awaited is asked for often at first, and ever less.
func (k Key) due(now time.Time, o Options) time.Duration {
	often := min(soonest, o.CheckEvery)
	switch k.State {
	case Created:
		return min(max(now.Sub(k.Created)/10, often), o.CheckEvery)
	case Published:
		return min(max(k.activation(o).Sub(now), often), o.CheckEvery)
	case Retiring:
		return min(max(k.release(o).Sub(now), often), o.CheckEvery)
	}
	return o.CheckEvery
}
