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
// What a Rates asks is a Ledger: Reserve places for the Claims of a message, each
// of which is a key with the bounds that hold for it; Resize them when the size is
// known; Settle them at the end. A Store is a Ledger, and one that machines share
// stands before it.
//
// A book has, for each key, the fingerprints of the recipients that it has written to,
// which is how new ones are told. Orders of administrators, to block a key or count it
// anew, are in a file of their own, which a running daemon looks at every second.
//
// Windows err on the safe side: never more than the maximum leaves in any span
// of a limit's length. What left is counted until it is one length old and at
// most a sixtieth of it (or one second) more.
//
// What does not live here: who may send at all, the commands, and what is usual for a
// key, which is in baseline.
package rates

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"pratique/message"
)

// Rates holds messages to the limits of one configuration, and counts them. It
// is safe for concurrent use.
type Rates struct {
	store    *Store
	ledger   Ledger
	limits   [kinds]limits
	limited  bool
	ipv6     int         // bits of IPv6 addresses that are counted
	bytes    bool        // there is a limit on bytes
	keeps    [kinds]bool // new recipients are counted
	strict   bool        // there is a limit on them
	underway sync.Map    // *message.Message to *inspector, until its outcome is told
}

// New returns the limits of opts over a store. Counts that the store already has
// go on. The ledger is asked for room; nil stands for the store itself. The error
// lists what Problems would report.
func New(store *Store, ledger Ledger, opts Options) (*Rates, error) {
	var problems []error
	opts.Problems(func(key, problem string) {
		problems = append(problems, fmt.Errorf("rates.%s: %s", key, problem))
	})
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if ledger == nil {
		ledger = store
	}
	r := &Rates{store: store, ledger: ledger, limits: limitsOf(opts), limited: len(opts.Limits) > 0, ipv6: opts.IPv6Prefix}
	for _, k := range []Kind{PerLogin, PerSender, PerTotal} { // without a limit they are for the report
		r.keeps[k] = true
	}
	now := store.time.seconds()
	for k := range r.limits {
		l := &r.limits[k]
		for _, b := range l.bounds {
			r.bytes = r.bytes || b.Count == CountBytes
			r.keeps[k] = r.keeps[k] || b.Count == CountNewRecipients
			r.strict = r.strict || b.Count == CountNewRecipients
		}
		if len(l.bounds) > 0 {
			store.tables[k].adopt(l, now)
		}
	}
	return r, nil
}

// Name is "rates".
func (r *Rates) Name() string { return "rates" }

// Begin implements message.Check.
func (r *Rates) Begin(ctx context.Context, m *message.Message) (message.Inspector, error) {
	if !r.limited && !r.store.standing.Load().some {
		return nil, nil
	}
	return &inspector{rates: r, message: m, ctx: ctx}, nil
}

// Observe counts what became of a message and ends what it had reserved. Messages
// that no check has seen, because the gate let them pass or refused them, are
// counted too.
func (r *Rates) Observe(m *message.Message, o message.Outcome) {
	i := &inspector{rates: r, message: m}
	if known, ok := r.underway.LoadAndDelete(m); ok {
		i = known.(*inspector)
	} else {
		i.claims = r.claims(m)
	}
	i.conclude(figures(m, o))
	if i.reserved != nil {
		i.reserved.Settle(i.claims)
		return
	}
	r.ledger.Count(i.claims)
}

// claims returns what a message counts for, with the bounds that hold there.
func (r *Rates) claims(m *message.Message) []Claim {
	all := claims(m, r.ipv6)
	resets := &r.store.standing.Load().resets
	for i := range all {
		c := &all[i]
		c.Bounds = r.limits[c.Kind].of(c.Key)
		c.Since = resets[c.Kind][c.Key].since
	}
	return all
}

// figures are what an outcome counts as, but for the recipients.
func figures(m *message.Message, o message.Outcome) Figures {
	switch {
	case o.Verdict == message.Passed: // nobody looked at the body; there may be a size that the client announced
		return Figures{Amounts: Amounts{Messages: 1, Bytes: max(uint64(m.Size()), declaredSize(m))}}
	case o.Verdict.Leaves():
		return Figures{Amounts: Amounts{Messages: 1, Bytes: uint64(m.Size())}}
	case o.Verdict == message.Refused || o.Verdict == message.Discarded:
		return Figures{Refused: 1}
	case o.Verdict == message.Tempfailed:
		return Figures{Tempfailed: 1}
	}
	return Figures{}
}

// inspector holds one message to the limits.
type inspector struct {
	rates    *Rates
	message  *message.Message
	ctx      context.Context // of the message
	claims   []Claim
	reserved Reservation // nil: nothing is
	told     map[told]bool
	contacts []fingerprint // of the recipients; nil: not asked for yet
}

// told is a limit that a message was found to be over.
type told struct {
	claim int
	bound *Bound
}

// Header reserves a place under every limit. Octets are reserved as the client
// announced them with SIZE=, for there is no body yet. What is reserved when it
// fails is given back by Observe, like everything else.
func (i *inspector) Header() error {
	m := i.message
	i.claims = i.rates.claims(m)
	i.rates.underway.Store(m, i)
	if b := i.rates.store.standing.Load().block(m.Client, i.claims); b != nil {
		b.count.refused.Add(1)
		m.Notes = append(m.Notes, message.Note{Check: i.rates.Name(), Key: noteKey, Code: noteBlocked,
			Text: b.Name() + " was blocked by " + printable(b.By)})
		return b.refusal()
	}
	bytes := max(declaredSize(m), uint64(m.Header.Size()))
	for n := range i.claims {
		i.claims[n].Want.Bytes = bytes
	}
	i.countStrangers()
	reserved, over, err := i.rates.ledger.Reserve(i.ctx, i.claims)
	if err != nil {
		return err
	}
	i.reserved = reserved
	if len(over) > 0 {
		i.note(noteOver)
	} else {
		i.note(noteRoom)
	}
	return i.judge(over)
}

// countStrangers completes the claims by the recipients that their keys have not
// written to. A recipient of two messages under way is new to both, so that neither
// takes the other's place; it is counted once.
func (i *inspector) countStrangers() {
	if !i.rates.strict {
		return
	}
	now := i.rates.store.time.seconds()
	for n := range i.claims {
		if c := &i.claims[n]; counted(c.Bounds, CountNewRecipients) {
			c.Want.NewRecipients = i.rates.store.book.strangers(c.Kind, c.Key, i.fingerprints(), now)
		}
	}
}

// conclude sets what is to be counted. The recipients of what left are known from now on.
func (i *inspector) conclude(done Figures) {
	now := i.rates.store.time.seconds()
	for n := range i.claims {
		c := &i.claims[n]
		c.Done = done
		if done.Messages == 0 {
			continue
		}
		c.Done.Recipients = c.Want.Recipients
		if i.rates.keeps[c.Kind] {
			c.Done.NewRecipients = i.rates.store.book.meet(c.Kind, c.Key, i.fingerprints(), now)
			if c.Kind == PerSender && c.Done.NewRecipients > 0 { // for those that are told after us
				i.message.Note(i.rates.Name(), noteNewRecipients, strconv.FormatUint(c.Done.NewRecipients, 10))
			}
		}
	}
}

func (i *inspector) fingerprints() []fingerprint {
	if i.contacts == nil {
		i.contacts = i.rates.store.book.fingerprints(i.message.Recipients)
	}
	return i.contacts
}

func counted(bounds []Bound, c Count) bool {
	for i := range bounds {
		if bounds[i].Count == c {
			return true
		}
	}
	return false
}

func (i *inspector) Write(p []byte) (int, error) { return len(p), nil }

// End holds the message to the limits on bytes with the size that it truly has.
func (i *inspector) End() error {
	if !i.rates.bytes || i.reserved == nil {
		return nil
	}
	over, err := i.reserved.Resize(i.ctx, i.claims, uint64(i.message.Size()))
	if err != nil {
		return err
	}
	return i.judge(over)
}

// Close has nothing to do: what is reserved ends with the outcome, which comes later.
func (i *inspector) Close() error { return nil }

// judge does what the limits without room say: the first one that refuses is the answer.
func (i *inspector) judge(over []Excess) error {
	for _, x := range over {
		if x.Bound.Then.Refuses() {
			return x.refusal(i.claims[x.Claim].Key)
		}
	}
	for _, x := range over {
		seen := told{claim: x.Claim, bound: x.Bound}
		if i.told[seen] {
			continue
		}
		if i.told == nil {
			i.told = map[told]bool{}
		}
		i.told[seen] = true
		i.put(x)
	}
	return nil
}

func (i *inspector) put(x Excess) {
	c := &i.claims[x.Claim]
	if x.Bound.Then == actHold {
		i.message.Hold(x.text(c.Key))
		return
	}
	i.message.Report(message.Finding{
		Check:  i.rates.Name(),
		Rule:   x.Bound.String(),
		Action: x.Bound.Then.String(),
		Where:  c.Kind.String() + " " + printable(c.Key),
		Detail: x.text(c.Key),
	})
}
