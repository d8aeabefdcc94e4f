// Package maildir takes messages out of a Maildir, as an MTA delivers into it: what
// is in "new" is read once and moved to "cur". It reads nothing that is no plain
// file, and nothing beyond a bound.
package maildir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ErrTooLarge is what a message beyond the bound is.
var ErrTooLarge = errors.New("is larger than any report")

// Take calls visit for each message in "new", in the order of their names, which is
// about that of their arrival, at most so many of them, and moves each to "cur",
// marked as seen, once visit returned nil. It ends with the first error of visit;
// that message stays for the next time. Messages that can't be read are told to
// skipped and moved all the same: they would be in the way for ever.
func Take(folder string, most int, maxSize int64, visit func(name string, message []byte) error, skipped func(name string, why error)) (taken int, err error) {
	entries, err := os.ReadDir(filepath.Join(folder, "new"))
	if err != nil {
		return 0, fmt.Errorf("read the Maildir: %w", err)
	}
	for _, entry := range entries {
		if taken >= most {
			return taken, nil
		}
		name := entry.Name()
		if strings.HasPrefix(name, ".") || !entry.Type().IsRegular() {
			continue
		}
		message, err := read(filepath.Join(folder, "new", name), maxSize)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // a reader of mail was quicker
		case errors.Is(err, fs.ErrPermission):
			return taken, fmt.Errorf("read the Maildir: %w", err) // not this message alone
		case err != nil:
			skipped(name, err)
		default:
			if err := visit(name, message); err != nil {
				return taken, err
			}
		}
		if err := done(folder, name); err != nil {
			return taken, err
		}
		taken++
	}
	return taken, nil
}

func read(path string, maxSize int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	message, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && int64(len(message)) > maxSize {
		err = ErrTooLarge
	}
	return message, err
}

// done moves a message to "cur" with the flag S.
func done(folder, name string) error {
	base, flags, _ := strings.Cut(name, ":2,")
	marks := append([]byte(flags), 'S')
	slices.Sort(marks)
	seen := base + ":2," + string(slices.Compact(marks))
	err := os.Rename(filepath.Join(folder, "new", name), filepath.Join(folder, "cur", seen))
	if err != nil {
		return fmt.Errorf("mark a message of the Maildir as seen: %w", err)
	}
	return nil
}
