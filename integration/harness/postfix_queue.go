package harness

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

// MultiplyDeferred puts n copies of each deferred message into the queue, as if it had
// come in so often: to defer ten thousand one after the other takes minutes. None is
// tried within the next hour.
//
// A copy is a queue file, and the log of its deferrals, under the name that Postfix
// itself would give them without enable_long_queue_ids: microseconds, in five
// hexadecimal digits, and the number of the inode (mail_queue.h), in a folder by the
// first letter (hash_queue_depth, 1). "postsuper -s" finds nothing to mend in them.
func (p *Postfix) MultiplyDeferred(n int) error {
	originals, err := p.deferredIDs()
	if err != nil {
		return err
	}
	if len(originals) == 0 {
		return errors.New("multiply deferred messages: there are none")
	}
	for _, id := range originals {
		for range n {
			if err := p.copyDeferred(id); err != nil {
				return fmt.Errorf("multiply %s: %w", id, err)
			}
		}
	}
	return nil
}

// deferredIDs lists the messages that are deferred.
func (p *Postfix) deferredIDs() ([]string, error) {
	var ids []string
	err := filepath.WalkDir(filepath.Join(p.QueueFolder(), "deferred"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			ids = append(ids, d.Name())
		}
		return err
	})
	return ids, err
}

func (p *Postfix) copyDeferred(id string) error {
	deferred := filepath.Join(p.QueueFolder(), "deferred")
	temporary := filepath.Join(deferred, "copy")
	if err := p.copyFile(filepath.Join(deferred, id[:1], id), temporary); err != nil {
		return err
	}
	info, err := os.Stat(temporary)
	if err != nil {
		return err
	}
	// The time at which it is tried next is that of its modification.
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(temporary, later, later); err != nil {
		return err
	}
	name := fmt.Sprintf("%05X%X", later.Nanosecond()/1000, info.Sys().(*syscall.Stat_t).Ino)
	if err := p.hashed("deferred", name); err != nil {
		return err
	}
	if err := p.hashed("defer", name); err != nil {
		return err
	}
	reasons := filepath.Join(p.QueueFolder(), "defer")
	if err := p.copyFile(filepath.Join(reasons, id[:1], id), filepath.Join(reasons, name[:1], name)); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(deferred, name[:1], name))
}

// hashed makes the folder of a queue in which a name belongs.
func (p *Postfix) hashed(queue, name string) error {
	parent := filepath.Join(p.QueueFolder(), queue)
	owner, err := os.Stat(parent)
	if err != nil {
		return err
	}
	err = ownedFolder(filepath.Join(parent, name[:1]), 0o700, int(owner.Sys().(*syscall.Stat_t).Uid), 0)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// copyFile copies a file, its mode and owner included.
func (p *Postfix) copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return errors.Join(os.WriteFile(to, content, 0o600), os.Chmod(to, info.Mode()), os.Chown(to, int(owner.Uid), int(owner.Gid)))
}

// DeleteAll empties the queue (postsuper -d ALL).
func (p *Postfix) DeleteAll(ctx context.Context) error {
	_, err := p.run(ctx, nil, "postsuper", "-d", "ALL")
	return err
}

// CheckQueue has Postfix look for queue files whose names or places are wrong
// (postsuper -s), and returns what it says.
func (p *Postfix) CheckQueue(ctx context.Context) (string, error) {
	before := len(p.Log())
	if _, err := p.run(ctx, nil, "postsuper", "-s"); err != nil {
		return "", err
	}
	return p.Log()[before:], nil
}
