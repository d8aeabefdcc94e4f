package rates

// Past is what left for one key at one time.
type Past struct {
	Kind Kind
	Key  string
	Age  int64 // seconds, of the latest message in it
	Left Amounts
}

// Past tells what left in the last so many seconds, as finely as it is kept. What
// leaves meanwhile may be in it or not.
func (s *Store) Past(seconds int64, each func(Past)) {
	now := s.time.seconds()
	for k := range s.tables {
		for i := range s.tables[k].shards {
			for _, r := range s.tables[k].shards[i].rows(Kind(k)) {
				age := max(0, now-int64(r.bucket.last))
				if age > seconds || r.bucket.messages == 0 {
					continue
				}
				each(Past{Kind: Kind(k), Key: r.key, Age: age, Left: r.bucket.left()})
			}
		}
	}
}

// left is what left, of everything in a bucket.
func (a *bucket) left() Amounts {
	return Amounts{Messages: a.of(CountMessages), Recipients: a.of(CountRecipients),
		NewRecipients: a.of(CountNewRecipients), Bytes: a.of(CountBytes)}
}

// rows returns all that the shard holds.
func (s *shard) rows(k Kind) []row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []row
	for key, e := range s.entries {
		for _, b := range e.series {
			rows = append(rows, row{kind: k, key: key, bucket: b})
		}
	}
	return rows
}

// Bounds returns the limits of a configuration that has no Problems, as they are for
// keys that no override names.
func (o Options) Bounds() []Bound {
	bounds := make([]Bound, len(o.Limits))
	for i, l := range o.Limits {
		bounds[i] = newBound(l)
	}
	return bounds
}
