package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

const lockName = "pratique.lock"

// lockState keeps a second daemon off the state folder: each of two would write
// down the counts as it alone knows them. The lock ends with the process, however
// that ends, so the file may stay.
func lockState(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state folder: %w", err)
	}
	return flock(file, dir)
}

func flock(file *os.File, dir string) (release func() error, err error) {
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, errors.Join(hint(fmt.Errorf("another pratique serves with the state folder %s", dir),
			"stop that one, or give this one a state folder of its own"), file.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock the state folder %s: %w", dir, err), file.Close())
	}
	return file.Close, nil
}

// holdState locks the state folder for the daemon. One that is there and can't be
// written stops no mail: what is kept in it says so itself, and goes on in memory. A
// second daemon is then kept off only if there is a file to lock.
func holdState(dir string, log *slog.Logger) (release func() error, err error) {
	release, err = lockState(dir)
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return release, err
	}
	if info, statErr := os.Stat(dir); statErr != nil || !info.IsDir() {
		return release, err
	}
	log.Error("the state folder can't be written; what is counted and recorded is lost when this daemon stops", "state", dir, "error", err)
	file, openErr := os.Open(filepath.Join(dir, lockName))
	if openErr != nil {
		return func() error { return nil }, nil
	}
	return flock(file, dir)
}
