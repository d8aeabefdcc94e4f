package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"pratique/state"
)

// lines writes records as JSON, one a line, to a file that others may rename or
// remove at any time, or to standard output.
type lines struct {
	opts   *atomic.Pointer[Options]
	stdout io.Writer
	reopen atomic.Bool

	path string // of the file that is open
	file *os.File
	buf  bytes.Buffer
}

func newLines(opts *atomic.Pointer[Options], stdout io.Writer) *lines {
	return &lines{opts: opts, stdout: stdout}
}

func (l *lines) write(records []*Record) (int, error) {
	l.buf.Reset()
	encoder := json.NewEncoder(&l.buf)
	encoder.SetEscapeHTML(false)
	for _, r := range records {
		if err := encoder.Encode(r); err != nil {
			return 0, &uselessError{fmt.Errorf("encode a record: %w", err)}
		}
	}
	path := l.opts.Load().JSON
	if path == "-" {
		if _, err := l.stdout.Write(l.buf.Bytes()); err != nil { // part of it may have been written
			return 0, &uselessError{fmt.Errorf("write standard output: %w", err)}
		}
		return len(records), nil
	}
	if path == "" { // it was switched off by a reload
		return len(records), nil
	}
	if err := l.open(path); err != nil {
		return 0, err
	}
	if err := l.append(); err != nil {
		return 0, err
	}
	return len(records), nil
}

// open opens the file, again if another one has taken its name.
func (l *lines) open(path string) error {
	if l.file != nil && (l.path != path || l.reopen.Swap(false) || l.moved()) {
		_ = l.file.Close() // nothing is buffered
		l.file = nil
	}
	if l.file != nil {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, state.FileMode)
	if err != nil {
		return err
	}
	l.path, l.file = path, f
	return nil
}

func (l *lines) moved() bool {
	there, err := os.Stat(l.path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	here, err := l.file.Stat()
	return err == nil && !os.SameFile(there, here)
}

// append appends whole lines, or none: what was written of them before a disk was
// full is taken back.
func (l *lines) append() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if _, err = l.file.Write(l.buf.Bytes()); err == nil {
		return nil
	}
	if info.Mode().IsRegular() {
		err = errors.Join(err, l.file.Truncate(info.Size()))
	}
	return err
}

func (l *lines) gap(Gap) {}
func (l *lines) idle()   {}

func (l *lines) close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
