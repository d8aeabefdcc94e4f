package maillog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"
)

// Journald follows the journal of systemd by journalctl(1).
type Journald struct {
	program string // path of journalctl
	pos     Position
}

// NewJournald returns a follower that goes on behind a position; from the zero
// Position it begins with what is logged from now on.
func NewJournald(pos Position) (*Journald, error) {
	program, err := exec.LookPath("journalctl")
	if err != nil {
		return nil, fmt.Errorf("follow the journal of systemd: %w", err)
	}
	return &Journald{program, pos}, nil
}

// How journalctl is followed.
const (
	restartAfter = 5 * time.Second
	flushEvery   = time.Second
)

// Run reads until the context ends. A journalctl that ends is started again.
func (j *Journald) Run(ctx context.Context, batch func([]Delivery, Position), failed func(error)) {
	for ctx.Err() == nil {
		err := j.once(ctx, batch, func() { failed(nil) })
		if ctx.Err() != nil {
			return
		}
		failed(fmt.Errorf("follow the journal of systemd: journalctl ended: %w", err))
		select {
		case <-ctx.Done():
		case <-time.After(restartAfter):
		}
	}
}

func (j *Journald) arguments() []string {
	args := []string{"--follow", "--output=json", "--no-pager", "--quiet", "SYSLOG_FACILITY=2"} // LOG_MAIL
	if j.pos.Cursor != "" {
		return append(args, "--after-cursor="+j.pos.Cursor)
	}
	return append(args, "--lines=0")
}

func (j *Journald) once(ctx context.Context, batch func([]Delivery, Position), works func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.program, j.arguments()...)
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	works()
	entries := make(chan entry, maxBatch)
	read := make(chan error, 1)
	go func() {
		read <- readJournal(out, func(e entry) {
			select {
			case entries <- e:
			case <-ctx.Done():
			}
		})
		close(entries)
	}()
	j.collect(entries, batch)
	cancel()
	return errors.Join(<-read, cmd.Wait())
}

// collect hands over what comes, together with what comes soon after.
func (j *Journald) collect(entries <-chan entry, batch func([]Delivery, Position)) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var found []Delivery
	flush := func() {
		if len(found) > 0 {
			batch(found, j.pos)
			found = nil
		}
	}
	defer flush()
	for {
		select {
		case e, ok := <-entries:
			if !ok {
				return
			}
			j.pos = Position{Cursor: e.cursor}
			if d, ok := ParseMessage(e.at, e.program, e.message); ok {
				found = append(found, d)
			}
			if len(found) >= maxBatch {
				flush()
			}
		case <-tick.C:
			flush()
		}
	}
}

// entry is one line of the journal.
type entry struct {
	at                       time.Time
	program, message, cursor string
}

// readJournal reads what journalctl --output=json writes.
func readJournal(r io.Reader, visit func(entry)) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 16*maxLine)
	for in.Scan() {
		var line struct {
			Program string `json:"SYSLOG_IDENTIFIER"`
			Message text   `json:"MESSAGE"`
			Time    string `json:"__REALTIME_TIMESTAMP"` // microseconds
			Cursor  string `json:"__CURSOR"`
		}
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			continue // a line that is none of ours
		}
		micros, err := strconv.ParseInt(line.Time, 10, 64)
		if err != nil {
			continue
		}
		visit(entry{time.UnixMicro(micros), line.Program, string(line.Message), line.Cursor})
	}
	return in.Err()
}

// text is a field of the journal: a string, or its octets as numbers if it is no UTF-8.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
		return nil
	}
	var octets []uint8
	var numbers []int
	if err := json.Unmarshal(data, &numbers); err != nil {
		return err
	}
	for _, n := range numbers {
		octets = append(octets, uint8(n))
	}
	*t = text(octets)
	return nil
}
