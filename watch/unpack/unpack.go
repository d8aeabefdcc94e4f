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
)

// ErrBomb is wrapped by the errors about data that unpacks to more than the bounds allow.
var ErrBomb = errors.New("unpacks to more than any report has")

// Packed reports whether data is a gzip or zip file by its first octets.
func Packed(data []byte) bool { return isGzip(data) || isZip(data) }

func isGzip(data []byte) bool { return bytes.HasPrefix(data, []byte{0x1f, 0x8b}) }
func isZip(data []byte) bool  { return bytes.HasPrefix(data, []byte("PK\x03\x04")) }

// Files returns the files in a gzip or zip file, or the data itself if it is neither.
func Files(data []byte) ([][]byte, error) {
	switch {
	case isGzip(data):
		file, err := gunzip(data)
		if err != nil {
			return nil, err
		}
		return [][]byte{file}, nil
	case isZip(data):
		return unzip(data)
	case len(data) > MaxSize:
		return nil, fmt.Errorf("%d octets: %w", len(data), ErrBomb)
	}
	return [][]byte{data}, nil
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("open gzip: %w", err)
	}
	file, err := read(r, len(data))
	if err != nil {
		return nil, fmt.Errorf("read gzip: %w", err)
	}
	return file, nil
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
	total := 0
	for _, entry := range archive.File {
		if entry.FileInfo().IsDir() {
			continue
		}
		file, err := entryOf(entry, len(data))
		if err != nil {
			return nil, fmt.Errorf("read zip: %w", err)
		}
		// Entries may share the same compressed octets: the whole is bounded, too.
		if total += len(file); total > MaxSize {
			return nil, fmt.Errorf("read zip: %w", ErrBomb)
		}
		files = append(files, file)
	}
	return files, nil
}

func entryOf(entry *zip.File, packed int) ([]byte, error) {
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
		return nil, ErrBomb
	}
	return data, err
}
