package queue

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pratique/watch/reason"
	"pratique/watch/receiver"
)

// Sample is what a queue held at one time.
type Sample struct {
	At           time.Time            `json:"at"`
	Source       string               `json:"source"`
	Messages     int                  `json:"messages"`
	Recipients   int                  `json:"recipients"` // that messages still wait for
	Bytes        int64                `json:"bytes"`
	Oldest       time.Time            `json:"oldest,omitzero"`
	Queues       map[string]QueueSize `json:"queues"`       // by name; those that hold something
	Destinations []Destination        `json:"destinations"` // domains of recipients, those with the most recipients first
	Reasons      []ReasonCount        `json:"reasons"`      // of deferred recipients, the most frequent first
	Senders      []SenderCount        `json:"senders"`      // domains of senders, those with the most messages first
	Cost         Cost                 `json:"cost"`
}

// QueueSize is the size of one queue.
type QueueSize struct {
	Messages int       `json:"messages"`
	Oldest   time.Time `json:"oldest,omitzero"`
}

// Destination is what waits for one domain.
type Destination struct {
	Domain     string        `json:"domain"`
	Provider   string        `json:"provider,omitempty"` // if it is a known one; see NameProviders
	Recipients int           `json:"recipients"`
	Deferred   int           `json:"deferred"` // of those
	Oldest     time.Time     `json:"oldest"`
	Reasons    []ReasonCount `json:"reasons"` // the most frequent first
}

// ReasonCount is how many recipients are deferred for one reason.
type ReasonCount struct {
	reason.Reason
	Recipients int    `json:"recipients"`
	Example    string `json:"example"` // what one of the receivers said, without addresses
}

// SenderCount is what waits of one domain of senders.
type SenderCount struct {
	Domain   string `json:"domain"` // "<>" for the null sender: bounces
	Messages int    `json:"messages"`
}

// Cost is what a sample took.
type Cost struct {
	Took time.Duration `json:"took_ns"`
}

// Age returns the age of the oldest message.
func (s *Sample) Age() time.Duration { return age(s.Oldest, s.At) }

func age(since, now time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since))
}

// Of returns how many messages a queue held.
func (s *Sample) Of(queue string) int { return s.Queues[queue].Messages }

// Bounds of what is kept apart; what comes on top counts as others.
const (
	maxDomains  = 20_000
	maxReasons  = 200
	maxPerDest  = 5
	maxMemoized = 4096
	others      = "(others)"
)

// Take looks at a queue once.
func Take(ctx context.Context, source Source, now func() time.Time) (*Sample, error) {
	began := now()
	c := newCollector(began.Truncate(time.Second)) // MTAs tell when a message came in seconds
	name := source.Name()
	var err error
	if several, ok := source.(first); ok {
		var used Source
		used, err = several.each(ctx, c.add)
		name = used.Name()
	} else {
		err = source.Each(ctx, c.add)
	}
	if err != nil {
		return nil, fmt.Errorf("look into the queue: %w", err)
	}
	s := c.sample()
	s.Source, s.Cost.Took = name, now().Sub(began)
	return s, nil
}

// collector adds up messages.
type collector struct {
	s       Sample
	domains map[string]*domainCount
	reasons map[string]*ReasonCount
	senders map[string]int
	known   map[string]reason.Reason // by the words of a receiver: telling costs more than all the rest
}

type domainCount struct {
	recipients, deferred int
	oldest               time.Time
	reasons              map[string]int
}

func newCollector(at time.Time) *collector {
	return &collector{
		s:       Sample{At: at, Queues: map[string]QueueSize{}},
		domains: map[string]*domainCount{}, reasons: map[string]*ReasonCount{},
		senders: map[string]int{}, known: map[string]reason.Reason{},
	}
}

func (c *collector) add(e *Entry) error {
	c.s.Messages++
	c.s.Bytes += e.Size
	c.s.Recipients += len(e.Recipients)
	c.s.Oldest = earlier(c.s.Oldest, e.Arrived)
	q := c.s.Queues[e.Queue]
	q.Messages++
	q.Oldest = earlier(q.Oldest, e.Arrived)
	c.s.Queues[e.Queue] = q
	c.senders[bounded(c.senders, senderOf(e.Sender))]++
	for _, r := range e.Recipients {
		c.recipient(e, r)
	}
	return nil
}

func senderOf(sender string) string {
	if sender == "" {
		return "<>"
	}
	return domainOf(sender)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// bounded returns the key, or others if a table has no room for another one.
func bounded[V any](table map[string]V, key string) string {
	if _, ok := table[key]; !ok && len(table) >= maxDomains {
		return others
	}
	return key
}

func (c *collector) recipient(e *Entry, r Recipient) {
	name := bounded(c.domains, domainOf(r.Address))
	d := c.domains[name]
	if d == nil {
		d = &domainCount{reasons: map[string]int{}}
		c.domains[name] = d
	}
	d.recipients++
	d.oldest = earlier(d.oldest, e.Arrived)
	if r.Reason == "" {
		return
	}
	d.deferred++
	why := c.tell(r.Reason)
	key := why.Key()
	counted := c.reasons[key]
	if counted == nil {
		if len(c.reasons) >= maxReasons {
			return
		}
		counted = &ReasonCount{Reason: why, Example: reason.Anonymous(r.Reason)}
		c.reasons[key] = counted
	}
	counted.Recipients++
	d.reasons[key]++
}

// tell returns the reason of some words.
func (c *collector) tell(words string) reason.Reason {
	why, ok := c.known[words]
	if !ok {
		why = reason.Of("4.0.0", words) // what is deferred is never refused for good
		if len(c.known) < maxMemoized {
			c.known[words] = why
		}
	}
	return why
}

// domainOf returns the domain of an address in lower case; of one without, the address.
func domainOf(address string) string {
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		address = address[i+1:]
	}
	return strings.ToLower(strings.TrimSuffix(address, "."))
}

func (c *collector) sample() *Sample {
	s := &c.s
	for name, d := range c.domains {
		dest := Destination{Domain: name, Provider: receiver.ByDomain(name), Recipients: d.recipients, Deferred: d.deferred, Oldest: d.oldest}
		for key, n := range d.reasons {
			dest.Reasons = append(dest.Reasons, ReasonCount{c.reasons[key].Reason, n, c.reasons[key].Example})
		}
		sortReasons(dest.Reasons)
		dest.Reasons = dest.Reasons[:min(len(dest.Reasons), maxPerDest)]
		s.Destinations = append(s.Destinations, dest)
	}
	slices.SortFunc(s.Destinations, func(a, b Destination) int {
		return cmp.Or(cmp.Compare(b.Recipients, a.Recipients), strings.Compare(a.Domain, b.Domain))
	})
	for _, r := range c.reasons {
		s.Reasons = append(s.Reasons, *r)
	}
	sortReasons(s.Reasons)
	for _, name := range slices.Sorted(maps.Keys(c.senders)) {
		s.Senders = append(s.Senders, SenderCount{name, c.senders[name]})
	}
	slices.SortStableFunc(s.Senders, func(a, b SenderCount) int { return cmp.Compare(b.Messages, a.Messages) })
	return s
}

func sortReasons(r []ReasonCount) {
	slices.SortFunc(r, func(a, b ReasonCount) int {
		return cmp.Or(cmp.Compare(b.Recipients, a.Recipients), strings.Compare(a.Key(), b.Key()))
	})
}

// NameProviders names the providers of destinations that their domain does not tell, by
// who takes the mail of a domain.
func (s *Sample) NameProviders(of map[string]string) {
	for i := range s.Destinations {
		if d := &s.Destinations[i]; d.Provider == "" {
			d.Provider = of[d.Domain]
		}
	}
}

// Top returns the sample with at most n destinations, reasons and senders.
func (s *Sample) Top(n int) *Sample {
	top := *s
	top.Destinations = s.Destinations[:min(n, len(s.Destinations))]
	top.Reasons = s.Reasons[:min(n, len(s.Reasons))]
	top.Senders = s.Senders[:min(n, len(s.Senders))]
	return &top
}
