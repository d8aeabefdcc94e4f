package watch

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"

	"pratique/message"
	"pratique/state"
)

// What is sent is counted apart by these; they are what shares are of.
const (
	byTotal  = "total"
	bySender = "sender_domain"
	byClient = "client"
	byDomain = "domain" // of recipients
	byRule   = "rule"   // that found something
)

// Bounds of what is counted until it is kept; what comes on top counts as others.
const (
	maxKeys = 5000 // of each dimension
	others  = "(others)"
	local   = "(local)" // not by SMTP
)

type sentKey struct {
	hour           int64
	dimension, key string
}

type sentCount struct{ messages, recipients int }

// Counter is an observer that counts what leaves. It is safe for concurrent use.
type Counter struct {
	now func() time.Time

	mu     sync.Mutex
	counts map[sentKey]sentCount
	keys   map[string]int // of a dimension, since the last flush

	remember   bool // who messages went to
	envelopes  []envelope
	remembered int // recipients in them
}

// NewCounter returns a Counter with nothing counted.
func NewCounter(now func() time.Time) *Counter {
	c := &Counter{now: now}
	c.reset()
	return c
}

func (c *Counter) reset() {
	c.counts, c.keys = map[sentKey]sentCount{}, map[string]int{}
	c.envelopes, c.remembered = nil, 0
}

// Observe counts a message that left.
func (c *Counter) Observe(m *message.Message, o message.Outcome) {
	if !o.Verdict.Leaves() {
		return
	}
	hour := hourOf(c.now())
	n := len(m.Recipients)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.remember {
		c.addEnvelope(envelopeOf(m, c.now()))
	}
	c.add(hour, byTotal, "", n)
	sender := message.Domain(m.Sender)
	if m.Sender == "" {
		sender = "<>"
	}
	c.add(hour, bySender, sender, n)
	c.add(hour, byClient, clientOf(m), n)
	for domain, n := range recipientDomains(m) {
		c.add(hour, byDomain, domain, n)
	}
	told := map[string]bool{}
	for _, f := range m.Findings {
		if !told[f.Rule] {
			told[f.Rule] = true
			c.add(hour, byRule, f.Rule, n)
		}
	}
}

func clientOf(m *message.Message) string {
	if m.Client.Local || !m.Client.Addr.IsValid() {
		return local
	}
	return m.Client.Addr.String()
}

func recipientDomains(m *message.Message) map[string]int {
	domains := map[string]int{}
	for _, r := range m.Recipients {
		domain := message.Domain(r.Addr)
		domains[domain[:min(len(domain), maxDomain)]]++
	}
	return domains
}

func (c *Counter) add(hour int64, dimension, key string, recipients int) {
	k := sentKey{hour, dimension, key}
	if _, ok := c.counts[k]; !ok {
		if c.keys[dimension] >= maxKeys {
			k.key = others
		} else {
			c.keys[dimension]++
		}
	}
	n := c.counts[k]
	n.messages++
	n.recipients += recipients
	c.counts[k] = n
}

// take returns what was counted, and remembered, since the last time.
func (c *Counter) take() (map[sentKey]sentCount, []envelope) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts, envelopes := c.counts, c.envelopes
	c.reset()
	return counts, envelopes
}

// giveBack adds what could not be kept.
func (c *Counter) giveBack(counts map[sentKey]sentCount, envelopes []envelope) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range envelopes {
		c.addEnvelope(e)
	}
	for k, n := range counts {
		if len(c.counts) > 10*maxKeys {
			return // the disk has been full for long: shares will be of too little, and memory stays bounded
		}
		sum := c.counts[k]
		sum.messages += n.messages
		sum.recipients += n.recipients
		c.counts[k] = sum
	}
}

// CountSent keeps what a counter counted since the last time.
func (s *Store) CountSent(ctx context.Context, c *Counter) error {
	counts, envelopes := c.take()
	if len(counts) == 0 {
		return nil
	}
	err := state.Transact(ctx, s.db, func(tx *sql.Tx) error {
		if err := putCounts(ctx, tx, counts); err != nil {
			return err
		}
		return s.putEnvelopes(ctx, tx, envelopes)
	})
	if err != nil {
		c.giveBack(counts, envelopes)
		return fmt.Errorf("keep the counts of what was sent: %w", err)
	}
	return nil
}

func putCounts(ctx context.Context, tx *sql.Tx, counts map[sentKey]sentCount) error {
	insert, err := tx.PrepareContext(ctx, `INSERT INTO sent (hour, dimension, key, messages, recipients) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for k, n := range counts {
		if _, err := insert.ExecContext(ctx, k.hour, k.dimension, strings.ToValidUTF8(k.key, "?"), n.messages, n.recipients); err != nil {
			return err
		}
	}
	return nil
}
