package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "new", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestTake(t *testing.T) {
	dir := folder(t, map[string]string{"1.a.host": "one", "2.b.host:2,F": "two", "3.c.host": strings.Repeat("x", 101), "4.d.host": "four", ".hidden": "no"})
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "new", "0.link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "new", "0.fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got, skipped []string
	full := errors.New("disk full")
	visit := func(name string, message []byte) error {
		if string(message) == "four" {
			return full
		}
		got = append(got, name+"="+string(message))
		return nil
	}
	skip := func(name string, why error) {
		if !errors.Is(why, ErrTooLarge) {
			t.Error(name, why)
		}
		skipped = append(skipped, name)
	}
	n, err := Take(dir, 100, 100, visit, skip)
	if n != 3 || !errors.Is(err, full) {
		t.Errorf("%d, %v", n, err)
	}
	if !slices.Equal(got, []string{"1.a.host=one", "2.b.host:2,F=two"}) || !slices.Equal(skipped, []string{"3.c.host"}) {
		t.Errorf("got %q, skipped %q", got, skipped)
	}
	if cur := names(t, filepath.Join(dir, "cur")); !slices.Equal(cur, []string{"1.a.host:2,S", "2.b.host:2,FS", "3.c.host:2,S"}) {
		t.Errorf("cur holds %q", cur)
	}
	if left := names(t, filepath.Join(dir, "new")); !slices.Equal(left, []string{".hidden", "0.fifo", "0.link", "4.d.host"}) {
		t.Errorf("new holds %q", left)
	}
}

func TestTakeSome(t *testing.T) {
	dir := folder(t, map[string]string{"1": "", "2": "", "3": ""})
	n, err := Take(dir, 2, 100, func(string, []byte) error { return nil }, nil)
	if n != 2 || err != nil || len(names(t, filepath.Join(dir, "new"))) != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := Take(filepath.Join(dir, "missing"), 1, 1, nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
}
