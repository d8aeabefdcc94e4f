package maillog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Journald follows the journal of systemd by journalctl(1).
type Journald struct {
	folder string // of journal files; "": the journal of this machine
	pos    Position
	find   func(string) (string, error) // of a program; see exec.LookPath
	pause  time.Duration                // before a journalctl that ended is started again
}

// NewJournald returns a follower of the journal of this machine, or of the journal
// files in a folder. It goes on behind a position; from the zero Position it begins
// with what is logged from now on.
func NewJournald(folder string, pos Position) *Journald {
	return &Journald{folder, pos, exec.LookPath, restartAfter}
}

// How journalctl is followed.
const (
	restartAfter = 5 * time.Second
	flushEvery   = time.Second
)

// Run reads until the context ends. A journalctl that ends is started again; one that
// is missing is looked for again. failed is told what hinders reading, and nil
// when it works.
func (j *Journald) Run(ctx context.Context, batch func([]Delivery, Position), failed func(error)) {
	for ctx.Err() == nil {
		err := j.once(ctx, batch, failed)
		if ctx.Err() != nil {
			return
		}
		failed(fmt.Errorf("follow the journal of systemd: %w", err))
		select {
		case <-ctx.Done():
		case <-time.After(j.pause):
		}
	}
}

// arguments are those of journalctl. Seen with systemd 252: --follow alone shows the
// current boot only, so that what was logged before a reboot would be lost, and
// --boot=all does not change that; --merge does, which also shows the journals of
// other machines, so the machine is named. --follow also cuts what lies behind a
// cursor to ten lines, unless --no-tail is given; and without --all a field of more
// than 4096 octets is null.
func (j *Journald) arguments() []string {
	args := []string{"--follow", "--merge", "--all", "--output=json", "--no-pager"}
	if j.pos.Cursor != "" {
		args = append(args, "--no-tail", "--after-cursor="+j.pos.Cursor)
	} else {
		args = append(args, "--lines=0")
	}
	if j.folder != "" {
		args = append(args, "--directory="+j.folder)
	} else if id, err := os.ReadFile("/etc/machine-id"); err == nil && len(bytes.TrimSpace(id)) > 0 {
		args = append(args, "_MACHINE_ID="+string(bytes.TrimSpace(id)))
	}
	return append(args, "SYSLOG_FACILITY=2") // LOG_MAIL
}

// once follows with one journalctl, until that ends.
func (j *Journald) once(ctx context.Context, batch func([]Delivery, Position), failed func(error)) error {
	program, err := j.find("journalctl")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, j.arguments()...)
	cmd.WaitDelay = time.Second
	complaint := &complaints{}
	cmd.Stderr = complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
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
	j.collect(entries, batch, func() { failed(complaint.err()) })
	cancel()
	err = errors.Join(<-read, cmd.Wait())
	if err == nil {
		err = errors.New("it ended")
	}
	return errors.Join(fmt.Errorf("journalctl: %w", err), complaint.err())
}

// collect hands over what comes, together with what comes soon after, and lets works
// be known now and then.
func (j *Journald) collect(entries <-chan entry, batch func([]Delivery, Position), works func()) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var found []Delivery
	begun := j.pos.Cursor != ""
	flush := func() {
		// Where it begins is kept, too: the lines of a first pause are not the past.
		if len(found) > 0 || !begun && j.pos.Cursor != "" {
			batch(found, j.pos)
			found, begun = nil, true
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
			if found = append(found, ParseMessage(e.at, e.program, e.message)...); len(found) >= maxBatch {
				flush()
			}
		case <-tick.C:
			flush()
			works()
		}
	}
}

// complaints keeps the beginning of what journalctl complains about, such as that
// this user may not see the journal: then it shows nothing, and goes on.
type complaints struct {
	mu   sync.Mutex
	text []byte
}

const maxComplaint = 1000

func (c *complaints) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, p[:min(len(p), maxComplaint-len(c.text))]...)
	return len(p), nil
}

func (c *complaints) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text := strings.Join(strings.Fields(string(c.text)), " "); text != "" {
		return fmt.Errorf("journalctl says: %s", text)
	}
	return nil
}

// entry is one line of the journal.
type entry struct {
	at                       time.Time
	program, message, cursor string
}

// maxEntry bounds an entry, in octets; a longer one is passed over. Anybody on this
// machine may log one, and would end the following for ever if it could.
const maxEntry = 16 * maxLine

// readJournal reads what journalctl --output=json writes, to its end.
func readJournal(r io.Reader, visit func(entry)) error {
	in := bufio.NewReaderSize(r, maxLine)
	var line []byte
	for {
		piece, err := in.ReadSlice('\n')
		if len(line) <= maxEntry {
			line = append(line, piece...)
		}
		switch {
		case err == nil:
			if e, ok := parseEntry(line); ok && len(line) <= maxEntry {
				visit(e)
			}
			line = line[:0]
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

// parseEntry reads one line; it is not ok if that is none of ours.
func parseEntry(data []byte) (e entry, ok bool) {
	var line struct {
		Program string `json:"SYSLOG_IDENTIFIER"`
		Message text   `json:"MESSAGE"`
		Time    string `json:"__REALTIME_TIMESTAMP"` // microseconds
		Cursor  string `json:"__CURSOR"`
	}
	if err := json.Unmarshal(data, &line); err != nil {
		return e, false
	}
	micros, err := strconv.ParseInt(line.Time, 10, 64)
	return entry{time.UnixMicro(micros), line.Program, string(line.Message), line.Cursor}, err == nil
}

// text is a field of the journal: a string, or its octets as numbers if it is no UTF-8.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
		return nil
	}
	var numbers []int
	if err := json.Unmarshal(data, &numbers); err != nil {
		return err
	}
	octets := make([]byte, len(numbers))
	for i, n := range numbers {
		octets[i] = byte(n)
	}
	*t = text(octets)
	return nil
}
