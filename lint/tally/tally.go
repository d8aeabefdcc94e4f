// Package tally counts what the rules of package lint found, by day, client and
// rule, so that turning a rule to reject is a decision with numbers. It keeps
// counts only, no message and no address of a recipient, in one small file of the
// state folder.
package tally

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pratique/message"
	"pratique/state"
)

// Bounds: a client that comes on top of so many on one day counts as Others.
const (
	keepDays   = 32
	maxClients = 2000 // a day
	saveEvery  = time.Minute
)

// The clients that are none.
const (
	Others  = "(others)"
	Local   = "(local)"   // not by SMTP
	Unknown = "(unknown)" // its address could not be read
)

const (
	fileName  = "findings.json"
	dayLayout = "2006-01-02"
	checkName = "lint"
	gateName  = "access" // whose one rule, on senders that are not permitted, is of the catalogue too
)

// Day is what was counted on one day (UTC), by client.
type Day map[string]*Client

// Client is what was counted of the messages of one client.
type Client struct {
	Messages int            `json:"messages"`
	Rules    map[string]int `json:"rules,omitempty"` // messages in which the rule found something, by its id
}

// counts is the file.
type counts struct {
	Days map[string]Day `json:"days"` // by date
}

// Tally is an observer that counts. It is safe for concurrent use.
type Tally struct {
	path  string
	clock func() time.Time
	log   *slog.Logger

	saving  sync.Mutex // held while the file is written, so that no older counts replace newer ones
	mu      sync.Mutex
	counts  counts
	changed bool
	failing bool // the last save failed, which was said
}

// Open reads what was counted before in a state folder. A file that can't be
// understood is set aside: what was counted is not worth keeping mail from leaving.
func Open(stateDir string, clock func() time.Time, log *slog.Logger) (*Tally, error) {
	t := &Tally{path: filepath.Join(stateDir, fileName), clock: clock, log: log}
	var err error
	t.counts, err = read(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.As(err, new(*damaged)):
		aside, asideErr := state.SetAside(t.path, clock())
		if asideErr != nil {
			return nil, asideErr
		}
		log.Warn("the counts of findings are damaged, and begin anew", "file", t.path, "aside", aside, "error", err)
	case err != nil:
		return nil, err
	}
	if t.counts.Days == nil {
		t.counts.Days = map[string]Day{}
	}
	return t, nil
}

// damaged is a file that can't be understood.
type damaged struct{ error }

func (d *damaged) Unwrap() error { return d.error }

func read(path string) (counts, error) {
	var c counts
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return counts{}, &damaged{fmt.Errorf("read %s: %w", path, err)}
	}
	for _, day := range c.Days {
		for name, client := range day {
			if client == nil {
				delete(day, name)
			}
		}
	}
	return c, nil
}

// Observe counts a message that was judged.
func (t *Tally) Observe(m *message.Message, o message.Outcome) {
	switch o.Verdict {
	case message.Passed, message.Aborted, message.Lost:
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.client(t.clock().UTC().Format(dayLayout), clientOf(m))
	c.Messages++
	counted := map[string]bool{} // a rule may find several things in one message
	for _, f := range m.Findings {
		if f.Check != checkName && f.Check != gateName || counted[f.Rule] {
			continue
		}
		counted[f.Rule] = true
		if c.Rules == nil {
			c.Rules = map[string]int{}
		}
		c.Rules[f.Rule]++
	}
	t.changed = true
}

func clientOf(m *message.Message) string {
	switch {
	case m.Client.Local:
		return Local
	case !m.Client.Addr.IsValid():
		return Unknown
	}
	return m.Client.Addr.String()
}

func (t *Tally) client(date, name string) *Client {
	day := t.counts.Days[date]
	if day == nil {
		day = Day{}
		t.counts.Days[date] = day
		t.forget()
	}
	if day[name] == nil && len(day) >= maxClients {
		name = Others
	}
	if day[name] == nil {
		day[name] = &Client{}
	}
	return day[name]
}

// forget drops days that are too old.
func (t *Tally) forget() {
	oldest := t.clock().UTC().AddDate(0, 0, -keepDays).Format(dayLayout)
	for date := range t.counts.Days {
		if date < oldest {
			delete(t.counts.Days, date)
		}
	}
}

// Run saves now and then, until the context ends, and once more.
func (t *Tally) Run(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.Save()
		case <-ctx.Done():
			t.Save()
			return
		}
	}
}

// Save writes what has changed. A failure is logged once, and what was counted is
// written the next time.
func (t *Tally) Save() {
	t.saving.Lock()
	defer t.saving.Unlock()
	t.mu.Lock()
	if !t.changed {
		t.mu.Unlock()
		return
	}
	text, err := json.Marshal(t.counts)
	t.changed = false
	t.mu.Unlock()
	if err == nil {
		err = state.Replace(t.path, text, state.FileMode)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && !t.failing {
		t.log.Error("the counts of findings can't be saved; mail goes on", "error", err)
	}
	t.failing, t.changed = err != nil, t.changed || err != nil
}
