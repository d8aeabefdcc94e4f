package maillog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Position is how far a log was read, so that the next run goes on there.
type Position struct {
	Inode  uint64 `json:"inode,omitempty"`
	Offset int64  `json:"offset,omitempty"`
	Cursor string `json:"cursor,omitempty"` // of the journal
}

// pollEvery is how often a file is looked at.
const pollEvery = time.Second

// maxLine bounds a line; a longer one is passed over.
const maxLine = 64 << 10

// File follows a log file: over a rotation by renaming, which is told by the inode,
// to the end of the old file and on in the new one; over one by truncation, from
// the start again. A file that is missing is waited for.
type File struct {
	path string
	now  func() time.Time
	pos  Position
	file *os.File
	read *bufio.Reader
	part []byte // of a line whose end was not written yet
	long bool   // that line is too long
}

// NewFile returns a follower that goes on at a position. From the zero Position it
// begins at the end of the file: what was logged before is the past.
func NewFile(path string, pos Position, now func() time.Time) *File {
	return &File{path: path, now: now, pos: pos}
}

// Position returns how far the file was read, whole lines only.
func (f *File) Position() Position { return f.pos }

// Close closes the file.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Read calls visit for what was logged since the last call. It returns what hinders
// reading; the next call tries again.
func (f *File) Read(visit func(Delivery)) error {
	if f.file == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if err := f.lines(visit); err != nil {
		return err
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // just being rotated
	}
	if err != nil {
		return fmt.Errorf("follow the mail log: %w", err)
	}
	if inode(info) == f.pos.Inode {
		return nil
	}
	// It was renamed. Postfix writes into the old one until it opens the log anew, so
	// the old one is read once more before the new one.
	if err := f.lines(visit); err != nil {
		return err
	}
	return f.follow(visit)
}

// follow goes on with the file that has the name now.
func (f *File) follow(visit func(Delivery)) error {
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("follow the mail log: %w", err)
	}
	f.file, f.part, f.long = nil, nil, false
	f.pos = Position{Inode: ^uint64(0)} // from the start of whatever is there
	if err := f.open(); err != nil {
		return err
	}
	return f.lines(visit)
}

func (f *File) open() error {
	path := f.path
	if old, ok := f.rotatedAway(); ok {
		path = old
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && f.pos == (Position{}) {
		f.pos.Inode = ^uint64(0) // once it is there, all of it is new
	}
	if err != nil {
		return fmt.Errorf("follow the mail log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("follow the mail log: %w", err), file.Close())
	}
	switch {
	case f.pos == Position{}:
		f.pos.Offset = info.Size()
	case f.pos.Inode != inode(info) || f.pos.Offset > info.Size():
		f.pos.Offset = 0
	}
	f.pos.Inode = inode(info)
	if _, err := file.Seek(f.pos.Offset, io.SeekStart); err != nil {
		return errors.Join(fmt.Errorf("follow the mail log: %w", err), file.Close())
	}
	f.file, f.read = file, bufio.NewReaderSize(file, maxLine)
	return nil
}

// rotatedAway finds the file that was read last under the name that it has now, if
// it was renamed while nobody followed: logrotate adds ".1" or a date.
func (f *File) rotatedAway() (string, bool) {
	if info, err := os.Stat(f.path); f.pos.Inode == 0 || err != nil || inode(info) == f.pos.Inode {
		return "", false
	}
	dir, name := filepath.Split(f.path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return "", false
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), name) && inode(info) == f.pos.Inode {
			return filepath.Join(dir, e.Name()), true
		}
	}
	return "", false
}

func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

// lines reads to the end of the file.
func (f *File) lines(visit func(Delivery)) error {
	if info, err := f.file.Stat(); err == nil && info.Size() < f.pos.Offset { // truncated
		if _, err := f.file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("follow the mail log: %w", err)
		}
		f.read.Reset(f.file)
		f.pos.Offset, f.part, f.long = 0, nil, false
	}
	for {
		piece, err := f.read.ReadSlice('\n')
		if f.part = append(f.part, piece...); len(f.part) > maxLine {
			f.pos.Offset += int64(len(f.part))
			f.part, f.long = f.part[:0], true
		}
		switch {
		case err == nil:
			f.pos.Offset += int64(len(f.part))
			if d, ok := Parse(string(bytes.TrimRight(f.part, "\r\n")), f.now()); ok && !f.long {
				visit(d)
			}
			f.part, f.long = f.part[:0], false
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("follow the mail log: %w", err)
		}
	}
}

// Run reads until the context ends, and calls batch after each look that found
// something, with the position behind it.
func (f *File) Run(ctx context.Context, batch func([]Delivery, Position), failed func(error)) {
	defer f.Close()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		var found []Delivery
		err := f.Read(func(d Delivery) {
			if found = append(found, d); len(found) >= maxBatch {
				batch(found, f.pos)
				found = nil
			}
		})
		if len(found) > 0 {
			batch(found, f.pos)
		}
		failed(err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// maxBatch bounds what is handed over at once.
const maxBatch = 1000
