// Package bulk counts what a domain sends to the big receivers within a day, to warn
// before one of them takes it for a bulk sender: from then on they demand more, and
// Google does so for good. It refuses nothing; limits are the business of package rates.
package bulk

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"pratique/message"
)

// Options is the [bulk] table of the configuration.
type Options struct {
	Threshold int `toml:"threshold"` // messages a day from which on a sender is a bulk sender; 0: nobody is warned
}

// DefaultOptions has the threshold that Google and Microsoft publish.
func DefaultOptions() Options { return Options{Threshold: 5000} }

// mostThreshold bounds the threshold: more than a counter is good for makes no sense.
const mostThreshold = 1_000_000_000

// Problems reports everything that is wrong with the options.
func (o Options) Problems(report func(key, problem string)) {
	if o.Threshold < 0 || o.Threshold > mostThreshold {
		report("threshold", fmt.Sprintf("%d is no number of messages a day; 5000 is what Google and Microsoft publish, 0 warns nobody", o.Threshold))
	}
}

// Bounds of what is kept.
const (
	maxPairs   = 2000             // of a domain and a receiver; of more the least busy are forgotten
	slotLength = 15 * time.Minute // the window moves by so much
	slots      = int(24*time.Hour/slotLength) + 1
)

// Steps are the parts of the threshold, in per cent, at which one is warned.
func Steps() []int { return []int{60, 80, 95, 100} }

// Counter counts, as a message.Observer. It is safe for concurrent use.
type Counter struct {
	now func() time.Time

	mu    sync.Mutex
	opts  Options
	pairs map[pair]*day
}

// pair is a domain and a receiver.
type pair struct {
	domain   string // organizational: the public suffix and one label
	receiver string
}

// day is what was sent in the last 24 hours, in slots.
type day struct {
	slots   [slots]uint32
	last    int64 // the slot that was counted in last, since 1970
	reached time.Time
}

// New returns a counter that knows nothing yet.
func New(o Options, now func() time.Time) *Counter {
	return &Counter{now: now, opts: o, pairs: map[pair]*day{}}
}

// Use takes other options into force.
func (c *Counter) Use(o Options) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opts = o
}

// Observe counts the recipients of a message that leaves, for the domain of its From.
func (c *Counter) Observe(m *message.Message, o message.Outcome) {
	if !o.Verdict.Leaves() {
		return
	}
	domain := ""
	for _, r := range m.Recipients {
		receiver := Receiver(message.Domain(r.Addr))
		if receiver == "" {
			continue
		}
		if domain == "" {
			if domain = organizational(fromDomain(m)); domain == "" {
				return
			}
		}
		c.count(pair{domain, receiver})
	}
}

func (c *Counter) count(p pair) {
	slot := c.now().Unix() / int64(slotLength/time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.pairs[p]
	if d == nil {
		if len(c.pairs) >= maxPairs {
			c.forget(slot)
		}
		d = &day{last: slot}
		c.pairs[p] = d
	}
	d.advance(slot)
	d.slots[slot%int64(slots)]++
}

// advance empties the slots that have come round since. A clock that was put back
// counts in the newest slot until it is there again; one that was put back by more
// than the window had been wrong.
func (d *day) advance(slot int64) {
	switch passed := slot - d.last; {
	case passed < -int64(slots) || passed >= int64(slots):
		d.slots, d.last = [slots]uint32{}, slot
	case passed > 0:
		for s := d.last + 1; s <= slot; s++ {
			d.slots[s%int64(slots)] = 0
		}
		d.last = slot
	}
}

func (d *day) sum(slot int64) int {
	d.advance(slot)
	sum := 0
	for _, n := range d.slots {
		sum += int(n)
	}
	return sum
}

// forget drops the least busy of the pairs that have not reached the threshold.
func (c *Counter) forget(slot int64) {
	var worst pair
	least := -1
	for p, d := range c.pairs {
		n := d.sum(slot)
		if !d.reached.IsZero() {
			n += mostThreshold // what is for good is forgotten last
		}
		if least < 0 || n < least {
			worst, least = p, n
		}
	}
	delete(c.pairs, worst)
}

// Level is how near a domain is to the threshold of a receiver.
type Level struct {
	Domain    string    `json:"domain"`
	Receiver  string    `json:"receiver"`
	Count     int       `json:"count"` // recipients in the last 24 hours
	Threshold int       `json:"threshold"`
	Step      int       `json:"step"`             // the step of Steps that was passed; 0: none
	Reached   time.Time `json:"reached,omitzero"` // when the threshold was first reached
}

// Levels returns what was sent in the last 24 hours, what is nearest first.
func (c *Counter) Levels() []Level {
	now := c.now()
	slot := now.Unix() / int64(slotLength/time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Level
	for p, d := range c.pairs {
		l := Level{Domain: p.domain, Receiver: p.receiver, Count: d.sum(slot), Threshold: c.opts.Threshold, Reached: d.reached}
		for _, step := range Steps() {
			if l.Threshold > 0 && 100*l.Count >= step*l.Threshold {
				l.Step = step
			}
		}
		if l.Step == 100 && d.reached.IsZero() {
			d.reached, l.Reached = now, now
		}
		if l.Count == 0 && d.reached.IsZero() {
			delete(c.pairs, p)
			continue
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Level) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Receiver, b.Receiver))
	})
	return all
}

// fromDomain returns the domain of the last address of From, which is what receivers
// count by, or that of the envelope if there is none.
func fromDomain(m *message.Message) string {
	if f, ok := m.Header.First("From"); ok {
		value := f.Unfolded()
		if i := strings.LastIndexByte(value, '@'); i >= 0 {
			domain := value[i+1:]
			if end := strings.IndexAny(domain, "> \t,;()\""); end >= 0 {
				domain = domain[:end]
			}
			return strings.ToLower(strings.TrimSuffix(domain, "."))
		}
	}
	return message.Domain(m.Sender)
}

// maxDomain is the longest name that DNS has.
const maxDomain = 253

// organizational returns the public suffix of a domain with one more label, by the
// public suffix list, or "" if it has none.
func organizational(domain string) string {
	if len(domain) > maxDomain || !utf8.ValidString(domain) || strings.ContainsFunc(domain, notInDomain) {
		return ""
	}
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return ""
	}
	return org
}

// notInDomain lets the letters of all scripts pass (RFC 6531).
func notInDomain(r rune) bool {
	return r != '.' && r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
}
