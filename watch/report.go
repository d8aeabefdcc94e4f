package watch

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"pratique/watch/reason"
	"pratique/watch/receiver"
)

// Report is what came back in a span of time, beside what was sent in it.
type Report struct {
	Since, Until time.Time   `json:"-"`
	From         string      `json:"since"`
	To           string      `json:"until"`
	Sent         Sums        `json:"sent"`
	Bounces      Bounces     `json:"bounces"`
	Complaints   Complaints  `json:"complaints"`
	Senders      []Line      `json:"sender_domains"` // the worst first
	Clients      []Line      `json:"clients"`
	Receivers    []Line      `json:"receivers"` // providers and domains
	Reasons      []WhyLine   `json:"reasons"`   // the most frequent first
	Rules        []RuleLine  `json:"rules"`     // findings beside what came back
	Deliveries   []Attempts  `json:"deliveries"`
	DMARC        DMARCReport `json:"dmarc"`
	TLS          TLSReport   `json:"tls"`
	Ingested     []FormCount `json:"ingested"`
	Suppressed   int         `json:"suppressed"` // recipients that bounced for good, and certainly
}

// Sums are messages, and their recipients.
type Sums struct {
	Messages   int `json:"messages"`
	Recipients int `json:"recipients"`
}

// Bounces are recipients that did not get a message. Only those count in shares that
// are certain: joined with a message that left.
type Bounces struct {
	Failed     int            `json:"failed"`
	Deferred   int            `json:"deferred"`  // not over yet
	Delivered  int            `json:"delivered"` // after they were deferred
	Unverified int            `json:"unverified"`
	Share      float64        `json:"share"`    // failed, of the recipients sent to
	Classes    map[string]int `json:"by_class"` // failed
}

// Complaints are complaints of recipients.
type Complaints struct {
	Certain    int     `json:"certain"`
	Unverified int     `json:"unverified"`
	Share      float64 `json:"share"` // certain, of the recipients sent to
}

// Line is what came back for one sender domain, client or receiver.
type Line struct {
	Key            string         `json:"key"`
	Recipients     int            `json:"recipients"` // sent to
	Failed         int            `json:"failed"`
	Deferred       int            `json:"deferred"`
	Complaints     int            `json:"complaints"`
	BounceShare    float64        `json:"bounce_share"`
	ComplaintShare float64        `json:"complaint_share"`
	Classes        map[string]int `json:"by_class"` // failed
}

// WhyLine is one reason.
type WhyLine struct {
	reason.Reason
	Failed    int      `json:"failed"`
	Deferred  int      `json:"deferred"`
	Receivers []string `json:"receivers"` // the most frequent first, at most 3
	Example   string   `json:"example"`   // words of a receiver
}

// RuleLine is one rule that found something in messages, and what came back for them.
type RuleLine struct {
	Rule       string  `json:"rule"`
	Recipients int     `json:"recipients"` // sent to with this finding
	Failed     int     `json:"failed"`
	Complaints int     `json:"complaints"`
	Share      float64 `json:"bounce_share"`
	Usual      float64 `json:"usual_share"` // of messages without the finding
	Receiver   string  `json:"receiver"`    // with the most bounces
	AtReceiver int     `json:"at_receiver"`
	Reason     string  `json:"reason"` // the most frequent one there
}

// Attempts is what the log tells of one receiver.
type Attempts struct {
	Receiver  string  `json:"receiver"`
	Sent      int     `json:"sent"`
	Deferred  int     `json:"deferred"`
	Bounced   int     `json:"bounced"`
	MeanDelay float64 `json:"mean_delay_s"` // of what was sent, seconds
}

// FormCount is how many messages came in one form.
type FormCount struct {
	Form     string `json:"form"`
	Messages int    `json:"messages"`
}

// Report sums up what came back since a time, or since the start of its hour, or of its
// day (UTC) where hours are not kept apart any more: what was sent is counted by those,
// and shares have to be of the same span.
func (s *Store) Report(ctx context.Context, since time.Time) (*Report, error) {
	q, r := s.shares(ctx, since)
	r.DMARC = q.dmarc()
	r.TLS = q.tls()
	q.each("SELECT form, count(*) FROM ingested WHERE at >= ? GROUP BY form ORDER BY 2 DESC, 1", func(scan scanner) {
		var f FormCount
		scan(&f.Form, &f.Messages)
		r.Ingested = append(r.Ingested, f)
	}, q.since)
	q.each("SELECT count(DISTINCT e.dead) FROM events e WHERE "+deadForGood+" AND e.at >= ?", func(scan scanner) { scan(&r.Suppressed) },
		kindBounce, statusFailed, reason.Hard, q.since)
	return r, q.failure()
}

// shares begins a report with what alarms are about: bounces and complaints, and what
// was sent. The query goes on with the rest, and has the error.
func (s *Store) shares(ctx context.Context, since time.Time) (*query, *Report) {
	since = s.startOf(since)
	q := &query{ctx: ctx, db: s.db, since: since.Unix()}
	r := &Report{Since: since, Until: s.now()}
	r.From, r.To = since.UTC().Format(time.RFC3339), r.Until.UTC().Format(time.RFC3339)
	q.learnProviders()
	sent := q.sent()
	r.Sent = sent[byTotal][""]
	cells := q.cells()
	r.totals(cells)
	r.Senders = lines(cells, sent[bySender], func(c *cell) string { return c.sender })
	r.Clients = lines(cells, sent[byClient], func(c *cell) string { return c.client })
	r.Receivers = lines(cells, q.receivers(sent[byDomain]), func(c *cell) string { return q.receiver(c.domain, c.host) })
	r.Reasons = q.reasons(cells)
	r.Rules = q.rules(cells, sent[byRule], r.Sent.Recipients, r.Bounces.Failed)
	r.Deliveries = q.attempts()
	return q, r
}

// startOf returns the start of the hour of a time, or of its day if that is so long ago
// that hours may have been added up; see toDays.
func (s *Store) startOf(since time.Time) time.Time {
	if since.Before(s.addedUpTo()) {
		return since.Truncate(day)
	}
	return since.Truncate(time.Hour)
}

// query asks the database, and keeps the first error.
type query struct {
	ctx       context.Context
	db        *sql.DB
	since     int64
	err       error
	providers map[string]string // of domains whose mail somebody else takes
	examples  map[string]string // words of a reason
}

// failure returns the first error.
func (q *query) failure() error {
	if q.err != nil {
		return fmt.Errorf("sum up what came back: %w", q.err)
	}
	return nil
}

type scanner func(into ...any)

func (q *query) each(text string, visit func(scanner), arguments ...any) {
	if q.err != nil {
		return
	}
	rows, err := q.db.QueryContext(q.ctx, text, arguments...)
	if err != nil {
		q.err = err
		return
	}
	defer rows.Close()
	for rows.Next() && q.err == nil {
		visit(func(into ...any) {
			if err := rows.Scan(into...); err != nil {
				q.err = err
			}
		})
	}
	if err := rows.Err(); err != nil && q.err == nil {
		q.err = err
	}
}

// learnProviders learns who takes the mail of domains.
func (q *query) learnProviders() {
	q.providers = map[string]string{}
	q.each("SELECT domain, host FROM hosts", func(scan scanner) {
		var domain, host string
		scan(&domain, &host)
		if name := receiver.ByHost(host); name != "" {
			q.providers[domain] = name
		}
	})
}

// receiver names who receives mail for a domain.
func (q *query) receiver(domain, host string) string {
	if name := q.providers[domain]; name != "" {
		return name
	}
	if name := receiver.ByDomain(domain); name != "" {
		return name
	}
	if name := receiver.ByHost(host); name != "" {
		return name
	}
	return cmp.Or(domain, "unknown")
}

func (q *query) receivers(domains map[string]Sums) map[string]Sums {
	all := map[string]Sums{}
	for domain, n := range domains {
		name := q.receiver(domain, "")
		sum := all[name]
		all[name] = Sums{sum.Messages + n.Messages, sum.Recipients + n.Recipients}
	}
	return all
}

// sent returns what was sent, by dimension and key.
func (q *query) sent() map[string]map[string]Sums {
	all := map[string]map[string]Sums{}
	q.each("SELECT dimension, key, sum(messages), sum(recipients) FROM sent WHERE hour >= ? GROUP BY 1, 2", func(scan scanner) {
		var dimension, key string
		var n Sums
		scan(&dimension, &key, &n.Messages, &n.Recipients)
		if all[dimension] == nil {
			all[dimension] = map[string]Sums{}
		}
		all[dimension][key] = n
	}, q.since)
	return all
}

// cell is events that agree in everything that is shown.
type cell struct {
	kind                         kind
	status                       status
	certain                      bool
	sender, client, domain, host string
	rules                        string
	reason                       reason.Reason
	n, incidents                 int
}

func (q *query) cells() []*cell {
	var all []*cell
	q.examples = map[string]string{}
	q.each(`SELECT kind, status, certain, sender_domain, client, domain, host, rules, class, reason, code, count(*), sum(times), max(words)
		FROM events WHERE at >= ? GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11`, func(scan scanner) {
		c := &cell{}
		var words string
		scan(&c.kind, &c.status, &c.certain, &c.sender, &c.client, &c.domain, &c.host, &c.rules, &c.reason.Class, &c.reason.Name, &c.reason.Code, &c.n, &c.incidents, &words)
		if c.kind == kindComplaint {
			c.n = c.incidents
		} else if key := c.reason.Key(); q.examples[key] == "" {
			q.examples[key] = words
		}
		all = append(all, c)
	}, q.since)
	return all
}

func (c *cell) failed() bool { return c.kind == kindBounce && c.status == statusFailed }

func (r *Report) totals(cells []*cell) {
	r.Bounces.Classes = map[string]int{}
	for _, c := range cells {
		switch {
		case c.kind == kindComplaint && c.certain:
			r.Complaints.Certain += c.n
		case c.kind == kindComplaint:
			r.Complaints.Unverified += c.n
		case !c.certain:
			r.Bounces.Unverified += c.n
		case c.status == statusFailed:
			r.Bounces.Failed += c.n
			r.Bounces.Classes[string(c.reason.Class)] += c.n
		case c.status == statusDeferred:
			r.Bounces.Deferred += c.n
		case c.status == statusDelivered:
			r.Bounces.Delivered += c.n
		}
	}
	r.Bounces.Share = share(r.Bounces.Failed, r.Sent.Recipients)
	r.Complaints.Share = share(r.Complaints.Certain, r.Sent.Recipients)
}

// share returns a part of a whole; 0 if the whole is not known. What came back
// today for what was sent before may be more than what was sent today: then it is 1.
func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return min(1, float64(n)/float64(of))
}

// lines sums certain events up by a key, beside what was sent.
func lines(cells []*cell, sent map[string]Sums, key func(*cell) string) []Line {
	all := map[string]*Line{}
	for name, n := range sent {
		all[name] = &Line{Key: name, Recipients: n.Recipients, Classes: map[string]int{}}
	}
	for _, c := range cells {
		if !c.certain {
			continue
		}
		name := key(c)
		l := all[name]
		if l == nil {
			l = &Line{Key: name, Classes: map[string]int{}}
			all[name] = l
		}
		switch {
		case c.kind == kindComplaint:
			l.Complaints += c.n
		case c.status == statusFailed:
			l.Failed += c.n
			l.Classes[string(c.reason.Class)] += c.n
		case c.status == statusDeferred:
			l.Deferred += c.n
		}
	}
	found := []Line{}
	for _, l := range all {
		l.BounceShare, l.ComplaintShare = share(l.Failed, l.Recipients), share(l.Complaints, l.Recipients)
		found = append(found, *l)
	}
	slices.SortFunc(found, func(a, b Line) int {
		return cmp.Or(cmp.Compare(b.Failed+b.Complaints, a.Failed+a.Complaints), cmp.Compare(b.Deferred, a.Deferred),
			cmp.Compare(b.Recipients, a.Recipients), strings.Compare(a.Key, b.Key))
	})
	return found
}
