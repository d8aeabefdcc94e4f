package watch

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"pratique/message"
	"pratique/watch/reason"
)

// Gone are the recipients that are refused at once, by their keyed hashes. The
// daemon reads them anew now and then; the zero value knows none.
type Gone struct {
	known atomic.Pointer[gone]
}

type gone struct {
	store *Store
	until map[[hashSize]byte]int64 // Unix seconds
}

// deadForGood is what a certain bounce of a recipient that is gone has; see reason.Reason.
const deadForGood = "e.kind = ? AND e.status = ? AND e.certain = 1 AND e.class = ? AND e.code LIKE '5%'"

// maxGone bounds the memory for it: some 40 MB.
const maxGone = 500_000

// Load reads which recipients bounced for good, and certainly, within a time.
func (g *Gone) Load(ctx context.Context, s *Store, within time.Duration) error {
	next := &gone{store: s, until: map[[hashSize]byte]int64{}}
	rows, err := s.db.QueryContext(ctx, `SELECT e.recipient, max(e.at) FROM events e LEFT JOIN released r ON r.recipient = e.recipient
		WHERE `+deadForGood+` AND length(e.recipient) = ? AND e.at > ? AND e.at > coalesce(r.at, 0)
		GROUP BY e.recipient ORDER BY 2 DESC LIMIT ?`,
		kindBounce, statusFailed, reason.Hard, hashSize, s.now().Add(-within).Unix(), maxGone)
	if err != nil {
		return fmt.Errorf("read which recipients are gone: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var hash []byte
		var at int64
		if err := rows.Scan(&hash, &at); err != nil {
			return fmt.Errorf("read which recipients are gone: %w", err)
		}
		next.until[[hashSize]byte(hash)] = at + int64(within/time.Second)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read which recipients are gone: %w", err)
	}
	g.known.Store(next)
	return nil
}

// Size returns how many recipients are refused.
func (g *Gone) Size() int {
	if known := g.known.Load(); known != nil {
		return len(known.until)
	}
	return 0
}

// Has reports whether a recipient bounced for good, and until when it is refused.
func (g *Gone) Has(address string) (until time.Time, has bool) {
	known := g.known.Load()
	if known == nil || len(known.until) == 0 || address == "" {
		return until, false
	}
	at, ok := known.until[[hashSize]byte(known.store.hash(address))]
	if !ok || at <= known.store.now().Unix() {
		return until, false
	}
	return time.Unix(at, 0), true
}

// Release lets mail to a recipient through again, until it bounces once more. It
// reports whether the recipient bounced for good at all.
func (s *Store) Release(ctx context.Context, address string) (known bool, err error) {
	hash := s.hash(address)
	err = s.db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM events e WHERE "+deadForGood+" AND e.recipient = ?",
		kindBounce, statusFailed, reason.Hard, hash).Scan(&known)
	if err == nil {
		_, err = s.db.ExecContext(ctx, "INSERT OR REPLACE INTO released (recipient, at) VALUES (?, ?)", hash, s.now().Unix())
	}
	if err != nil {
		return known, fmt.Errorf("release a recipient: %w", err)
	}
	return known, nil
}

// Suppressor is the check that refuses a message all of whose recipients are gone.
//
// A message with other recipients as well goes to all of them: a milter can take a
// recipient away only silently (SMFIR_DELRCPT), and the sender would never learn of
// it; and to refuse the whole would keep it from those who are there. It is put on
// record, and the receiver bounces it once more. Programs that send to lists hand in
// one message a recipient, as a rule, and are told.
type Suppressor struct{ Gone *Gone }

// Name is the name of the check.
func (Suppressor) Name() string { return "suppression" }

// Begin is interested in messages with a recipient that is gone. Bounces are let through.
func (s Suppressor) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	if m.Sender == "" {
		return nil, nil
	}
	dead := 0
	var last time.Time
	for _, r := range m.Recipients {
		if until, ok := s.Gone.Has(r.Addr); ok {
			dead++
			if until.After(last) {
				last = until
			}
		}
	}
	if dead == 0 {
		return nil, nil
	}
	return &suppression{m, dead, last}, nil
}

// suppression is one message with recipients that are gone.
type suppression struct {
	m    *message.Message
	dead int
	last time.Time
}

// Header refuses the message, or puts it on record.
func (s *suppression) Header() error {
	all := len(s.m.Recipients)
	if s.dead < all {
		s.m.Notes = append(s.m.Notes, message.Note{Check: "suppression", Key: "gone", Code: "some",
			Text: fmt.Sprintf("%d of %d recipients bounced for good before", s.dead, all)})
		return nil
	}
	text := "the recipient bounced for good before"
	if all > 1 {
		text = fmt.Sprintf("all %d recipients bounced for good before", all)
	}
	return &message.Refusal{Code: 550, Enhanced: "5.1.1", Text: "suppression: " + text + "; not tried again until " + s.last.UTC().Format("2006-01-02 15:04 MST")}
}

func (s *suppression) Write(p []byte) (int, error) { return len(p), nil }
func (s *suppression) Idle() bool                  { return true }
func (s *suppression) End() error                  { return nil }
func (s *suppression) Close() error                { return nil }
