package alerts

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Notification is what is told at once: one event, or several that came together.
// As JSON it is the body of the webhook and the input of the command, and its form
// is a promise: docs/alerts.md.
type Notification struct {
	Version int       `json:"version"` // 1
	ID      string    `json:"id"`      // the same for every attempt to deliver it
	At      time.Time `json:"at"`
	Host    string    `json:"host"`
	Alerts  []Event   `json:"alerts"` // at least one, the most severe first
	More    int       `json:"more"`   // events on top of these, that are not listed
}

// formVersion is the version of the form above.
const formVersion = 1

// maxListed bounds the events of one notification.
const maxListed = 50

// step does what is due: it resolves what was over for long enough, says again what
// lasts, and hands out what is untold.
func (m *Manager) step() {
	m.stepping.Lock()
	defer m.stepping.Unlock()
	if m.advance(m.env.Now()) {
		m.save()
	}
}

// advance is step without the file, and reports whether there is something to write.
func (m *Manager) advance(now time.Time) (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mindTooMany(now)
	for _, s := range m.ordered() {
		switch {
		case !s.Over.IsZero():
			if since(&s.Over, now) >= m.patience(s) {
				m.resolve(s, now)
			}
		case since(&s.Told, now) >= m.opts.Repeat:
			m.tell(s, Repeated, now)
		}
	}
	maps.DeleteFunc(m.recent, func(_ key, r comeback) bool { return since(&r.at, now) >= m.opts.Repeat })
	for _, n := range m.bundle(now) {
		for _, c := range m.channels {
			c.offer(n)
		}
	}
	return m.changed
}

// since returns how long ago a time was. One that has not come yet, because the
// clock was put back, is taken for now: else nothing would be said until then.
func since(t *time.Time, now time.Time) time.Duration {
	if now.Before(*t) {
		*t = now
	}
	return now.Sub(*t)
}

// maxDoublings bounds how often the patience with what flaps is doubled.
const maxDoublings = 8

// patience is how long an alert must have been over. One that came back again and
// again must have been over for longer each time, until it is as long as an alert
// that lasts keeps silent.
func (m *Manager) patience(s *Status) time.Duration {
	longer := m.opts.ResolveAfter << min(s.Back, maxDoublings)
	patience := max(m.opts.ResolveAfter, min(longer, m.opts.Repeat))
	if s.kept {
		patience = max(patience, confirm)
	}
	return patience
}

func (m *Manager) resolve(s *Status, now time.Time) {
	k := key{s.Name, s.Subject}
	m.tell(s, Resolved, now)
	delete(m.active, k)
	if len(m.recent) < maxActive {
		m.recent[k] = comeback{now, s.Back}
	}
	m.count()
}

// mindTooMany raises an alert for those that found no place.
func (m *Manager) mindTooMany(now time.Time) {
	k := key{name: tooMany}
	s := m.active[k]
	switch {
	case m.refused > 0:
		text := fmt.Sprintf("%d alerts are active, and more were raised that are not kept; look at the first ones", len(m.active))
		if s == nil {
			s = &Status{Alert: Alert{Name: tooMany, Severity: Critical, Text: text}, Since: now}
			m.active[k] = s
			m.tell(s, Firing, now)
			m.count()
		}
		s.Seen, s.Over = now, time.Time{}
		m.refused = 0
	case s != nil && s.Over.IsZero() && len(m.active) < maxActive:
		s.Over = now
		m.changed = true
	}
}

// count tells the metrics how many alerts are active.
func (m *Manager) count() {
	if m.env.Metrics == nil {
		return
	}
	counts := map[[2]string]int{}
	for _, s := range m.active {
		counts[[2]string{metricName(s.Name), s.Severity.String()}]++
	}
	m.env.Metrics.AlertsActive(counts)
}

// A window counts the notifications of a minute.
type window struct {
	began time.Time
	sent  int
}

// bundle makes notifications of what is untold: one for each event, and once as
// many have gone out in a minute as may, one for all the others when it is over.
func (m *Manager) bundle(now time.Time) []Notification {
	if len(m.untold) == 0 {
		return nil
	}
	if m.window.began.IsZero() || since(&m.window.began, now) >= time.Minute {
		m.window = window{began: now}
	}
	var all []Notification
	for len(m.untold) > 0 && m.window.sent < m.opts.PerMinute-1 {
		all = append(all, m.notification(m.untold[:1], now))
		m.untold = m.untold[1:]
		m.window.sent++
	}
	// The last one of a minute holds all that came until then; it goes when nothing
	// new came for a moment, so that a burst is one message.
	if len(m.untold) > 0 && m.window.sent < m.opts.PerMinute && settled(m.untold, now) {
		all = append(all, m.notification(m.untold, now))
		m.untold = nil
		m.window.sent++
	}
	return all
}

// burst is how long it is waited whether more comes, before many are told as one.
const burst = 5 * time.Second

// settled reports whether the oldest untold event is old enough. It does not wait
// for silence, which a steady stream of alerts would never let come.
func settled(untold []Event, now time.Time) bool {
	passed := now.Sub(untold[0].At)
	return passed >= burst || passed < 0
}

func (m *Manager) notification(events []Event, now time.Time) Notification {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Event) int { return int(b.Severity) - int(a.Severity) })
	listed := events[:min(len(events), maxListed)]
	return Notification{Version: formVersion, ID: rand.Text(), At: now, Host: m.env.Hostname,
		Alerts: listed, More: len(events) - len(listed)}
}
