package maillog

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mark is the beginning of a file, by which it is recognised when it has another name
// or was compressed, and by which another file that got its inode is told from it.
type mark struct {
	Size int64  `json:"size,omitempty"` // in octets, at most markSize
	Hash string `json:"hash,omitempty"` // of those
}

// markSize is a line or two, which hold a time and a queue id.
const markSize = 256

// renew takes the mark of a file that was read up to an offset, as long as it can grow.
func (m *mark) renew(file io.ReaderAt, offset int64) {
	size := min(offset, markSize)
	if m.Size == size {
		return
	}
	head := make([]byte, size)
	if _, err := file.ReadAt(head, 0); err == nil {
		*m = mark{size, hashOf(head)}
	}
}

// of reports whether a file begins as the one that was marked; any does if none was.
func (m mark) of(file io.ReaderAt) bool {
	if m.Size <= 0 || m.Size > markSize {
		return true
	}
	head := make([]byte, m.Size)
	_, err := file.ReadAt(head, 0)
	return err == nil && m.is(head)
}

func (m mark) is(head []byte) bool { return hashOf(head) == m.Hash }

func hashOf(head []byte) string {
	hash := sha256.Sum256(head)
	return hex.EncodeToString(hash[:8])
}

// finish reads the rest of the file that was read last under the name that it has
// now: logrotate adds ".1" or a date, copies it, or compresses it. If it is gone, what
// was not read of it is lost.
func (f *File) finish(visit func(Delivery)) error {
	dir, name := filepath.Split(f.path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), name) || e.Name() == name || !e.Type().IsRegular() {
			continue
		}
		found, err := f.finishIn(filepath.Join(dir, e.Name()), e, visit)
		if found || err != nil {
			return err
		}
	}
	return nil
}

// finishIn reads the rest in one file, if it is the one.
func (f *File) finishIn(path string, e fs.DirEntry, visit func(Delivery)) (found bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, nil // removed meanwhile, or none of ours
	}
	defer file.Close()
	if f.pos.Head.Size == 0 { // nothing was read of it
		info, err := e.Info()
		if err != nil || inode(info) != f.pos.Inode {
			return false, nil
		}
	}
	content := io.Reader(file)
	if strings.HasSuffix(path, ".gz") {
		unpacked, err := gzip.NewReader(file)
		if err != nil {
			return false, nil
		}
		content = unpacked
	}
	head := make([]byte, min(f.pos.Head.Size, markSize))
	if _, err := io.ReadFull(content, head); err != nil || f.pos.Head.Size > 0 && !f.pos.Head.is(head) {
		return false, nil
	}
	if _, err := io.CopyN(io.Discard, content, f.pos.Offset-int64(len(head))); err != nil {
		return false, nil // shorter than what was read: another one
	}
	f.read, f.part, f.long = bufio.NewReaderSize(content, maxLine), nil, false
	if err := f.toEnd(visit); err != nil && !damaged(err) {
		return true, err
	}
	return true, nil
}

// damaged reports whether the rest of a compressed file can't be had.
func damaged(err error) bool {
	return errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)
}
