// Package unpack takes reports out of gzip and zip as strangers send them: the size
// of what comes out, its ratio to what went in, and the number of files are
// bounded, and an archive within an archive stays closed.
package unpack

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// Bounds.
const (
	MaxSize  = 32 << 20 // octets of a file, unpacked; a report of a big sender has some
	maxRatio = 300      // XML that repeats itself comes to about a hundred
	free     = 1 << 20  // up to here the ratio does not matter
	maxFiles = 16       // of an archive

	maxMembers = 100 // of a gzip file
)

// ErrBomb is wrapped by the errors about data that unpacks to more than the bounds allow.
var ErrBomb = errors.New("unpacks to more than any report has")

// Packed reports whether data is a gzip or zip file by its first octets.
func Packed(data []byte) bool { return isGzip(data) || isZip(data) }

func isGzip(data []byte) bool { return bytes.HasPrefix(data, []byte{0x1f, 0x8b}) }
func isZip(data []byte) bool  { return bytes.HasPrefix(data, []byte("PK\x03\x04")) }

// Files returns the files in a gzip or zip file, or the data itself if it is neither.
// With an error come the files that could be read all the same, the last of which may
// be cut off, but never any of a bomb.
func Files(data []byte) ([][]byte, error) {
	switch {
	case isGzip(data):
		return gunzip(data)
	case isZip(data):
		return unzip(data)
	case len(data) > MaxSize:
		return nil, fmt.Errorf("%d octets: %w", len(data), ErrBomb)
	}
	return [][]byte{data}, nil
}

// gunzip reads the members of a gzip file (RFC 1952 2.2) as one file. What follows the
// first one and is no member, as a line end, is passed over.
func gunzip(data []byte) ([][]byte, error) {
	in := bytes.NewReader(data)
	r, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("open gzip: %w", err)
	}
	var file []byte
	for n := 0; n < maxMembers && err == nil; n++ {
		if n > 0 && r.Reset(in) != nil {
			break
		}
		r.Multistream(false)
		var member []byte
		if member, err = read(r, len(data)); err == nil && len(file)+len(member) > MaxSize {
			err = ErrBomb
		}
		file = append(file, member...)
	}
	if err != nil {
		err = fmt.Errorf("read gzip: %w", err)
	}
	if len(file) == 0 || errors.Is(err, ErrBomb) {
		return nil, err
	}
	return [][]byte{file}, err
}

func unzip(data []byte) ([][]byte, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("open zip: %w", err)
	}
	if len(archive.File) > maxFiles {
		return nil, fmt.Errorf("zip with %d files: %w", len(archive.File), ErrBomb)
	}
	var files [][]byte
	var problem error
	total := 0
	for _, entry := range archive.File {
		if entry.FileInfo().IsDir() {
			continue
		}
		file, err := entryOf(entry, len(data))
		// Entries may share the same compressed octets: the whole is bounded, too.
		if total += len(file); total > MaxSize {
			err = ErrBomb
		}
		if errors.Is(err, ErrBomb) {
			return nil, fmt.Errorf("read zip: %w", err)
		}
		if err != nil {
			problem = fmt.Errorf("read zip: %w", err)
			continue
		}
		files = append(files, file)
	}
	return files, problem
}

// encrypted is the flag of an entry that takes a password (APPNOTE 4.4.4, bit 0).
const encrypted = 0x1

var errEncrypted = errors.New("a file in it is encrypted")

func entryOf(entry *zip.File, packed int) ([]byte, error) {
	if entry.Flags&encrypted != 0 {
		return nil, errEncrypted
	}
	r, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return read(r, packed)
}

// read reads to the end, or to the first bound that is passed.
func read(r io.Reader, packed int) ([]byte, error) {
	limit := min(MaxSize, max(free, packed*maxRatio))
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(data) > limit {
		return nil, fmt.Errorf("more than %d octets: %w", limit, ErrBomb)
	}
	return data, err
}
