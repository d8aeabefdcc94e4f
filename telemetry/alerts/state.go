package alerts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pratique/state"
)

const fileName = "alerts.json"

// Report is what a state folder knows of alerts.
type Report struct {
	Active  []Status `json:"active"` // the most severe first
	History []Event  `json:"recent"` // what was told, the newest last
	Untold  []Event  `json:"untold,omitempty"`
	// Undelivered waits to be delivered, by channel.
	Undelivered map[string][]Notification `json:"undelivered,omitempty"`
}

// Read returns what the daemon wrote into its state folder; it is behind by a
// second. The error wraps fs.ErrNotExist if no daemon has written there yet.
func Read(state string) (Report, error) {
	path := filepath.Join(state, fileName)
	text, err := os.ReadFile(path)
	if err != nil {
		return Report{}, fmt.Errorf("read the alerts: %w", err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return Report{}, &damaged{fmt.Errorf("read %s: %w", path, err)}
	}
	return r, nil
}

// damaged is a file that can't be understood.
type damaged struct{ error }

func (d *damaged) Unwrap() error { return d.error }

// confirm is how long an alert of a daemon before this one may wait to be raised
// again, before it counts as over: what found it has to look again first.
const confirm = 30 * time.Minute

// load takes over what the last daemon kept. Its alerts stay active, and are not
// told again; those that nobody raises any more will be resolved.
func (m *Manager) load() Report {
	if m.env.State == "" {
		return Report{}
	}
	r, err := Read(m.env.State)
	switch {
	case errors.As(err, new(*damaged)):
		aside, asideErr := state.SetAside(filepath.Join(m.env.State, fileName), m.env.Now())
		m.env.Log.Error("alerts: what was told before is damaged and set aside; alerts begin anew",
			"aside", aside, "error", errors.Join(err, asideErr))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		m.env.Log.Error("alerts: what was told before can't be read; alerts begin anew", "error", err)
	}
	for _, s := range r.Active[:min(len(r.Active), maxActive)] {
		s.Alert = tidy(s.Alert)
		if s.Over.IsZero() {
			s.Over, s.kept = m.env.Now(), true
		}
		m.active[key{s.Name, s.Subject}] = &s
	}
	m.history = r.History[max(0, len(r.History)-maxHistory):]
	m.untold = r.Untold
	m.count()
	return r
}

// snapshot copies what is known, so that nobody who raises an alert waits for it to be written.
func (m *Manager) snapshot() Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed = false
	return Report{Active: m.sorted(), History: slices.Clone(m.history), Untold: slices.Clone(m.untold), Undelivered: m.undelivered()}
}

// save writes what is known. A failure is said once: alerts go on without it.
func (m *Manager) save() {
	if m.env.State == "" {
		return
	}
	m.saving.Lock()
	defer m.saving.Unlock()
	text, err := json.MarshalIndent(m.snapshot(), "", " ")
	if err == nil {
		err = state.Replace(filepath.Join(m.env.State, fileName), text, state.FileMode)
	}
	if err != nil && !m.failed {
		m.env.Log.Error("alerts: what was told can't be written down; after a restart it is told again", "error", err)
	}
	m.failed = err != nil
}
