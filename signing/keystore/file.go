package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The files of the folder, beside a folder of keys for each domain.
const (
	listName = "keys.json"
	lockName = "keys.lock"
)

// disk is the folder. What it writes is there as a whole or not at all, whenever
// the machine stops.
type disk struct {
	*os.Root
	path  string
	owner *owner // nil: whoever writes
	// cut is asked before each step that the disk sees. In tests its error ends an
	// operation there, as a power cut would: nothing is tidied up on the way out.
	cut func(step string) error
}

// owner is whom files are given to: root makes keys for the user of the daemon,
// who is the owner of the folder that they lie in.
type owner struct{ uid, gid int }

// makeDisk opens the folder, and makes it if it is missing.
func makeDisk(path string, cut func(string) error) (*disk, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of keys: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the folder of keys: %w", err)
	}
	d := &disk{Root: root, path: path, cut: cut}
	if err := d.settle(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// settle finds out whom root makes files for. A folder that root itself has made
// goes to the owner of the one above it.
func (d *disk) settle() error {
	if os.Geteuid() != 0 {
		return nil
	}
	var err error
	if d.owner, err = ownerOf(d.path); err != nil || d.owner.uid != 0 {
		return err
	}
	if d.owner, err = ownerOf(filepath.Dir(d.path)); err != nil {
		return err
	}
	return d.Chown(".", d.owner.uid, d.owner.gid)
}

func ownerOf(path string) (*owner, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("%s: its owner is not known", path)
	}
	return &owner{int(stat.Uid), int(stat.Gid)}, nil
}

// give has a file or folder change hands, if it is to.
func (d *disk) give(chown func(owner) error) error {
	if d.owner == nil {
		return nil
	}
	return chown(*d.owner)
}

func (d *disk) giveFile(f *os.File) error {
	return d.give(func(o owner) error { return f.Chown(o.uid, o.gid) })
}

// mkdir makes a folder for a domain's keys, if it is missing.
func (d *disk) mkdir(name string) error {
	if err := d.cut("mkdir " + name); err != nil {
		return err
	}
	if err := d.Mkdir(name, 0o700); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := d.give(func(o owner) error { return d.Chown(name, o.uid, o.gid) }); err != nil {
		return err
	}
	return d.sync(".")
}

// write replaces a file, with the mode 0600.
func (d *disk) write(name string, data []byte) error {
	next := name + ".tmp"
	if err := d.cut("create " + next); err != nil {
		return err
	}
	// One that a cut left behind is nobody's: who writes holds the lock.
	if err := d.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(d.fill(f, data), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(d.path, next), err)
	}
	if err := d.cut("rename " + next); err != nil {
		return err
	}
	if err := d.Rename(next, name); err != nil {
		return err
	}
	return d.sync(filepath.Dir(name))
}

func (d *disk) fill(f *os.File, data []byte) error {
	if err := d.giveFile(f); err != nil {
		return err
	}
	if err := d.cut("write " + f.Name()); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := d.cut("sync " + f.Name()); err != nil {
		return err
	}
	return f.Sync()
}

// sync has the disk keep what was made, renamed or removed in a folder.
func (d *disk) sync(folder string) error {
	if err := d.cut("sync " + folder); err != nil {
		return err
	}
	f, err := d.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// remove removes a file, if it is there.
func (d *disk) remove(name string) error {
	if err := d.cut("remove " + name); err != nil {
		return err
	}
	if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.sync(filepath.Dir(name))
}

// lockTry is how long the wait for the lock sleeps between two tries.
const lockTry = 20 * time.Millisecond

// lock keeps others from writing until the lock is released, or the process ends.
func (d *disk) lock(ctx context.Context) (release func() error, err error) {
	f, err := d.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the keys: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock the keys in %s: %w", d.path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("another process holds the lock of the keys in %s: %w", d.path, ctx.Err()), f.Close())
		case <-time.After(lockTry):
		}
	}
	if err := d.giveFile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the keys: %w", err), f.Close())
	}
	return f.Close, nil
}
