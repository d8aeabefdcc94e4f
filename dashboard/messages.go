package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pratique/journal"
)

// pageLength is how many messages one page lists.
const pageLength = 50

// messagesData is a search and what it found.
type messagesData struct {
	Filters []filter         `json:"-"`
	Hidden  []filter         `json:"-"` // those that have no field of their own in the form
	Fields  []field          `json:"-"`
	Chosen  map[string]bool  `json:"-"` // verdicts
	Found   []journal.Record `json:"messages"`
	Older   string           `json:"-"`
	Next    int64            `json:"before,omitempty"` // what to ask for next, as before; 0: that is all
	Cut     bool             `json:"cut,omitempty"`    // the search took too long, and is not whole
	Empty   bool             `json:"-"`
}

// filter is a condition that is set, with the address without it.
type filter struct{ Name, Label, Value, Without string }

// field is an input of the form.
type field struct{ Name, Label, Value, Hint string }

// parameter is a condition that the address of a list can have.
type parameter struct {
	name, label, hint string
	shown             bool // in the form
	set               func(q *journal.Query, value string)
}

var parameters = []parameter{
	{"q", "any text", "queue id, address, reason …", true, func(q *journal.Query, v string) { q.Text = v }},
	{"client", "client", "10.0.0.1", true, func(q *journal.Query, v string) { q.Client = v }},
	{"login", "login", "", true, func(q *journal.Query, v string) { q.Login = v }},
	{"sender", "sender", "info@example.org", true, func(q *journal.Query, v string) { q.Sender = v }},
	{"sender_domain", "sender domain", "", false, func(q *journal.Query, v string) { q.SenderDomain = v }},
	{"domain", "recipient domain", "example.net", true, func(q *journal.Query, v string) { q.RecipientDomain = v }},
	{"rule", "rule", "M09", true, func(q *journal.Query, v string) { q.Rule = v }},
	{"check", "decided by", "", false, func(q *journal.Query, v string) { q.Check = v }},
	{"reason", "reason", "", false, func(q *journal.Query, v string) { q.Reason = v }},
	{"unsigned", "left unsigned for", "", false, func(q *journal.Query, v string) { q.UnsignedReason = v }},
	{"signature", "signed by", "", false, func(q *journal.Query, v string) { q.Signature = v }},
	{"scan", "scanned", "", false, func(q *journal.Query, v string) { q.Scan = v }},
	{"failure", "broken check", "", false, func(q *journal.Query, v string) { q.Failure = v }},
}

// ends are the verdicts that a search can choose.
var ends = []string{"accepted", "held", "refused", "tempfailed", "discarded", "passed", "aborted", "lost"}

// messages searches the journal for what the address asks.
func (p *Page) messages(r *http.Request) (any, error) {
	asked := r.URL.Query()
	q, err := queryOf(asked)
	if err != nil {
		return nil, err
	}
	d := &messagesData{Chosen: map[string]bool{}, Found: []journal.Record{}}
	d.describe(asked)
	j, err := p.reader()
	if err != nil {
		return nil, err
	}
	if d.Empty = j == nil; d.Empty {
		return d, nil
	}
	defer j.Close()
	// An id is looked up in one way, whatever else is searched slowly.
	if id := strings.TrimSpace(asked.Get("q")); looksLikeID(id) && asked.Get("before") == "" {
		if found, err := j.Find(r.Context(), id); err == nil && len(found) > 0 {
			d.Found = found
			return d, nil
		}
	}
	found, err := j.Search(r.Context(), q)
	if d.Cut = errors.Is(err, context.DeadlineExceeded); err != nil && !d.Cut {
		return nil, err
	}
	d.Found = append(d.Found, found...)
	if len(found) == pageLength {
		d.Next = found[len(found)-1].ID
		older := cloneValues(asked)
		older.Set("before", strconv.FormatInt(d.Next, 10))
		d.Older = messagesLink(older)
	}
	return d, nil
}

// looksLikeID reports whether a text may be a queue id or a Message-ID.
func looksLikeID(text string) bool {
	const shortest = 6
	return len(text) >= shortest && !strings.ContainsAny(text, " \t")
}

func queryOf(asked url.Values) (journal.Query, error) {
	q := journal.Query{Limit: pageLength}
	for _, param := range parameters {
		param.set(&q, strings.TrimSpace(asked.Get(param.name)))
	}
	for _, v := range asked["verdict"] {
		if !slices.Contains(ends, v) {
			return q, &problem{http.StatusBadRequest, fmt.Sprintf("A message does not end %q.", v)}
		}
		q.Verdicts = append(q.Verdicts, v)
	}
	for name, at := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		text := asked.Get(name)
		if text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return q, &problem{http.StatusBadRequest, fmt.Sprintf("%q is no time such as 2026-11-24T12:00:00Z.", text)}
		}
		*at = t
	}
	if text := asked.Get("before"); text != "" {
		before, err := strconv.ParseInt(text, 10, 64)
		if err != nil || before < 0 {
			return q, &problem{http.StatusBadRequest, fmt.Sprintf("%q is no place in the list.", text)}
		}
		q.Before = before
	}
	return q, nil
}

// describe fills in the form, and what is set of it.
func (d *messagesData) describe(asked url.Values) {
	for _, v := range asked["verdict"] {
		d.Chosen[v] = true
	}
	for _, param := range parameters {
		value := asked.Get(param.name)
		if param.shown {
			d.Fields = append(d.Fields, field{param.name, param.label, value, param.hint})
		}
		if value == "" {
			continue
		}
		f := filter{param.name, param.label, value, without(asked, param.name)}
		d.Filters = append(d.Filters, f)
		if !param.shown {
			d.Hidden = append(d.Hidden, f)
		}
	}
	if v := asked["verdict"]; len(v) > 0 {
		d.Filters = append(d.Filters, filter{"verdict", "ended", strings.Join(v, ", "), without(asked, "verdict")})
	}
	for name, label := range map[string]string{"since": "from", "until": "to"} {
		if value := asked.Get(name); value != "" {
			f := filter{name, label, value, without(asked, name)}
			d.Filters, d.Hidden = append(d.Filters, f), append(d.Hidden, f)
		}
	}
	slices.SortStableFunc(d.Filters, func(a, b filter) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(d.Hidden, func(a, b filter) int { return strings.Compare(a.Name, b.Name) })
}

// Ends lists the verdicts of the form.
func (d *messagesData) Ends() []string { return ends }

// without returns the address of the same search less one condition.
func without(asked url.Values, name string) string {
	rest := cloneValues(asked)
	rest.Del(name)
	rest.Del("before")
	return messagesLink(rest)
}

func cloneValues(v url.Values) url.Values {
	clone := url.Values{}
	for name, values := range v {
		clone[name] = slices.Clone(values)
	}
	return clone
}

// messageData is the story of one message.
type messageData struct {
	Record journal.Record `json:"record"`
	Story  string         `json:"story"`
	Like   []like         `json:"-"` // searches for more of the kind
}

// like is a search that a story leads to.
type like struct{ Words, Link string }

func (p *Page) message(r *http.Request) (any, error) {
	unknown := &problem{http.StatusNotFound, "There is no such message in the journal: it is too old, or it never was."}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, unknown
	}
	j, err := p.reader()
	if err != nil {
		return nil, err
	}
	if j == nil {
		return nil, unknown
	}
	defer j.Close()
	record, err := j.ByID(r.Context(), id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	var story strings.Builder
	if err := record.WriteStory(&story, p.s.Zone); err != nil {
		return nil, err
	}
	return &messageData{Record: record, Story: story.String(), Like: likes(&record)}, nil
}

// likes are searches for other messages of the same client, login, sender and verdict.
func likes(r *journal.Record) []like {
	var list []like
	add := func(words, name, value string) {
		if value != "" {
			list = append(list, like{words + " " + value, messagesLink(url.Values{name: {value}})})
		}
	}
	add("client", "client", r.Client.Addr)
	add("login", "login", r.Client.Login)
	add("sender", "sender", r.Sender)
	add("ended", "verdict", r.Verdict)
	return list
}
