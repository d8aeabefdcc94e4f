package keystore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pratique/signing/records"
)

// DNS asks every authoritative server for the TXT records of a name. A
// records.Authority does.
type DNS interface {
	Ask(ctx context.Context, name string) ([]records.Answer, error)
}

// Sight is what the authoritative servers show of a key's record.
type Sight struct {
	// State is Match only if every server has the record, and Unknown only if no
	// server is known to have anything else; "": nobody was asked.
	State records.State `json:"state"`
	Text  string        `json:"text"`
	TTL   time.Duration `json:"-"` // the longest one, of a Match
}

// Known reports whether anything can be concluded.
func (s Sight) Known() bool { return s.State != "" && s.State != records.Unknown }

// lookPatience bounds the look at one key: several servers, each of which may be
// asked twice.
const lookPatience = 30 * time.Second

// Look asks for the record of a key and compares it with the private half.
func (s *Store) Look(ctx context.Context, dns DNS, k Key) (sight Sight) {
	defer func() {
		if v := recover(); v != nil { // in what reads the answers of others; mail is to go on
			sight = Sight{State: records.Unknown, Text: fmt.Sprint("panic: ", v)}
		}
	}()
	private, err := s.Load(k)
	if err != nil {
		return Sight{State: records.Unknown, Text: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	answers, err := dns.Ask(ctx, k.Record())
	if err != nil {
		return Sight{State: records.Unknown, Text: err.Error()}
	}
	survey := records.Conclude(answers, private)
	return Sight{State: survey.State, Text: survey.Text, TTL: survey.TTL}
}

// parallel is how many keys are looked at at a time.
const parallel = 4

// LookAll looks at all keys whose records should be, or are to be, in the DNS.
func (s *Store) LookAll(ctx context.Context, dns DNS, keys []Key) map[Key]Sight {
	wanted := slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return k.State == Done })
	found := make([]Sight, len(wanted))
	turn := make(chan struct{}, parallel)
	var group sync.WaitGroup
	for i, k := range wanted {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			found[i] = s.Look(ctx, dns, k)
		})
	}
	group.Wait()
	seen := make(map[Key]Sight, len(wanted))
	for i, k := range wanted {
		seen[k] = found[i]
	}
	return seen
}
