package keystore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pratique/signing"
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
	return see(answers, private)
}

// see sums up what the servers say.
func see(answers []records.Answer, private *signing.PrivateKey) Sight {
	var matching int
	var ttl time.Duration
	said := map[string][]string{} // servers by what they say, if that is not a match
	var texts []string            // in the order of the servers
	state := records.Unknown
	for _, a := range answers {
		v := records.Verdict{State: records.Unknown, Text: fmt.Sprint(a.Err)}
		if a.Err == nil {
			v = records.Examine(a.Records, private)
		}
		if v.State == records.Match {
			matching, ttl = matching+1, max(ttl, a.TTL)
			continue
		}
		if state == records.Unknown {
			state = v.State
		}
		if said[v.Text] == nil {
			texts = append(texts, v.Text)
		}
		said[v.Text] = append(said[v.Text], a.Server)
	}
	switch {
	case len(answers) == 0:
		return Sight{State: records.Unknown, Text: "no server was found to ask"}
	case matching == len(answers):
		return Sight{State: records.Match, Text: fmt.Sprintf("published at all of %d servers", matching), TTL: ttl}
	}
	for i, text := range texts {
		texts[i] = strings.Join(said[text], ", ") + ": " + text
	}
	return Sight{State: state, Text: fmt.Sprintf("published at %d of %d servers; %s", matching, len(answers), strings.Join(texts, "; "))}
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
