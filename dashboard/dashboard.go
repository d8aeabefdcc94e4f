// Package dashboard is the page: what passes now, what was refused and why, who
// sends, what is near its limit, what is wrong, and the story of every message. It
// is made on the server and works without JavaScript; nothing of it comes from
// elsewhere, and nothing can be changed by it.
//
// What does not live here: the figures, which the rooms keep and hand in; metrics
// for machines; and what a message's record says.
package dashboard

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pratique/journal"
	"pratique/telemetry/alerts"
)

//go:embed templates static
var files embed.FS

// Sources are where the page has its figures from. A source that is nil is left
// out; all are safe for concurrent use and none waits longer than its context.
type Sources struct {
	State    string // folder of the journal
	Hostname string
	Version  string // of the program
	Now      func() time.Time
	Zone     *time.Location
	Log      *slog.Logger

	// Alerts returns what is wrong now, the most severe first, and what was told lately, the newest first.
	Alerts func() ([]alerts.Status, []alerts.Event)
	// Usual returns what is usual in each hour between two times, oldest first.
	Usual func(since, until time.Time) []Band
	// Limits returns the limits that are nearly used up, the fullest first.
	Limits func() []Limit
	// Posture returns the last audit; the zero one if there was none.
	Posture func() Posture
	// Queue returns the MTA's queue as it was sampled, oldest first.
	Queue func(since, until time.Time) []Queue
	// Returned returns what came back.
	Returned func(ctx context.Context, since, until time.Time) (Returned, error)
}

// Band is what is usual in an hour: messages.
type Band struct {
	At                time.Time
	Low, Median, High float64
}

// Limit is a limit and how full it is for a key.
type Limit struct {
	Kind, Key string
	Name      string // the limit in words, such as "recipients per client in 1h"
	Used, Max int64
	Frees     time.Duration // until there is more room; 0: not known
}

// Link returns where its messages are, "" where the journal can't be asked so.
func (l Limit) Link() string {
	param := map[string]string{"client": "client", "login": "login", "sender": "sender", "sender_domain": "sender_domain", "recipient_domain": "domain"}[l.Kind]
	if param == "" || strings.Contains(l.Key, "/") { // a network has no messages of its own there
		return ""
	}
	return messagesLink(url.Values{param: {l.Key}})
}

// Share returns how full it is, in per cent.
func (l Limit) Share() int { return int(100 * l.Used / max(l.Max, 1)) }

// Posture is an audit of this server.
type Posture struct {
	At     time.Time
	Status string // ok, info, unknown, warn or fail
	Items  []PostureItem
}

// PostureItem is one finding of an audit.
type PostureItem struct{ Status, Topic, Subject, Found, Means, Do string }

// Queue is the MTA's queue at a time.
type Queue struct {
	At     time.Time
	Size   map[string]int // by the name of the queue
	Oldest time.Duration
	Top    []QueueReason // where to and why, most first
}

// QueueReason is what waits for one destination, for one reason.
type QueueReason struct {
	Destination, Reason string
	Messages            int
}

// Returned is what came back of what was sent.
type Returned struct {
	Sent, Bounced, Complaints int64
	Reasons                   []ReturnedReason // most first
}

// ReturnedReason is why mail came back, of one receiver.
type ReturnedReason struct {
	Kind, Receiver, Reason string
	Count                  int64
}

// Page serves the page.
type Page struct {
	s     Sources
	pages map[string]*template.Template
	live  chan struct{} // a place for each that waits for news
}

// mostLive bounds the browsers that wait for news at once. Others see the page, and reload it themselves.
const mostLive = 64

// New returns the page over its sources.
func New(s Sources) (*Page, error) {
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	p := &Page{s: s, pages: map[string]*template.Template{}, live: make(chan struct{}, mostLive)}
	layout, err := template.New("layout.html").Funcs(p.functions()).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("read the templates: %w", err)
	}
	for _, name := range []string{"overview", "messages", "message", "alerts", "limits", "posture", "queue", "problem"} {
		page, err := template.Must(layout.Clone()).ParseFS(files, "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("read the templates: %w", err)
		}
		p.pages[name] = page
	}
	return p, nil
}

// Handler serves the page, its parts, and its figures as JSON below /api/.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", cached(http.FileServerFS(static))))
	mux.HandleFunc("GET /live", p.serveLive)
	for path, question := range map[string]question{
		"":              {"overview", p.overview},
		"messages":      {"messages", p.messages},
		"messages/{id}": {"message", p.message},
		"alerts":        {"alerts", p.alerts},
		"limits":        {"limits", p.limits},
		"posture":       {"posture", p.posture},
		"queue":         {"queue", p.queue},
	} {
		pattern := path
		if path == "" {
			pattern = "{$}"
		}
		mux.HandleFunc("GET /"+pattern, func(w http.ResponseWriter, r *http.Request) { p.answer(w, r, question) })
		if path == "" {
			pattern = "overview"
		}
		mux.HandleFunc("GET /api/"+pattern, func(w http.ResponseWriter, r *http.Request) { p.answerJSON(w, r, question) })
	}
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		p.problem(w, &problem{http.StatusNotFound, "There is no such page."})
	})
	return secured(mux)
}

// question is a page and what finds out what is on it.
type question struct {
	page string
	find func(r *http.Request) (any, error)
}

// problem is an answer other than a page, in words for a person.
type problem struct {
	Code int
	Text string
}

func (p *problem) Error() string { return p.Text }

// patience bounds what one page may take to find out.
const patience = 20 * time.Second

func (p *Page) answer(w http.ResponseWriter, r *http.Request, q question) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	data, err := q.find(r.WithContext(ctx))
	if err != nil {
		p.problem(w, err)
		return
	}
	p.render(w, http.StatusOK, q.page, r.URL.Path, data)
}

// view is what every template has.
type view struct {
	Page     string
	Path     string
	Hostname string
	Version  string
	Now      time.Time
	Wrong    int // active alerts
	Has      map[string]bool
	Data     any
}

func (p *Page) render(w http.ResponseWriter, code int, page, path string, data any) {
	v := view{Page: page, Path: path, Hostname: p.s.Hostname, Version: p.s.Version, Now: p.s.Now(), Data: data,
		Has: map[string]bool{"limits": p.s.Limits != nil, "posture": p.s.Posture != nil, "queue": p.s.Queue != nil || p.s.Returned != nil}}
	if p.s.Alerts != nil {
		active, _ := p.s.Alerts()
		v.Wrong = len(active)
	}
	var b bytes.Buffer // whole, or not at all
	if err := p.pages[page].ExecuteTemplate(&b, "layout.html", v); err != nil {
		p.s.Log.Error("dashboard: make a page", "page", page, "error", err)
		http.Error(w, "the page could not be made; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // the client went away: nothing to do about it
}

// problem shows what went wrong.
func (p *Page) problem(w http.ResponseWriter, err error) {
	known := p.known(err)
	p.render(w, known.Code, "problem", "", known)
}

// reader opens the journal. Where there is none the reader is nil.
func (p *Page) reader() (*journal.Reader, error) {
	r, err := journal.OpenReader(p.s.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return r, err
}
