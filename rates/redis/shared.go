package redis

import (
	"cmp"
	"context"
	"slices"
	"time"

	"pratique/rates"
)

// Shared is the ledger of several instances: counts that they share, before those of
// this one alone, which has every count of its own as well. A message has to have room
// in both. So while Redis is away, or after it has lost something, limits still hold
// for what this instance has sent itself.
type Shared struct {
	local  rates.Ledger
	counts *Counts
}

// NewShared returns a ledger before the one of this instance.
func NewShared(local rates.Ledger, counts *Counts) *Shared {
	return &Shared{local: local, counts: counts}
}

// Reserve implements rates.Ledger. Whatever is wrong with Redis, the message is held
// to the counts of this instance.
func (s *Shared) Reserve(ctx context.Context, claims []rates.Claim) (rates.Reservation, []rates.Excess, error) {
	own, over, err := s.local.Reserve(ctx, claims)
	if err != nil || own == nil {
		return nil, over, err
	}
	r := &reservation{shared: s, own: own, asked: true}
	asks, bounds := asksOf(claims, s.counts.opts.Now(), func(c *rates.Claim, n rates.Count) uint64 { return c.Want.Of(n) })
	if len(asks) == 0 {
		return r, over, nil
	}
	place, answers, err := s.counts.Reserve(ctx, asks)
	if err != nil {
		if s.counts.opts.Events.FellBack != nil {
			s.counts.opts.Events.FellBack()
		}
		r.asked = false
		return r, over, nil
	}
	over = merge(over, excesses(asks, answers, bounds))
	fill(claims, asks, answers, bounds)
	if place == nil {
		own.Settle(unsettled(claims))
		return nil, over, nil
	}
	r.places = append(r.places, place)
	return r, over, nil
}

// Count implements rates.Ledger.
func (s *Shared) Count(claims []rates.Claim) {
	s.local.Count(claims)
	s.counts.Settle(nil, counted(claims))
}

// reservation is what one message has reserved here and, if it has places, in Redis.
type reservation struct {
	shared *Shared
	own    rates.Reservation
	asked  bool // Redis had an answer, or there was nothing to ask yet
	places []*Place
}

// Resize implements rates.Reservation. What is more than was reserved takes another place.
func (r *reservation) Resize(ctx context.Context, claims []rates.Claim, bytes uint64) ([]rates.Excess, error) {
	over, err := r.own.Resize(ctx, claims, bytes)
	if err != nil || rates.Refusing(over) || !r.asked {
		return over, err
	}
	asks, bounds := asksOf(claims, r.shared.counts.opts.Now(), func(c *rates.Claim, n rates.Count) uint64 {
		if n != rates.CountBytes || bytes <= c.Want.Bytes {
			return 0
		}
		return bytes - c.Want.Bytes
	})
	if len(asks) == 0 {
		return over, nil
	}
	place, answers, err := r.shared.counts.Reserve(ctx, asks)
	if err != nil {
		return over, nil
	}
	if place != nil {
		r.places = append(r.places, place)
	}
	more := excesses(asks, answers, bounds)
	for i := range more {
		reserved := claims[more[i].Claim].Want.Bytes
		more[i].Used -= min(reserved, more[i].Used)
		more[i].Want += reserved
	}
	return merge(over, more), nil
}

// Settle implements rates.Reservation. The count of this instance comes first: what
// Redis is told later may not be missing from the history.
func (r *reservation) Settle(claims []rates.Claim) {
	r.own.Settle(claims)
	r.shared.counts.Settle(r.places, counted(claims))
}

// bound says which bound of which claim one of an ask is.
type bound struct {
	claim int
	bound *rates.Bound
}

// asksOf returns what claims want of each window, and for each ask whose bounds those are.
func asksOf(claims []rates.Claim, now time.Time, want func(*rates.Claim, rates.Count) uint64) ([]Ask, [][]bound) {
	var asks []Ask
	var whose [][]bound
	for i := range claims {
		c := &claims[i]
		first := len(asks)
		for n := range c.Bounds {
			b := &c.Bounds[n]
			amount := want(c, b.Count)
			if amount == 0 {
				continue
			}
			w := windowOf(b)
			at := first + slices.IndexFunc(asks[first:], func(a Ask) bool { return a.Window == w })
			if at < first {
				at = len(asks)
				asks = append(asks, Ask{Window: w, Key: c.Key, Since: since(c, now), Amount: amount})
				whose = append(whose, nil)
			}
			asks[at].Bounds = append(asks[at].Bounds, Bound{Max: b.Max, Refuses: b.Then.Refuses()})
			whose[at] = append(whose[at], bound{claim: i, bound: b})
		}
	}
	return asks, whose
}

// since is how long ago the key of a claim was reset, as Ask has it.
func since(c *rates.Claim, now time.Time) int64 {
	if c.Since == 0 {
		return Never
	}
	return max(0, now.Unix()-c.Since)
}

func excesses(asks []Ask, answers []Answer, whose [][]bound) []rates.Excess {
	var over []rates.Excess
	for i, a := range answers {
		for n, frees := range a.Frees {
			if frees != NoExcess {
				b := whose[i][n]
				over = append(over, rates.Excess{Claim: b.claim, Bound: b.bound, Used: a.Used, Want: asks[i].Amount, Frees: frees})
			}
		}
	}
	return over
}

// fill sets which bound of each claim is used most, where that is one that is shared.
func fill(claims []rates.Claim, asks []Ask, answers []Answer, whose [][]bound) {
	for i := range answers {
		for _, b := range whose[i] {
			c := &claims[b.claim]
			if f := (rates.Fill{Bound: b.bound, Used: answers[i].Used + asks[i].Amount}); f.Share() >= c.Fullest.Share() {
				c.Fullest = f
			}
		}
	}
}

// merge puts what all instances have sent before what this one has, of the same bound.
func merge(own, all []rates.Excess) []rates.Excess {
	for _, x := range own {
		if !slices.ContainsFunc(all, func(y rates.Excess) bool { return x.Claim == y.Claim && x.Bound == y.Bound }) {
			all = append(all, x)
		}
	}
	slices.SortStableFunc(all, func(a, b rates.Excess) int { return cmp.Compare(a.Claim, b.Claim) })
	return all
}

// counted is what left, for each window once.
func counted(claims []rates.Claim) []Counted {
	var all []Counted
	for i := range claims {
		c := &claims[i]
		if c.Done.Messages == 0 {
			continue
		}
		first := len(all)
		for n := range c.Bounds {
			w := windowOf(&c.Bounds[n])
			if !slices.ContainsFunc(all[first:], func(o Counted) bool { return o.Window == w }) {
				all = append(all, Counted{Window: w, Key: c.Key, Amount: c.Done.Of(w.Count)})
			}
		}
	}
	return all
}

// unsettled are claims of which nothing is counted.
func unsettled(claims []rates.Claim) []rates.Claim {
	none := slices.Clone(claims)
	for i := range none {
		none[i].Done = rates.Figures{}
	}
	return none
}
