// Package state has what rooms need that keep a file in the state folder: putting a
// file in the place of another in one step, setting a damaged one aside, and opening a
// SQLite database. What the files say is the matter of the rooms.
package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// FileMode is the mode of files in the state folder: they name customers and
// recipients, which is not everybody's business.
const FileMode fs.FileMode = 0o640

// AsideMark stands in the name of a damaged file between its former name and the time.
const AsideMark = ".damaged-"

// Replace puts a file in the place of another, whole or not at all, whenever the
// machine stops. It belongs to the owner of the folder.
func Replace(path string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), GiveToOwner(f, filepath.Dir(path)), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}

// GiveToOwner gives a file that root makes in a folder to the owner of the folder: a
// command that an administrator types must not leave files that the daemon can't open.
func GiveToOwner(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if of, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(of.Uid), int(of.Gid))
	}
	return nil
}

// SetAside renames a damaged file, which nobody has open, so that somebody can look at
// it, and returns its new name. What SQLite keeps beside it goes with it: a log that is
// replayed into a new file would damage that one as well.
func SetAside(path string, now time.Time) (aside string, err error) {
	aside = path + AsideMark + now.UTC().Format("20060102T150405Z")
	for _, suffix := range []string{"-shm", "-wal", ""} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("set %s aside: %w", path+suffix, err)
		}
	}
	return aside, nil
}
