// Package journal makes one record of every message, whatever its end, and keeps
// it: in SQLite files in the state folder, one a day, and as JSON lines. It answers
// what became of a message and why, and sums up many.
//
// Records are made off the way of the mail: Observe takes what it needs and
// returns; one goroutine for each place that records go to writes them in batches.
// A full disk, a locked file or a dead one costs records, which are counted and
// raised as an alarm, and never mail. A crash costs what was not written yet, less
// than a second of it.
//
// What is kept of a person is what is needed to answer for a message: client,
// login and sender, the domains of the recipients, their addresses and the Subject
// only if configured; never anything of the body.
//
// What does not live here: the words of the command line and the page, and what is
// alerted.
package journal

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"pratique/message"
)

// Alarm is told when records are lost or can't be written, and when that is over.
// Both return at once and may be called again and again.
type Alarm interface {
	Raise(name, subject, text string, critical bool)
	Clear(name, subject string)
}

// AlarmName is what the journal raises; the subject is the place that can't be written.
const AlarmName = "journal_failing"

// Journal records messages. It is safe for concurrent use.
type Journal struct {
	opts  atomic.Pointer[Options]
	now   func() time.Time
	store *queue // nil: no records in SQLite
	lines *queue
	files *store
	json  *lines
}

// New begins a journal. A state folder that can't be written is no error: it is
// said in the log, alarmed, and tried again. The alarm may be nil.
func New(opts Options, stateDir string, now func() time.Time, log *slog.Logger, alarm Alarm) *Journal {
	if alarm == nil {
		alarm = silent{}
	}
	j := &Journal{now: now}
	j.opts.Store(&opts)
	j.json = newLines(&j.opts, os.Stdout)
	j.lines = newQueue("json", j.json, now, log, alarm)
	if opts.Store != "" {
		j.files = newStore(&j.opts, folder(stateDir), now, log)
		j.store = newQueue(storeSQLite, j.files, now, log, alarm)
	}
	return j
}

// Use has what comes next meet other options. Where the store is takes a new Journal.
func (j *Journal) Use(opts Options) { j.opts.Store(&opts) }

// Observe records a message that has ended. It never waits: if what was told before
// can't be written fast enough, the record is lost, and counted.
func (j *Journal) Observe(m *message.Message, o message.Outcome) {
	opts := j.opts.Load()
	if j.store == nil && opts.JSON == "" {
		return
	}
	e := take(m, o, j.now(), opts)
	if j.store != nil {
		j.store.put(e)
	}
	if opts.JSON != "" {
		j.lines.put(e)
	}
}

// Reopen has the file of JSON lines opened anew, as after it was renamed. One that
// was renamed is noticed by itself, too.
func (j *Journal) Reopen() { j.json.reopen.Store(true) }

// Close writes what is left, as long as the context allows, and ends the journal.
// What is observed after it is lost.
func (j *Journal) Close(ctx context.Context) error {
	err := j.lines.close(ctx)
	if j.store != nil {
		err = errors.Join(err, j.store.close(ctx))
	}
	return err
}

// Stats are the figures of one place that records go to.
type Stats struct {
	Written, Lost int64 // records since the start
	Waiting       int   // records not written yet
	Bytes         int64 // on disk, all files together; 0 if not known
}

// Stats returns the figures of "sqlite" and "json". They are the same names all the time.
func (j *Journal) Stats() map[string]Stats {
	all := map[string]Stats{"json": j.lines.stats(), storeSQLite: {}}
	if j.store != nil {
		s := j.store.stats()
		s.Bytes = j.files.bytes.Load()
		all[storeSQLite] = s
	}
	return all
}

type silent struct{}

func (silent) Raise(string, string, string, bool) {}
func (silent) Clear(string, string)               {}
