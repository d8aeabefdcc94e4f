package keystore

import (
	"fmt"
	"slices"
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
	w := &walk{keys: keys, now: now, opts: o}
	for i, before := range slices.Clone(keys) {
		if keys[i].State == before.State { // else its successor has moved it
			w.step(&keys[i], seen[before])
		}
	}
	return w.moves
}

// walk is one pass over the keys.
type walk struct {
	keys  []Key
	now   time.Time
	opts  Options
	moves []Move
}

func (w *walk) move(k *Key, to State, why string) {
	from := k.State
	k.State = to
	*k.since() = w.now
	w.moves = append(w.moves, Move{*k, from, why})
}

func (w *walk) step(k *Key, s Sight) {
	if k.since().After(w.now) {
		w.move(k, k.State, "the clock was put back: its time in this state begins anew")
		return
	}
	if s.State == records.Match {
		k.TTL = int64(s.TTL / time.Second)
	}
	switch {
	case k.State == Created && s.State == records.Match:
		w.move(k, Published, s.Text)
	case k.State == Published && s.State == records.Match && !w.now.Before(k.activation(w.opts)):
		w.activate(k, s.Text)
	case k.State == Published && s.Known() && s.State != records.Match:
		w.takeBack(k, s.Text)
	case k.State == Retiring && s.Known() && !w.now.Before(k.release(w.opts)):
		w.move(k, Done, fmt.Sprintf("what it signed has left all queues; safe to remove %s from the DNS", k.Record()))
	}
}

func (w *walk) activate(k *Key, why string) {
	for i := range w.keys {
		if other := &w.keys[i]; other.State == Active && other.slot() == k.slot() {
			w.move(other, Retiring, "succeeded by "+k.Selector)
		}
	}
	w.move(k, Active, why)
}

// takeBack has a key wait for its record again. It keeps the time at which it was made.
func (w *walk) takeBack(k *Key, why string) {
	k.State, k.Published = Created, time.Time{}
	w.moves = append(w.moves, Move{*k, Published, why})
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
