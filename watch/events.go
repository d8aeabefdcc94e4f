package watch

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"pratique/watch/reason"
)

// row is an event as it is kept.
type row struct {
	id                int64
	kind              kind
	status            status
	at                int64
	times             int
	source            string
	certain           bool
	nextTry, waited   int64
	record            int64
	queueID           string
	messageID         string
	recipient         []byte
	domain, host      string
	senderDomain      string
	client, rules     string
	class, name, code string
	words             string
	dead              []byte
	proven            bool
	deadDomain        string
}

// prepare joins an event, before anything is written.
func (s *Store) prepare(ctx context.Context, journal Journal, e event) (row, error) {
	a := about{
		queueIDs: e.queueIDs, messageID: plain(e.messageID), sentTo: e.sentTo, at: e.at,
		recipient: s.hash(e.recipient), final: s.hash(e.final), domain: domainOf(e.recipient), finalName: domainOf(e.final),
	}
	r := row{
		kind: e.kind, status: e.status, at: e.at.Unix(), times: max(1, e.times), source: e.source,
		messageID: a.messageID, recipient: a.recipient, domain: cmp.Or(a.domain, a.finalName), host: hostName(e.host),
		class: string(e.reason.Class), name: e.reason.Name, code: e.reason.Code, words: wordsAbout(e.words, e.recipient, e.final),
		dead: s.hash(e.dead), deadDomain: domainOf(e.dead),
	}
	if len(e.queueIDs) > 0 {
		r.queueID = e.queueIDs[0]
	}
	sent, err := s.find(ctx, journal, a)
	if err != nil {
		return r, err
	}
	if sent == nil {
		r.nextTry, r.waited = s.now().Unix()+firstRetry, firstRetry
		return r, nil
	}
	r.join(sent.Sent)
	if r.proven, err = s.proven(ctx, &r, sent); err == nil && !r.proven && !sent.guessed && s.now().Sub(sent.At) < provenWithin {
		r.nextTry, r.waited = s.now().Unix()+firstRetry, firstRetry
	}
	return r, err
}

// proven reports whether the address that would be refused was certainly sent the message.
func (s *Store) proven(ctx context.Context, r *row, sent *match) (bool, error) {
	if sent == nil || len(r.dead) == 0 || sent.guessed {
		return false, nil
	}
	if toldByLog(r.source) {
		return true, nil
	}
	return s.sentTo(ctx, sent.Sent, r.dead)
}

// wordsAbout returns the words of a receiver without the name of the recipient.
func wordsAbout(words string, addresses ...string) string {
	for _, address := range addresses {
		if local, _, ok := cutLast(address, "@"); ok && len(local) > 2 {
			words = strings.NewReplacer("<"+address+">", "<address>", address, "<address>", local, "<address>").Replace(words)
		}
	}
	return reason.Anonymous(words)
}

// join takes over what the journal knows.
func (r *row) join(sent *Sent) {
	r.certain, r.record, r.nextTry = true, sent.ID, 0
	r.senderDomain, r.client = domainOf(sent.Sender), sent.Client
	if sent.Sender == "" {
		r.senderDomain = "<>"
	}
	if len(sent.Rules) > 0 {
		r.rules = " " + strings.Join(sent.Rules, " ") + " "
	}
	r.queueID = cmp.Or(sent.QueueID, r.queueID)
	r.messageID = cmp.Or(sent.MessageID, r.messageID)
	if r.domain == "" && len(sent.Domains) == 1 && !sent.Partial {
		r.domain = strings.ToLower(sent.Domains[0])
	}
}

const eventColumns = `id, kind, status, at, times, source, certain, next_try, waited, record, queue_id, message_id, recipient,
	domain, host, sender_domain, client, rules, class, reason, code, words, dead, proven, dead_domain`

func (r *row) scan(scan func(...any) error) error {
	return scan(&r.id, &r.kind, &r.status, &r.at, &r.times, &r.source, &r.certain, &r.nextTry, &r.waited, &r.record, &r.queueID, &r.messageID, &r.recipient,
		&r.domain, &r.host, &r.senderDomain, &r.client, &r.rules, &r.class, &r.name, &r.code, &r.words, &r.dead, &r.proven, &r.deadDomain)
}

func (r *row) values() []any {
	id := any(nil) // a new one
	if r.id != 0 {
		id = r.id
	}
	return []any{id, r.kind, r.status, r.at, r.times, r.source, r.certain, r.nextTry, r.waited, r.record, r.queueID, r.messageID, r.recipient,
		r.domain, r.host, r.senderDomain, r.client, r.rules, r.class, r.name, r.code, r.words, r.dead, r.proven, r.deadDomain}
}

// put keeps a row: as it is, or together with what is known of the same recipient
// of the same message already.
func put(ctx context.Context, tx *sql.Tx, r row) error {
	known, err := same(ctx, tx, &r)
	if err != nil {
		return err
	}
	if known != nil {
		r = merge(*known, r)
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO events ("+eventColumns+") VALUES (?"+strings.Repeat(", ?", len(r.values())-1)+")", r.values()...)
	if err != nil {
		return fmt.Errorf("keep what came back: %w", err)
	}
	return nil
}

// same finds another row about the same recipient of the same message. Without a
// recipient nothing is the same.
func same(ctx context.Context, tx *sql.Tx, r *row) (*row, error) {
	if len(r.recipient) == 0 {
		return nil, nil
	}
	// The last condition is what sameMessage can agree to: a recipient may have very many.
	rows, err := tx.QueryContext(ctx, "SELECT "+eventColumns+` FROM events WHERE recipient = ? AND kind = ? AND id <> ? AND at > ?
		AND (record > 0 AND record = ? OR queue_id <> '' AND queue_id = ? OR message_id <> '' AND message_id = ? COLLATE NOCASE)`,
		r.recipient, r.kind, r.id, r.at-int64(longestWay/time.Second), r.record, r.queueID, r.messageID)
	if err != nil {
		return nil, fmt.Errorf("look for the same recipient: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var other row
		if err := other.scan(rows.Scan); err != nil {
			return nil, fmt.Errorf("look for the same recipient: %w", err)
		}
		if sameMessage(&other, r) {
			return &other, nil
		}
	}
	return nil, rows.Err()
}

func sameMessage(a, b *row) bool {
	if a.record != 0 && b.record != 0 {
		return a.record == b.record
	}
	if a.messageID != "" && b.messageID != "" {
		return strings.EqualFold(a.messageID, b.messageID) && (a.queueID == "" || b.queueID == "" || a.queueID == b.queueID || !a.certain || !b.certain)
	}
	return a.queueID != "" && a.queueID == b.queueID
}

// merge adds what is new to what is known. A recipient that failed stays so; a
// later word on why it is deferred is the better one.
func merge(known, r row) row {
	m := known
	if !known.certain && r.certain {
		m.certain, m.nextTry, m.waited, m.record = true, r.nextTry, r.waited, r.record
		m.senderDomain, m.client, m.rules, m.queueID, m.messageID = r.senderDomain, r.client, r.rules, r.queueID, r.messageID
	}
	m.queueID, m.messageID, m.host = cmp.Or(m.queueID, r.queueID), cmp.Or(m.messageID, r.messageID), cmp.Or(m.host, r.host)
	m.domain = cmp.Or(m.domain, r.domain)
	if r.proven && !known.proven || len(known.dead) == 0 || r.source == sourceLog && !known.proven {
		m.dead, m.deadDomain, m.proven = r.dead, r.deadDomain, r.proven
	}
	if !strings.Contains("+"+known.source+"+", "+"+r.source+"+") {
		m.source = known.source + "+" + r.source
	}
	if r.source == sourceLog {
		m.times += r.times
	}
	if known.status == statusFailed && r.status != statusFailed {
		return m
	}
	becameFailed := r.status == statusFailed && known.status != statusFailed
	if becameFailed || r.status == known.status && r.at > known.at && r.status == statusDeferred {
		m.status, m.at = r.status, r.at
	}
	if better(known, r) {
		m.class, m.name, m.code, m.words = r.class, r.name, r.code, r.words
	}
	return m
}

// better reports whether the reason of r tells more than the one that is known:
// "too long in the queue" is no reason beside the one for which it was there.
func better(known, r row) bool {
	if r.class == string(reason.Unknown) || r.class == "" || r.name == "expired" && known.class != string(reason.Unknown) {
		return false
	}
	return known.class == string(reason.Unknown) || r.status == statusFailed && known.status != statusFailed ||
		r.status == statusDeferred && known.status == statusDeferred
}
