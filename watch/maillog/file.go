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
	"syscall"
	"time"
)

// Position is how far a log was read, so that the next run goes on there.
type Position struct {
	Inode  uint64 `json:"inode,omitempty"`
	Offset int64  `json:"offset,omitempty"`
	Head   mark   `json:"head,omitzero"`    // of the file: an inode comes again
	Cursor string `json:"cursor,omitempty"` // of the journal
}

// anew is the position of a file that is to be read from its start.
var anew = Position{Inode: ^uint64(0)}

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
	pos  Position // how far it was read, whole lines only
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
	if err := f.readOn(visit); err != nil {
		return fmt.Errorf("follow the mail log: %w", err)
	}
	return nil
}

func (f *File) readOn(visit func(Delivery)) error {
	if f.file == nil {
		if err := f.open(visit); err != nil {
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
		return err
	}
	if inode(info) == f.pos.Inode {
		return nil
	}
	// It was renamed. The MTA writes into the old one until it opens the log anew, so
	// the old one is read once more before the new one.
	if err := f.lines(visit); err != nil {
		return err
	}
	if err := f.file.Close(); err != nil {
		return err
	}
	f.file, f.pos = nil, anew
	if err := f.open(visit); err != nil {
		return err
	}
	return f.lines(visit)
}

// open opens the file that has the name now, and goes to where it was read to. If
// that was in a file that has gone from this name while nobody followed, the rest of
// that one is read first, wherever it is now.
func (f *File) open(visit func(Delivery)) error {
	if f.movedAway() {
		if err := f.finish(visit); err != nil {
			return err
		}
		f.pos = anew
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) && f.pos == (Position{}) {
		f.pos = anew // once it is there, all of it is new
	}
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if f.pos == (Position{}) {
		f.pos.Offset = info.Size()
	}
	f.pos.Inode = inode(info)
	f.pos.Head.renew(file, f.pos.Offset)
	if _, err := file.Seek(f.pos.Offset, io.SeekStart); err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.read, f.part, f.long = file, bufio.NewReaderSize(file, maxLine), nil, false
	return nil
}

// movedAway reports whether the name has another file than the one that was read.
func (f *File) movedAway() bool {
	if f.pos == (Position{}) || f.pos == anew {
		return false
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if inode(info) != f.pos.Inode && f.pos.Inode != anew.Inode || info.Size() < f.pos.Offset {
		return true
	}
	file, err := os.Open(f.path)
	if err != nil {
		return false // opening it again says what is wrong
	}
	defer file.Close()
	return !f.pos.Head.of(file)
}

func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

// lines reads to the end of the file that is open, from its start if it was truncated.
func (f *File) lines(visit func(Delivery)) error {
	if info, err := f.file.Stat(); err == nil && (info.Size() < f.pos.Offset || !f.pos.Head.of(f.file)) { // truncated
		if _, err := f.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		f.read.Reset(f.file)
		f.pos = Position{Inode: f.pos.Inode}
		f.part, f.long = nil, false
	}
	return f.toEnd(visit)
}

// toEnd reads lines to the end of what there is.
func (f *File) toEnd(visit func(Delivery)) error {
	for {
		piece, err := f.read.ReadSlice('\n')
		if f.part = append(f.part, piece...); len(f.part) > maxLine {
			f.pos.Offset += int64(len(f.part))
			f.part, f.long = f.part[:0], true
		}
		switch {
		case err == nil:
			f.pos.Offset += int64(len(f.part))
			if f.file != nil {
				f.pos.Head.renew(f.file, f.pos.Offset)
			}
			if !f.long {
				f.line(visit)
			}
			f.part, f.long = f.part[:0], false
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

func (f *File) line(visit func(Delivery)) {
	for _, d := range Parse(string(bytes.TrimRight(f.part, "\r\n")), f.now()) {
		visit(d)
	}
}

// Run reads until the context ends, and calls batch after each look that found
// something, with the position behind it.
func (f *File) Run(ctx context.Context, batch func([]Delivery, Position), failed func(error)) {
	defer f.Close()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	begun := false
	for {
		var found []Delivery
		err := f.Read(func(d Delivery) {
			if found = append(found, d); len(found) >= maxBatch {
				batch(found, f.pos)
				found = nil
			}
		})
		// Where it begins is kept, too: the lines of a first pause are not the past.
		if len(found) > 0 || !begun && err == nil {
			batch(found, f.pos)
			begun = true
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
