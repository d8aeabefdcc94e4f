package watch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"pratique/state"
	"pratique/watch/arf"
	"pratique/watch/bounce"
	"pratique/watch/dmarc"
	"pratique/watch/parts"
	"pratique/watch/reason"
	"pratique/watch/tlsrpt"
	"pratique/watch/unpack"
)

// MaxMessage is the largest message that is read, in octets: some aggregate reports
// come in several megabytes.
const MaxMessage = 25 << 20

// Result tells what a message was.
type Result struct {
	Form      string // "dsn", "arf", "dmarc", "tlsrpt", the form of another bounce, or "none"
	Events    int    // recipients of which it tells
	Certain   int    // of those, in messages that left
	Duplicate bool   // it was read before
	Problem   string // why a part that looked like a report is none, "" if there is nothing to say
}

// FormNone is a message that is no report.
const FormNone = "none"

// content is what a message holds.
type content struct {
	form    string
	events  []event
	dmarc   []*dmarc.Report
	tls     []*tlsrpt.Report
	problem string
}

// Ingest reads one message as it came back and keeps what it tells. A message that
// tells nothing is no error: what is wrong with it is in the Result. An error means
// that nothing was kept, and that it is worth trying again.
func (s *Store) Ingest(ctx context.Context, journal Journal, message []byte) (Result, error) {
	c := s.understand(message)
	result := Result{Form: c.form, Events: len(c.events), Problem: c.problem}
	rows := make([]row, len(c.events))
	journal = onceEach(journal, maxLookups)
	for i, e := range c.events {
		var err error
		if rows[i], err = s.prepare(ctx, journal, e); err != nil {
			return result, err
		}
		if rows[i].certain {
			result.Certain++
		}
	}
	err := state.Transact(ctx, s.db, func(tx *sql.Tx) (err error) {
		if result.Duplicate, err = s.readBefore(ctx, tx, message, c.form); result.Duplicate || err != nil {
			return err
		}
		return s.putContent(ctx, tx, rows, c)
	})
	if err != nil {
		return result, fmt.Errorf("keep what came back: %w", err)
	}
	return result, nil
}

// readBefore reports whether a message was read before, and notes that it is now.
func (s *Store) readBefore(ctx context.Context, tx *sql.Tx, message []byte, form string) (bool, error) {
	hash := sha256.Sum256(message)
	added, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO ingested (hash, at, form) VALUES (?, ?, ?)", hash[:hashSize], s.now().Unix(), form)
	if err != nil {
		return false, err
	}
	n, err := added.RowsAffected()
	return n == 0, err
}

// putContent keeps the events of a message, and its reports.
func (s *Store) putContent(ctx context.Context, tx *sql.Tx, rows []row, c content) error {
	for _, r := range rows {
		if err := put(ctx, tx, r); err != nil {
			return err
		}
	}
	for _, r := range c.dmarc {
		if err := s.putDMARC(ctx, tx, r); err != nil {
			return err
		}
	}
	for _, r := range c.tls {
		if err := s.putTLS(ctx, tx, r); err != nil {
			return err
		}
	}
	return nil
}

// understand tells what a message is. Nothing in it can be more than a report of
// its kind: what breaks its form is told, and no reason to read it again.
func (s *Store) understand(message []byte) content {
	p := parts.Read(message)
	if all := arf.Parse(p); len(all) > 0 {
		return s.complaints(all)
	}
	b := bounce.Parse(p)
	if b != nil && b.Form == "dsn" { // whatever the message is that it returns
		return content{form: b.Form, events: s.bounces(b)}
	}
	c := attachments(p)
	if c.reports() > 0 {
		return c
	}
	if b != nil {
		return content{form: b.Form, events: s.bounces(b)}
	}
	c.form = FormNone
	return c
}

// complaints puts several together; what is no complaint is told only where none is.
func (s *Store) complaints(all []*arf.Report) content {
	first := s.complaint(all[0])
	for _, r := range all[1:] {
		if c := s.complaint(r); c.form == "arf" && len(first.events) < maxComplaints {
			first.form, first.events = c.form, append(first.events, c.events...)
		}
	}
	return first
}

// maxComplaints is about how many recipients one message may complain for.
const maxComplaints = 1000

// complaint turns a complaint into events, one for each recipient that it names.
func (s *Store) complaint(r *arf.Report) content {
	c := content{form: "arf"}
	if !r.Complaint() {
		c.form = "arf-" + r.Type
		return c
	}
	e := event{kind: kindComplaint, at: s.now(), source: "arf", queueIDs: r.QueueIDs, messageID: r.MessageID, status: statusComplaint,
		reason: reason.Reason{Class: "complaint", Name: word(r.Type)}, words: r.UserAgent, times: r.Incidents}
	if r.Sender != "" {
		e.sentTo = []string{r.Sender}
		if who, _, ok := verp(r.Sender); ok {
			e.final = who
		}
	}
	for _, rcpt := range r.Rcpt {
		if !strings.Contains(rcpt, "@") {
			continue
		}
		one := e
		one.recipient = rcpt
		c.events = append(c.events, one)
	}
	if len(c.events) == 0 {
		e.recipient, e.final = e.final, ""
		c.events = []event{e}
	}
	if blackedOut(r.Rcpt) {
		for i := range c.events {
			// Joined by the ids alone; the domain is true, as a rule.
			c.events[i].recipient, c.events[i].final = "", c.events[i].recipient
		}
	}
	return c
}

// blackedOut reports whether a complaint hides who complained (RFC 6590).
func blackedOut(rcpt []string) bool {
	for _, r := range rcpt {
		local := strings.ToLower(r)
		if strings.Contains(local, "redacted") || strings.Contains(local, "xxx") || strings.Contains(local, "***") {
			return true
		}
	}
	return false
}

// word keeps a type of a stranger's choice to letters.
func word(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r == '-' {
			return r
		}
		return -1
	}, text)
}

// bounces turns a bounce into events, one for each recipient that did not get the message.
func (s *Store) bounces(r *bounce.Report) []event {
	var events []event
	for _, rcpt := range r.Recipients {
		e := event{kind: kindBounce, at: s.now(), source: r.Form, messageID: r.MessageID, sentTo: r.SentTo,
			recipient: rcpt.Address(), final: rcpt.Final, dead: deadOf(rcpt), status: statusFailed, host: rcpt.RemoteMTA, words: rcpt.Diagnostic,
			reason: reason.Of(rcpt.Status, rcpt.Diagnostic)}
		if r.QueueID != "" {
			e.queueIDs = []string{r.QueueID}
		}
		switch rcpt.Action {
		case bounce.Failed:
		case bounce.Delayed:
			e.status = statusDeferred
		default:
			continue // it got through
		}
		for _, address := range r.SentTo {
			if who, _, ok := verp(address); ok && len(r.Recipients) == 1 {
				e.recipient, e.final, e.dead = who, e.recipient, who
			}
		}
		events = append(events, e)
	}
	return events
}

// deadOf returns which address of a recipient is gone. If the mail was sent on from
// one to another, by an alias here or by a forwarder there, it is the last one: the
// first may have other ends that are well.
func deadOf(r bounce.Recipient) string { return cmp.Or(r.Final, r.Original) }

// attachments looks for reports on DMARC and TLS in the parts of a message.
func attachments(p *parts.Part) content {
	var c content
	looked := 0
	p.Each(func(part *parts.Part) {
		if len(part.Parts) > 0 || !mayHoldReport(part) || looked >= maxAttachments {
			return
		}
		looked++
		files, err := unpack.Files(part.Decoded())
		if err != nil {
			c.problem = err.Error() // some may be in order all the same
		}
		before := c.reports()
		for _, file := range files {
			c.read(file)
		}
		if len(files) > 0 && c.reports() == before && c.problem == "" {
			c.problem = "an attachment holds no report that is known; an archive in it stays closed"
		}
	})
	return c
}

// reports is how many reports on DMARC and TLS were read.
func (c *content) reports() int { return len(c.dmarc) + len(c.tls) }

// maxAttachments bounds the work of one message.
const maxAttachments = 4

// mayHoldReport reports whether a part has the type or the look of a report.
func mayHoldReport(p *parts.Part) bool {
	switch p.Type {
	case "text/html", "message/delivery-status", "message/feedback-report":
		return false
	case "application/gzip", "application/x-gzip", "application/zip", "application/x-zip", "application/x-zip-compressed", "application/xml", "text/xml",
		"application/tlsrpt+gzip", "application/tlsrpt+json", "application/json":
		return true
	}
	head := p.Decoded()
	return unpack.Packed(head) || dmarc.Recognise(head) || tlsrpt.Recognise(head)
}

// read takes a file for what it looks like.
func (c *content) read(file []byte) {
	if dmarc.Recognise(file) {
		r, err := dmarc.Parse(file)
		if err != nil {
			c.problem = err.Error()
			return
		}
		c.form, c.dmarc = "dmarc", append(c.dmarc, r)
		return
	}
	if tlsrpt.Recognise(file) {
		r, err := tlsrpt.Parse(file)
		if err != nil {
			c.problem = err.Error()
			return
		}
		c.form, c.tls = "tlsrpt", append(c.tls, r)
	}
}

// endOf returns the end of the time of a report, or now if it has none that can be.
func (s *Store) endOf(end time.Time) int64 {
	now := s.now()
	if end.Before(now.Add(-maxKeep)) || end.After(now.Add(2*day)) {
		return now.Unix()
	}
	return end.Unix()
}
