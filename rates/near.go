package rates

import (
	"cmp"
	"slices"
)

// A Level is how much of a limit one key has used.
type Level struct {
	Kind  string  `json:"kind"`
	Key   string  `json:"key"`
	Limit string  `json:"limit"` // as in "recipients per client in 1h"
	Count string  `json:"count"`
	Every int64   `json:"every"` // seconds
	Then  string  `json:"then"`
	Used  uint64  `json:"used"` // sent in the window or under way
	Max   uint64  `json:"max"`
	Share float64 `json:"share"` // 1: full
	Frees int64   `json:"frees"` // seconds until there is more room than now, when nothing else is sent; 0: what is under way fills it
}

// Near returns the limits of which some key has used at least so large a share,
// the fullest first, at most so many. It looks at every key that was counted, which
// takes some 40 ms of CPU with 100,000 of them.
func (r *Rates) Near(share float64, most int) []Level {
	var near []Level
	now := r.store.time.seconds()
	resets := &r.store.standing.Load().resets
	for k := range r.limits {
		if len(r.limits[k].bounds) == 0 {
			continue
		}
		for i := range r.store.tables[k].shards {
			near = r.store.tables[k].shards[i].near(near, now, share, &r.limits[k], resets[k])
		}
		near = fullestOf(near, most)
	}
	return near
}

func fullestOf(all []Level, most int) []Level {
	slices.SortFunc(all, func(a, b Level) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Key, b.Key))
	})
	return slices.Clip(all[:min(len(all), most)])
}

func (s *shard) near(near []Level, now int64, share float64, l *limits, resets map[string]reset) []Level {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, e := range s.entries {
		bounds := l.of(key)
		for i := range bounds {
			b := &bounds[i]
			from := max(now-b.Every, resets[key].since+1)
			used := saturate(e.series.sum(b.Count, from), e.underway.Of(b.Count))
			if fill := (Fill{b, used}); used > 0 && fill.Share() >= share {
				near = append(near, level(b, key, used, e.series.frees(b.Count, from, excessOf(b, used)), now))
			}
		}
	}
	return near
}

// excessOf is how much of it has to leave the window before there is more room.
func excessOf(b *Bound, used uint64) uint64 {
	if used < b.Max {
		return 1
	}
	return used - b.Max + 1
}

// level describes a bound; oldest is the second of the event with which room comes, or 0.
func level(b *Bound, key string, used uint64, oldest, now int64) Level {
	v := Level{Kind: b.Kind.String(), Key: key, Limit: b.String(), Count: b.Count.String(), Every: b.Every, Then: b.Then.String(),
		Used: used, Max: b.Max, Share: float64(used) / float64(b.Max)}
	if oldest > 0 {
		v.Frees = oldest + b.Every + 1 - now
	}
	return v
}

// hours is how many hours of counts are told of a key.
const hours = 24

// Hourly returns what a key did in each of the last 24 hours of the clock, the
// oldest first; the last one is not over yet. The kind is as in the configuration. A
// key that is not known, or was forgotten, has done nothing.
func (s *Store) Hourly(kind, key string) (sums [hours]Figures) {
	k := index(kindNames[:], kind)
	if k < 0 {
		return sums
	}
	ahead := s.time.ahead()
	current := (s.time.seconds() + ahead) / hour
	shard := s.tables[k].shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	e := shard.entries[key]
	if e == nil {
		return sums
	}
	for i := range e.series {
		b := &e.series[i]
		if ago := current - (int64(b.last)+ahead)/hour; ago >= 0 && ago < hours {
			sums[hours-1-ago].add(b)
		}
	}
	return sums
}

func (f *Figures) add(b *bucket) {
	f.Messages += uint64(b.messages)
	f.Recipients += uint64(b.recipients)
	f.NewRecipients += uint64(b.newRecipients)
	f.Bytes += b.bytes
	f.Refused += uint64(b.refused)
	f.Tempfailed += uint64(b.tempfailed)
}
