package keystore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"pratique/signing/records"
)

// Keeper moves the keys of a store through their lives by what the DNS shows, and
// says in the log what there is to do. It is for one goroutine.
type Keeper struct {
	store *Store
	dns   DNS
	opts  Options
	use   func(keys []Key) error
	log   *slog.Logger
	said  map[complaint]time.Time
}

// NewKeeper returns a keeper of a store. It has use sign by the keys as they are to
// be, before it writes down that they are: a key is not called retiring that signs.
func NewKeeper(store *Store, dns DNS, opts Options, use func(keys []Key) error, log *slog.Logger) *Keeper {
	return &Keeper{store: store, dns: dns, opts: opts, use: use, log: log, said: map[complaint]time.Time{}}
}

// Summary is how the keys are after a round.
type Summary struct {
	Keys []Key
	// Unverifiable is how many active keys have a server without their record.
	Unverifiable int
}

// Round asks the DNS once for all keys, moves on those that can go on, and makes
// successors where the configuration says so. Without an answer of the DNS nothing
// moves. The error is of the store or of use, and then nothing moves either, or the
// context's.
func (k *Keeper) Round(ctx context.Context) (Summary, error) {
	keys, err := k.store.Keys()
	if err != nil || len(keys) == 0 {
		return Summary{}, err
	}
	seen := k.store.LookAll(ctx, k.dns, keys)
	if ctx.Err() != nil {
		return Summary{}, ctx.Err()
	}
	var moves []Move
	err = k.store.update(ctx, func(_ *disk, l *list) error {
		moves = advance(l.Keys, seen, k.store.time(), k.opts)
		keys = l.Keys
		if len(moves) == 0 {
			return nil
		}
		return k.use(keys)
	})
	if err != nil {
		return Summary{}, fmt.Errorf("move keys on: %w", err)
	}
	for _, m := range moves {
		k.tell(m)
	}
	k.complainOf(keys, seen)
	sum := Summary{Keys: keys, Unverifiable: unverifiable(keys, seen)}
	return sum, k.succeed(ctx, keys)
}

func (k *Keeper) tell(m Move) {
	level := slog.LevelInfo
	if m.From == m.Key.State || m.Key.State == Created {
		level = slog.LevelWarn // the clock, or a record that vanished
	}
	k.log.Log(context.Background(), level, "key is now "+string(m.Key.State),
		"domain", m.Key.Domain, "selector", m.Key.Selector, "algorithm", m.Key.Algorithm, "was", m.From, "why", m.Why)
}

func unverifiable(keys []Key, seen map[Key]Sight) int {
	n := 0
	for _, k := range keys {
		if s := seen[k]; k.State == Active && s.Known() && s.State != records.Match {
			n++
		}
	}
	return n
}

// succeed makes successors of the active keys that are due for one.
func (k *Keeper) succeed(ctx context.Context, keys []Key) error {
	var failures []error
	for _, old := range keys {
		if k.opts.RotateEvery == 0 || old.State != Active || k.store.now().Sub(old.Activated) < k.opts.RotateEvery || succeeded(keys, old) {
			continue
		}
		made, err := k.store.Rotate(ctx, old.Domain, old.Type())
		failures = append(failures, err)
		for _, m := range made {
			k.log.Warn("key is made: publish its record, and it will succeed the active one",
				"domain", m.Domain, "selector", m.Selector, "succeeds", old.Selector, "see", "pratique keys dns "+m.Domain)
		}
	}
	return errors.Join(failures...)
}

// succeeded reports whether an active key has a successor on its way.
func succeeded(keys []Key, active Key) bool {
	return slices.ContainsFunc(keys, func(k Key) bool {
		return k.slot() == active.slot() && k.Awaited()
	})
}

// Wait returns how long it is to the next round.
func (k *Keeper) Wait(keys []Key) time.Duration {
	wait := k.opts.CheckEvery
	for _, key := range keys {
		wait = min(wait, key.due(k.store.now(), k.opts))
	}
	return wait
}

// complaint is what is not as it should be with a key.
type complaint struct {
	record, text string
	todo         string // the command that helps
	dns          string // of a key whose record is awaited: each step is news
}

// maxNamed is how many keys a round names for one kind of complaint: a DNS that is
// away is away for all.
const maxNamed = 20

// complainOf says what is wrong with keys: at once, and from time to time as long
// as it lasts.
func (k *Keeper) complainOf(keys []Key, seen map[Key]Sight) {
	said, now := k.said, k.store.now()
	k.said = map[complaint]time.Time{} // what has ended is said at once if it comes back
	named := map[string]int{}
	for _, key := range keys {
		c, level, again := k.complaint(key, keys, seen[key])
		if c.text == "" {
			continue
		}
		if last, before := said[c]; before && !now.Before(last) && now.Sub(last) < again {
			k.said[c] = last
			continue
		}
		k.said[c] = now
		if named[c.text]++; named[c.text] > maxNamed {
			continue
		}
		k.log.Log(context.Background(), level, c.text, "domain", key.Domain, "selector", key.Selector, "state", key.State,
			"dns", seen[key].Text, "see", c.todo)
	}
	for text, n := range named {
		if n > maxNamed {
			k.log.Warn(text, "more", n-maxNamed, "see", "pratique keys list")
		}
	}
}

// complaint returns what is wrong with a key, how loudly to say it, and how often.
func (k *Keeper) complaint(key Key, all []Key, s Sight) (c complaint, level slog.Level, again time.Duration) {
	fine := s.State == records.Match || s.State == "" // it has just moved: next time
	c = complaint{record: key.Record(), todo: "pratique keys dns " + key.Domain}
	switch {
	case key.State == Created && !fine:
		c.text, c.dns = "key waits for its record to be at every server", s.Text
		return c, slog.LevelInfo, day
	case key.State == Active && s.Known() && !fine:
		// A signature whose record is missing is worth no less than none, and most
		// often the record comes back: so the key signs on, and this is said loudly.
		c.text = "the record of an active key is not at every server: receivers can't verify what it signs; put it back"
		return c, slog.LevelError, time.Hour
	case key.State == Retiring && s.Known() && !fine:
		c.text = "the record of a retiring key is gone too early: messages under way can't be verified; put it back"
		return c, slog.LevelWarn, day
	case key.State != Done && !fine:
		c.text = "not known whether the record of a key is there"
		c.todo = "pratique keys list " + key.Domain
		return c, slog.LevelWarn, day
	case key.Old(k.store.now(), k.opts) && !succeeded(all, key):
		c.text = "key has signed for longer than keys.key_age"
		c.todo = "pratique keys rotate " + key.Domain
		return c, slog.LevelWarn, day
	}
	return complaint{}, 0, 0
}

// Oldest returns when the oldest of the active keys began to sign; zero: there is none.
func (s Summary) Oldest() time.Time {
	var oldest time.Time
	for _, k := range s.Keys {
		if k.State == Active && (oldest.IsZero() || k.Activated.Before(oldest)) {
			oldest = k.Activated
		}
	}
	return oldest
}

// Count returns how many keys are in each state.
func (s Summary) Count() map[State]int {
	count := map[State]int{}
	for _, k := range s.Keys {
		count[k.State]++
	}
	return count
}
