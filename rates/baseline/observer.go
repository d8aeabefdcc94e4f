package baseline

import (
	"net/netip"
	"strings"
	"time"

	"pratique/message"
)

// The parts of which shares are kept, in messages.
const (
	NewRecipients = "new recipients" // messages to a recipient that their sender had not written to
	Bounces       = "bounces"        // messages with the null sender
	Refusals      = "refusals"       // messages that were refused, for now or for good
)

// Observer feeds a set of the series of mail, as a message.Observer: with the recipients
// of what leaves, in total and by client, login and domain of the sender.
type Observer struct {
	set *Set
	now func() time.Time
}

// NewObserver returns an observer that feeds a set.
func NewObserver(s *Set, now func() time.Time) *Observer { return &Observer{s, now} }

// Observe counts a message. One that the gate let pass untouched is not outgoing mail,
// and one that was given up will come again.
func (b *Observer) Observe(m *message.Message, o message.Outcome) {
	refused := false
	n := float32(len(m.Recipients))
	switch o.Verdict {
	case message.Accepted, message.Held:
	case message.Refused, message.Tempfailed, message.Discarded:
		refused, n = true, 0
	default:
		return
	}
	parts := [...]bool{newRecipients(m), m.Sender == "", refused}
	s, at := b.set, b.now()
	client, login, domain := clientKey(m.Client), strings.ToLower(m.Client.Login), senderDomain(m.Sender)
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.find(Messages, Messages, at); x != nil {
		x.now++
	}
	for _, f := range [...]struct{ kind, key string }{{Total, Total}, {Client, client}, {Login, login}, {SenderDomain, domain}} {
		if f.key == "" {
			continue
		}
		if x := s.find(f.kind, f.key, at); x != nil {
			x.now += n
			x.shares(len(s.parts)).add(parts[:])
		}
	}
}

// newRecipients reads the note of the room that knows them.
func newRecipients(m *message.Message) bool {
	for i := range m.Notes {
		if n := &m.Notes[i]; n.Check == "rates" && n.Key == "new_recipients" {
			return true
		}
	}
	return false
}

// ipv6Network is how many bits of an IPv6 address are one client: a host has the rest to choose from.
const ipv6Network = 64

func clientKey(c message.Client) string {
	if c.Local || !c.Addr.IsValid() {
		return "local"
	}
	if c.Addr.Is6() {
		return netip.PrefixFrom(c.Addr, ipv6Network).Masked().String()
	}
	return c.Addr.String()
}

// maxDomain is the longest name that DNS has; what is longer is cut.
const maxDomain = 253

func senderDomain(sender string) string {
	if sender == "" {
		return "<>"
	}
	domain := message.Domain(sender)
	if domain == "" {
		return "local"
	}
	return domain[:min(len(domain), maxDomain)]
}
