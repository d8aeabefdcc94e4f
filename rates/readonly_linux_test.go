package rates

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// nobody is a user that owns nothing else.
const nobody = 65534

func TestOpenRefusesAReadOnlyFolder(t *testing.T) {
	for _, tc := range []struct {
		file  string // "": the folder itself
		mode  fs.FileMode
		opens bool
	}{
		{fileName, 0o600, true}, // what the test would otherwise prove is that nobody can do nothing
		{fileName, 0o400, false},
		{"", 0o500, false},
	} {
		dir := t.TempDir()
		if err := openStore(t, dir, newClock()).Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, tc.file), tc.mode); err != nil {
			t.Fatal(err)
		}
		var err error
		withoutPrivilege(t, dir, func() {
			var store *Store
			if store, err = Open(context.Background(), dir, time.Now, slog.New(slog.DiscardHandler)); err == nil {
				store.Close()
			}
		})
		if opens := err == nil; opens != tc.opens {
			t.Errorf("%q with mode %v: opened: %v, error %v", tc.file, tc.mode, opens, err)
		}
	}
}

// withoutPrivilege calls f as someone who has no more rights than the modes of
// the folder give to its owner: root may write anywhere.
func withoutPrivilege(t *testing.T, dir string, f func()) {
	if os.Geteuid() != 0 {
		f()
		return
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // the file system's user is a thread's
	defer runtime.UnlockOSThread()
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setfsuid(0)
	f()
}
