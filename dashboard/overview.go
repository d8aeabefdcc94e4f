package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"pratique/journal"
	"pratique/telemetry/alerts"
)

// overviewData is what the first page shows.
type overviewData struct {
	Span    span            `json:"-"`
	Spans   []span          `json:"-"`
	Since   time.Time       `json:"since"`
	Until   time.Time       `json:"until"`
	Extent  journal.Extent  `json:"journal"`
	Tiles   []tile          `json:"totals"`
	Chart   *chart          `json:"-"`
	Traffic []bar           `json:"traffic"`
	Cards   []card          `json:"tops"`
	Limits  []Limit         `json:"limits"`
	Alerts  []alerts.Status `json:"alerts"`
	Posture *Posture        `json:"-"`
	Queue   *Queue          `json:"-"`
	Empty   bool            `json:"-"` // there is no journal
}

// tile is one figure, with where its messages are.
type tile struct {
	Name  string `json:"name"`
	Class string `json:"-"`
	Count int64  `json:"count"`
	Unit  string `json:"unit,omitempty"`
	Link  string `json:"-"`
}

// card is a list of keys with their messages.
type card struct {
	Title string `json:"title"`
	About string `json:"-"`
	Rows  []row  `json:"rows"`
	More  string `json:"-"` // where all of its messages are
}

// row is one key of a card.
type row struct {
	Key      string `json:"key"`
	Messages int64  `json:"messages"`
	Share    int    `json:"share"` // of the card's greatest, per cent
	Link     string `json:"-"`
}

// dimension is a card and where its figures are from.
type dimension struct {
	by    journal.Dimension
	title string
	about string
	param string // of the address that shows a key's messages; "": none does
}

var dimensions = []dimension{
	{journal.ByReason, "Refused, held or discarded", "by check and rule", "reason"},
	{journal.ByClient, "Clients", "by address", "client"},
	{journal.ByLogin, "Logins", "", "login"},
	{journal.BySenderDomain, "Sender domains", "of the envelope", "sender_domain"},
	{journal.ByRecipientDomain, "Recipient domains", "", "domain"},
	{journal.ByRule, "Findings", "messages by rule", "rule"},
	{journal.BySignature, "Signed", "by domain", "signature"},
	{journal.ByUnsigned, "Left unsigned", "by reason", "unsigned"},
	{journal.ByScan, "Scanned", "by result", "scan"},
	{journal.ByFailure, "Checks of ours that broke", "", "failure"},
}

// topKeys is how many keys a card shows.
const topKeys = 8

func (p *Page) overview(r *http.Request) (any, error) {
	chosen, err := chosenSpan(r)
	if err != nil {
		return nil, err
	}
	d := &overviewData{Span: chosen, Spans: spans}
	d.Since, d.Until = chosen.window(p.s.Now())
	if err := p.fromJournal(r.Context(), d); err != nil {
		return nil, err
	}
	if p.s.Limits != nil {
		d.Limits = p.s.Limits()
		d.Limits = d.Limits[:min(len(d.Limits), topKeys)]
	}
	if p.s.Alerts != nil {
		d.Alerts, _ = p.s.Alerts()
	}
	if p.s.Posture != nil {
		if posture := p.s.Posture(); !posture.At.IsZero() {
			d.Posture = &posture
		}
	}
	if p.s.Queue != nil {
		if samples := p.s.Queue(d.Since, d.Until); len(samples) > 0 {
			d.Queue = &samples[len(samples)-1]
		}
	}
	return d, nil
}

// fromJournal fills in what the journal knows.
func (p *Page) fromJournal(ctx context.Context, d *overviewData) error {
	j, err := p.reader()
	if err != nil {
		return err
	}
	if d.Empty = j == nil; d.Empty {
		return nil
	}
	defer j.Close()
	if d.Extent, err = j.Extent(ctx); err != nil {
		return err
	}
	buckets, err := j.Traffic(ctx, d.Since, d.Until, d.Span.Step)
	if err != nil {
		return err
	}
	d.Traffic, d.Tiles = bars(buckets, d.Span.Step), tiles(buckets, d.Since, d.Until)
	var usual []Band
	if p.s.Usual != nil {
		usual = p.s.Usual(d.Since, d.Until)
	}
	d.Chart = draw(d.Traffic, usual, d.Span.Step, p.s.Zone)
	for _, dim := range dimensions {
		c, err := cardOf(ctx, j, dim, d.Since, d.Until)
		if err != nil {
			return fmt.Errorf("sum up %s: %w", dim.by, err)
		}
		d.Cards = append(d.Cards, c)
	}
	return nil
}

// bar is what passed in a step of time.
type bar struct {
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	Accepted   int64     `json:"accepted"`
	Held       int64     `json:"held"`
	Refused    int64     `json:"refused"`
	Tempfailed int64     `json:"tempfailed"`
}

func (b bar) total() int64 { return b.Accepted + b.Held + b.Refused + b.Tempfailed }

func bars(buckets []journal.Bucket, step time.Duration) []bar {
	list := make([]bar, len(buckets))
	for i, b := range buckets {
		list[i] = bar{b.Start, b.Start.Add(step), b.Accepted, b.Held, b.Refused, b.Tempfailed}
	}
	return list
}

// verdicts are the outcomes that are told apart, with the verdicts of the journal that they are.
var verdicts = []struct {
	name, class string
	verdicts    []string
	count       func(journal.Sums) int64
}{
	{"accepted", "accepted", []string{"accepted", "passed"}, func(s journal.Sums) int64 { return s.Accepted }},
	{"held", "held", []string{"held"}, func(s journal.Sums) int64 { return s.Held }},
	{"refused", "refused", []string{"refused", "discarded"}, func(s journal.Sums) int64 { return s.Refused }},
	{"tempfailed", "tempfailed", []string{"tempfailed"}, func(s journal.Sums) int64 { return s.Tempfailed }},
}

func tiles(buckets []journal.Bucket, since, until time.Time) []tile {
	var total journal.Sums
	for _, b := range buckets {
		total.Messages += b.Messages
		total.Accepted += b.Accepted
		total.Held += b.Held
		total.Refused += b.Refused
		total.Tempfailed += b.Tempfailed
		total.Recipients += b.Recipients
		total.Bytes += b.Bytes
	}
	var list []tile
	for _, v := range verdicts {
		q := between(since, until)
		q["verdict"] = v.verdicts
		list = append(list, tile{Name: v.name, Class: v.class, Count: v.count(total), Link: messagesLink(q)})
	}
	left := between(since, until)
	left["verdict"] = []string{"accepted", "passed", "held"}
	return append(list,
		tile{Name: "recipients", Count: total.Recipients, Link: messagesLink(left)},
		tile{Name: "sent", Count: total.Bytes, Unit: "octets", Link: messagesLink(left)})
}

func cardOf(ctx context.Context, j *journal.Reader, dim dimension, since, until time.Time) (card, error) {
	c := card{Title: dim.title, About: dim.about}
	totals, err := j.Top(ctx, dim.by, since, until, topKeys)
	if err != nil {
		return c, err
	}
	greatest := int64(1)
	for _, t := range totals {
		greatest = max(greatest, t.Messages)
	}
	for _, t := range totals {
		one := row{Key: t.Key, Messages: t.Messages, Share: int(100 * t.Messages / greatest)}
		if dim.param != "" && t.Key != journal.Other {
			// The sums are by whole hours.
			q := between(since.Truncate(time.Hour), until.Truncate(time.Hour).Add(time.Hour))
			q.Set(dim.param, t.Key)
			one.Link = messagesLink(q)
		}
		c.Rows = append(c.Rows, one)
	}
	return c, nil
}

func between(since, until time.Time) url.Values {
	return url.Values{"since": {since.UTC().Format(time.RFC3339)}, "until": {until.UTC().Format(time.RFC3339)}}
}

func messagesLink(q url.Values) string { return "/messages?" + q.Encode() }
