package rates

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"pratique/message"
)

// standing are the orders that hold at a time.
type standing struct {
	blocks [kinds]*matcher[*block]
	resets [kinds]map[string]reset
	all    []*block  // in the order in which they were made
	some   bool      // there are blocks
	until  time.Time // when the next block is over; zero: none ends by itself
	begun  bool      // it was read from the state folder
	read   int       // orders
	file   fileStamp // from which they were read
}

// obeyWithin is in how many seconds a daemon is sure to have seen an order. Until it
// has, what a key sends joins what it sent before; so when a daemon that did not see
// it happen reads of a reset, that is taken for as much later.
const obeyWithin = 5

// reset is a key of which nothing counts that it sent until a time.
type reset struct {
	at    time.Time // of the order
	since int64     // Unix seconds, in the time of the counts
}

// block is a key that is blocked.
type block struct {
	Order
	what  pattern
	kind  Kind
	count *refused
}

// refused counts the messages that a block has refused.
type refused struct {
	refused atomic.Int64
	saved   int64 // of those; used by who saves
}

type blockID struct {
	kind Kind
	pattern
}

// newStanding replays orders.
func newStanding(orders []Order, now time.Time) *standing {
	s := &standing{}
	blocked := map[blockID]*block{}
	for _, o := range orders {
		p, err := o.pattern()
		if err != nil {
			continue
		}
		k := Kind(index(kindNames[:], o.Kind))
		switch id := (blockID{k, p}); o.Do {
		case DoUnblock:
			delete(blocked, id)
		case DoReset:
			if s.resets[k] == nil {
				s.resets[k] = map[string]reset{}
			}
			s.resets[k][p.text(k)] = reset{at: o.At, since: o.At.Unix() + obeyWithin}
		case DoBlock:
			delete(blocked, id)
			if o.Until.IsZero() || now.Before(o.Until) {
				blocked[id] = &block{Order: o, what: p, kind: k, count: &refused{}}
			}
		}
	}
	for _, o := range orders { // in their order
		p, _ := o.pattern()
		id := blockID{Kind(max(index(kindNames[:], o.Kind), 0)), p}
		if b := blocked[id]; b != nil && b.At.Equal(o.At) && o.Do == DoBlock {
			s.put(b)
			delete(blocked, id)
		}
	}
	return s
}

func (s *standing) put(b *block) {
	if s.blocks[b.kind] == nil {
		s.blocks[b.kind] = newMatcher[*block](b.kind)
	}
	s.blocks[b.kind].add(b.what, b)
	s.all, s.some = append(s.all, b), true
	if !b.Until.IsZero() && (s.until.IsZero() || b.Until.Before(s.until)) {
		s.until = b.Until
	}
}

// needs reports whether an order is one of those that hold.
func (s *standing) needs(o Order) bool {
	for _, b := range s.all {
		if b.Order == o {
			return true
		}
	}
	return false
}

// block returns what blocks a message, or nil. Clients are told by their whole
// address, whatever is counted of it.
func (s *standing) block(client message.Client, claims []Claim) *block {
	for i := range claims {
		c := &claims[i]
		m := s.blocks[c.Kind]
		if m == nil {
			continue
		}
		key := c.Key
		if c.Kind == PerClient && key != keyLocal {
			key = client.Addr.String()
		}
		if b, ok := m.find(key); ok {
			return b
		}
	}
	return nil
}

// refusal is the reply to a message that is blocked.
func (b *block) refusal() *message.Refusal {
	text := fmt.Sprintf("rates: %s is blocked since %s", subjectText(b.kind, b.Key), minute(b.At))
	if !b.Until.IsZero() {
		text += " until " + minute(b.Until)
	}
	if b.Reason != "" {
		text += ": " + b.Reason
	}
	if b.Then == actTempfail.String() {
		return &message.Refusal{Code: 451, Enhanced: "4.7.1", Text: text}
	}
	return &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: text}
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// text writes a pattern as parsePattern reads it.
func (p pattern) text(k Kind) string {
	switch {
	case p.network.IsValid() && p.network.IsSingleIP():
		return p.network.Addr().String()
	case p.network.IsValid():
		return p.network.String()
	case k == PerLogin && strings.HasPrefix(p.name, "@"):
		return "*" + p.name
	case strings.HasPrefix(p.name, "@"):
		return p.name[1:]
	case strings.HasPrefix(p.name, "."):
		return "*" + p.name
	}
	return p.name
}

// counted returns the pattern of the one key that a pattern falls under, or false if
// it stands for many.
func (p pattern) counted(ipv6Prefix int) (pattern, bool) {
	switch {
	case p.network.IsValid() && p.network.Addr().Is6() && p.network.Bits() >= ipv6Prefix:
		return pattern{network: netip.PrefixFrom(p.network.Addr(), ipv6Prefix).Masked()}, true
	default:
		return p, p.isKey()
	}
}
