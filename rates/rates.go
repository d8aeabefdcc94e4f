// Package rates counts outgoing mail by who sends it and to where, and holds it
// to limits in sliding windows.
//
// A Store owns the counters and keeps them in a SQLite file in the state
// folder; it lives as long as the daemon. A Rates is the limits of one
// configuration over it. When the header of a message is complete, every limit
// that it falls under is asked and a place is reserved under it, so that no
// number of messages at once can share the last place. The outcome turns the
// places into counts, or gives them back: only what leaves counts as sent.
//
// Windows err on the safe side: never more than the maximum leaves in any span
// of a limit's length. What left is counted until it is one length old and at
// most a sixtieth of it (or one second) more.
//
// What does not live here: who may send at all, the words of the report's
// command, and what counts are shown to whom.
package rates

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pratique/message"
)

// Rates holds messages to the limits of one configuration, and counts them. It
// is safe for concurrent use.
type Rates struct {
	store    *Store
	limits   [kinds][]limit
	limited  bool
	bytes    bool     // there is a limit on bytes
	underway sync.Map // *message.Message to *[]subject, until its outcome is told
}

// New returns the limits of opts over a store. Counts that the store already has
// go on. The error lists what Problems would report.
func New(store *Store, opts Options) (*Rates, error) {
	var problems []error
	opts.Problems(func(key, problem string) {
		problems = append(problems, fmt.Errorf("rates.%s: %s", key, problem))
	})
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	r := &Rates{store: store, limited: len(opts.Limits) > 0}
	for _, o := range opts.Limits {
		l := newLimit(o)
		r.limits[l.kind] = append(r.limits[l.kind], l)
		r.bytes = r.bytes || l.count == countBytes
	}
	now := store.time.seconds()
	for k, limits := range r.limits {
		if len(limits) > 0 {
			store.tables[k].adopt(limits, now)
		}
	}
	return r, nil
}

// Name is "rates".
func (r *Rates) Name() string { return "rates" }

// Begin implements message.Check.
func (r *Rates) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	if !r.limited {
		return nil, nil
	}
	return &inspector{rates: r, message: m}, nil
}

// Observe counts what became of a message and ends what it had reserved. Messages
// that no check has seen, because the gate let them pass or refused them, are
// counted too.
func (r *Rates) Observe(m *message.Message, o message.Outcome) {
	var all []subject
	if reserved, ok := r.underway.LoadAndDelete(m); ok {
		all = *reserved.(*[]subject)
	} else {
		all = subjects(m)
	}
	now := r.store.time.seconds()
	for i := range all {
		s := &all[i]
		b := outcomeBucket(m, o)
		if b.messages > 0 {
			b.recipients = s.recipients
		}
		r.store.settle(s, now, r.limits[s.kind], b)
	}
}

// outcomeBucket is what an outcome counts as, but for the recipients.
func outcomeBucket(m *message.Message, o message.Outcome) bucket {
	switch {
	case o.Verdict == message.Passed: // nobody looked at the body; there may be a size that the client announced
		return bucket{messages: 1, bytes: max(uint64(m.Size()), declaredSize(m))}
	case o.Verdict.Leaves():
		return bucket{messages: 1, bytes: uint64(m.Size())}
	case o.Verdict == message.Refused || o.Verdict == message.Discarded:
		return bucket{refused: 1}
	case o.Verdict == message.Tempfailed:
		return bucket{tempfailed: 1}
	}
	return bucket{}
}

// inspector holds one message to the limits.
type inspector struct {
	rates    *Rates
	message  *message.Message
	subjects []subject
	told     map[told]bool
}

// told is a limit that a message was found to be over.
type told struct {
	limit *limit
	key   string
}

// Header reserves a place under every limit. Octets are reserved as the client
// announced them with SIZE=, for there is no body yet. What is reserved when it
// fails is given back by Observe, like everything else.
func (i *inspector) Header() error {
	m := i.message
	i.subjects = subjects(m)
	i.rates.underway.Store(m, &i.subjects)
	bytes := max(declaredSize(m), uint64(m.Header.Size()))
	now := i.rates.store.time.seconds()
	for n := range i.subjects {
		s := &i.subjects[n]
		limits := i.rates.limits[s.kind]
		if len(limits) == 0 {
			continue
		}
		want := amounts{messages: 1, recipients: s.recipients, bytes: bytes}
		reserved, over, err := i.rates.store.tables[s.kind].shard(s.key).reserve(s.key, now, limits, want)
		if err != nil && binding(limits) {
			return fmt.Errorf("count %v %s: %w", s.kind, printable(s.key), err)
		}
		s.place = reserved
		if err := i.judge(s, over); err != nil {
			return err
		}
	}
	return nil
}

// binding reports whether any of the limits does more than observe.
func binding(limits []limit) bool {
	for i := range limits {
		if limits[i].then != actObserve {
			return true
		}
	}
	return false
}

func (i *inspector) Write(p []byte) (int, error) { return len(p), nil }

// End holds the message to the limits on bytes with the size that it truly has.
func (i *inspector) End() error {
	if !i.rates.bytes {
		return nil
	}
	size := uint64(i.message.Size())
	now := i.rates.store.time.seconds()
	for n := range i.subjects {
		s := &i.subjects[n]
		if s.place.entry == nil {
			continue
		}
		over := s.place.shard.resize(&s.place, now, i.rates.limits[s.kind], size)
		if err := i.judge(s, over); err != nil {
			return err
		}
	}
	return nil
}

// Close has nothing to do: what is reserved ends with the outcome, which comes later.
func (i *inspector) Close() error { return nil }

// judge does what the limits without room say: the first one that refuses is the answer.
func (i *inspector) judge(s *subject, over []excess) error {
	for _, x := range over {
		if x.limit.then.refuses() {
			return x.refusal(s.key)
		}
	}
	for _, x := range over {
		seen := told{limit: x.limit, key: s.key}
		if i.told[seen] {
			continue
		}
		if i.told == nil {
			i.told = map[told]bool{}
		}
		i.told[seen] = true
		i.put(s, x)
	}
	return nil
}

func (i *inspector) put(s *subject, x excess) {
	if x.limit.then == actHold {
		i.message.Hold(x.text(s.key))
		return
	}
	i.message.Report(message.Finding{
		Check:  i.rates.Name(),
		Rule:   x.limit.String(),
		Action: x.limit.then.String(),
		Where:  s.kind.String() + " " + printable(s.key),
		Detail: x.text(s.key),
	})
}
