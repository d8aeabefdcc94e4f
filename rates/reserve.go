package rates

import (
	"context"
	"fmt"
)

// Reserve implements Ledger.
func (s *Store) Reserve(_ context.Context, claims []Claim) (Reservation, []Excess, error) {
	r := &reservation{store: s, places: make([]place, len(claims))}
	now := s.time.seconds()
	var over []Excess
	for n := range claims {
		c := &claims[n]
		if len(c.Bounds) == 0 {
			continue
		}
		p, excess, err := s.shard(c).reserve(c, now)
		if err != nil && binding(c.Bounds) {
			r.release(claims)
			return nil, nil, fmt.Errorf("count %v %s: %w", c.Kind, printable(c.Key), err)
		}
		for _, x := range excess {
			x.Claim = n
			over = append(over, x)
		}
		if Refusing(excess) {
			r.release(claims)
			return nil, over, nil
		}
		r.places[n] = p
	}
	return r, over, nil
}

// Count implements Ledger.
func (s *Store) Count(claims []Claim) { (&reservation{store: s}).Settle(claims) }

func (s *Store) shard(c *Claim) *shard { return s.tables[c.Kind].shard(c.Key) }

// reservation is what one message has reserved in a Store.
type reservation struct {
	store  *Store
	places []place // of the claims; none: nothing is reserved
}

// Resize implements Reservation.
func (r *reservation) Resize(_ context.Context, claims []Claim, bytes uint64) ([]Excess, error) {
	now := r.store.time.seconds()
	var over []Excess
	for n := range r.places {
		p := &r.places[n]
		if p.entry == nil {
			continue
		}
		excess := p.shard.resize(p, &claims[n], now, bytes)
		for _, x := range excess {
			x.Claim = n
			over = append(over, x)
		}
		if Refusing(excess) {
			break
		}
	}
	return over, nil
}

// Settle implements Reservation.
func (r *reservation) Settle(claims []Claim) {
	now := r.store.time.seconds()
	for n := range claims {
		var p place
		if n < len(r.places) {
			p = r.places[n]
		}
		r.store.settle(&claims[n], p, now)
	}
}

// release gives the places back and counts nothing.
func (r *reservation) release(claims []Claim) {
	for n := range r.places {
		if p := r.places[n]; p.entry != nil {
			r.store.settle(&Claim{Kind: claims[n].Kind, Key: claims[n].Key}, p, 0)
		}
	}
}

// settle counts the Done of one claim, and ends its place.
func (s *Store) settle(c *Claim, p place, now int64) {
	if c.Done.Empty() && p.entry == nil {
		return
	}
	windows := *s.tables[c.Kind].windows.Load()
	err := s.shard(c).settle(c.Key, p, now, rule{windows: windows, bounds: c.Bounds, since: c.Since}, bucketOf(c.Done))
	if err != nil && c.Done.Messages > 0 && s.fullSaid.due(s.time.clock()) {
		s.log.Error("rates: a message that left was not counted", "per", c.Kind.String(), "key", c.Key, "error", err)
	}
}
