// Package alerts tells people that something is wrong, once, and that it is over.
// Other parts raise and clear conditions here, which is cheap and never waits; what
// is told when, to whom, and how often again, is decided here, and what was told is
// kept over restarts. Whether something is wrong is the business of who raises it.
package alerts

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// Severity says how soon somebody has to look.
type Severity uint8

// The severities.
const (
	Warning  Severity = iota // mail goes on; look during the day
	Critical                 // mail is not going on, or reputation is being lost: look now
)

func (s Severity) String() string {
	if s == Critical {
		return "critical"
	}
	return "warning"
}

// MarshalText writes warning or critical.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes. Anything else is critical: what was
// not understood is not played down.
func (s *Severity) UnmarshalText(text []byte) error {
	*s = Critical
	if string(text) == "warning" {
		*s = Warning
	}
	return nil
}

// Alert is a condition that somebody has to know of. Name and Subject together are
// what it is: two alerts that agree in both are one.
type Alert struct {
	Name      string   `json:"name"`              // one of Kinds
	Subject   string   `json:"subject,omitempty"` // what it is about, e.g. "client 10.0.0.1"; "": the whole
	Severity  Severity `json:"severity"`
	Text      string   `json:"text"`      // what is wrong and what to look at, one line
	Value     float64  `json:"value"`     // the figure that raised it, in the unit that Text names; 0: none
	Threshold float64  `json:"threshold"` // what Value was held against; 0: none
	// Step is how far it has come, where there are several: a higher one is told at once.
	Step int `json:"step,omitempty"`
}

// Bounds. What is longer is cut, what is more is told of in one alert that says so.
const (
	maxActive  = 1000
	maxHistory = 500
	maxText    = 1000 // octets
	maxSubject = 320
	maxName    = 64
)

// key is what an alert is.
type key struct{ name, subject string }

// Status is an active alert.
type Status struct {
	Alert
	Since time.Time `json:"since"`          // when it was raised first
	Seen  time.Time `json:"seen"`           // when it was raised last
	Told  time.Time `json:"told,omitzero"`  // when it was told last; zero: not yet
	Over  time.Time `json:"over,omitzero"`  // since when it seems to be over; zero: it lasts
	Back  int       `json:"back,omitempty"` // how often it came back shortly after it was over

	kept bool // from before a restart, and not raised since
}

// Event is something that was told.
type Event struct {
	At    time.Time `json:"at"`
	State State     `json:"state"`
	Alert
	Since time.Time `json:"since"` // when the alert was raised first
}

// State is what became of an alert.
type State string

// The states that are told.
const (
	Firing   State = "firing"   // it was raised
	Worse    State = "worse"    // it was a warning and is critical now
	Repeated State = "repeated" // it still lasts
	Resolved State = "resolved" // it is over
	Tested   State = "test"     // somebody tries whether alerts arrive
)

// Env is what a Manager has of the world.
type Env struct {
	State    string // folder; "": nothing is kept
	Hostname string // of this host, in what is told
	Now      func() time.Time
	Log      *slog.Logger
	Metrics  Metrics // nil: none
	Seal     *Seal   // of the mail
}

// Metrics counts. It must be safe for concurrent use and must not call the Manager.
type Metrics interface {
	AlertsActive(counts map[[2]string]int)  // by name and severity, all that are active
	AlertDelivery(channel string, r Result) // of an attempt to deliver a notification
}

// Manager knows what is wrong now. Its methods work on a nil Manager, which knows
// nothing and tells nobody.
type Manager struct {
	env  Env
	wake chan struct{}

	stepping sync.Mutex // held while notifications are handed out, or channels change

	mu       sync.Mutex
	opts     Options
	active   map[key]*Status
	recent   map[key]comeback
	history  []Event // the newest last
	untold   []Event
	window   window
	channels []*channel
	refused  int  // alerts that were not taken because too many were active
	changed  bool // since it was written

	saving sync.Mutex // held while the file is written
	failed bool       // the last write failed, which was said
}

// comeback remembers an alert that was resolved, to see whether it flaps.
type comeback struct {
	at   time.Time
	back int
}

// Open returns a Manager that goes on where the last one in the state folder ended.
// A file that can't be read is set aside and said: alerts begin anew then.
func Open(o Options, env Env) *Manager {
	m := &Manager{env: env, wake: make(chan struct{}, 1), active: map[key]*Status{}, recent: map[key]comeback{}}
	m.use(o, m.load().Undelivered)
	return m
}

// Use takes other options into force. What is not delivered yet goes where the new ones say.
func (m *Manager) Use(o Options) {
	if m == nil {
		return
	}
	m.stepping.Lock()
	defer m.stepping.Unlock()
	m.mu.Lock()
	same := reflect.DeepEqual(o, m.opts)
	m.mu.Unlock()
	if !same {
		m.use(o, m.stopChannels())
	}
}

// use starts the channels of the options with what waits for them.
func (m *Manager) use(o Options, waiting map[string][]Notification) {
	channels := newChannels(o, m)
	for _, c := range channels {
		c.start(waiting[c.name])
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opts, m.channels = o, channels
}

// stopChannels ends all deliveries and returns what is not delivered, by channel.
func (m *Manager) stopChannels() map[string][]Notification {
	m.mu.Lock()
	channels := m.channels
	m.mu.Unlock()
	for _, c := range channels {
		c.stop() // not under the lock: a delivery that fails raises an alert
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.undelivered()
}

func (m *Manager) undelivered() map[string][]Notification {
	waiting := map[string][]Notification{}
	for _, c := range m.channels {
		if w := c.waiting(); len(w) > 0 {
			waiting[c.name] = w
		}
	}
	return waiting
}

// Raise says that a condition is there. It may be said as often as one likes while
// it lasts; the latest text is the one that is told. It does not wait.
func (m *Manager) Raise(a Alert) {
	if m == nil {
		return
	}
	a = tidy(a)
	now := m.env.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.active[key{a.Name, a.Subject}]
	if s == nil {
		m.add(a, now)
		return
	}
	worse := a.Severity > s.Severity || a.Step > s.Step
	a.Severity, a.Step = max(a.Severity, s.Severity), max(a.Step, s.Step) // it is as bad as it was at its worst
	s.Alert, s.Seen, s.Over, s.kept = a, now, time.Time{}, false
	if worse {
		m.tell(s, Worse, now)
	}
}

// add begins an alert.
func (m *Manager) add(a Alert, now time.Time) {
	if len(m.active) >= maxActive {
		m.refused++
		return
	}
	s := &Status{Alert: a, Since: now, Seen: now}
	k := key{a.Name, a.Subject}
	if r, ok := m.recent[k]; ok {
		s.Back = r.back + 1
		delete(m.recent, k)
	}
	m.active[k] = s
	m.tell(s, Firing, now)
	m.count()
}

// tell puts an event on record, to be told at the next step.
func (m *Manager) tell(s *Status, state State, now time.Time) {
	e := Event{At: now, State: state, Alert: s.Alert, Since: s.Since}
	s.Told = now
	m.history = append(m.history, e)
	if over := len(m.history) - maxHistory; over > 0 {
		m.history = slices.Delete(m.history, 0, over)
	}
	m.untold = append(m.untold, e)
	m.changed = true
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Clear says that a condition is not there, which it may well never have been. An
// alert is resolved once that stayed so for as long as resolve_after says.
func (m *Manager) Clear(name, subject string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.active) == 0 {
		return
	}
	a := tidy(Alert{Name: name, Subject: subject})
	s := m.active[key{a.Name, a.Subject}]
	if s != nil && s.Over.IsZero() {
		s.Over = m.env.Now()
		m.changed = true
	}
}

// tidy bounds what comes in and takes out what could break a line of a log or of a header.
func tidy(a Alert) Alert {
	a.Name, a.Subject, a.Text = line(a.Name, maxName), line(a.Subject, maxSubject), line(a.Text, maxText)
	return a
}

// line makes one line of printable text, of at most so many octets.
func line(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), 4*most)], "?"))
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}

// Active returns what is wrong now, the most severe first, and of these the newest.
func (m *Manager) Active() []Status {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sorted()
}

func (m *Manager) sorted() []Status {
	all := []Status{}
	for _, s := range m.ordered() {
		all = append(all, *s)
	}
	return all
}

func (m *Manager) ordered() []*Status {
	all := slices.Collect(maps.Values(m.active))
	slices.SortFunc(all, func(a, b *Status) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), b.Since.Compare(a.Since),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Subject, b.Subject))
	})
	return all
}

// History returns what was told lately, the newest first.
func (m *Manager) History() []Event {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Clone(m.history)
	slices.Reverse(all)
	return all
}

// tick is how often it is looked whether something is over or to be said again.
const tick = time.Second

// Run tells, repeats and resolves until the context ends.
func (m *Manager) Run(ctx context.Context) {
	if m == nil {
		return
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			m.close()
			return
		case <-ticker.C:
		case <-m.wake:
		}
		m.step()
	}
}

// close ends the deliveries. What is not delivered is kept for the next start.
func (m *Manager) close() {
	m.step()
	m.stepping.Lock()
	defer m.stepping.Unlock()
	m.stopChannels()
	m.save()
}
