// Package harness starts the real programs that Pratique works with, each
// private to its caller: own configuration, own folders, own loopback ports, so
// that any number of runs side by side never meet. It serves the tests, the
// demonstration and the benchmarks, so it knows nothing of package testing.
//
// What it starts it stops: on Close, and by the kernel when the process that
// started it dies, in whatever way. What Pratique answers is judged elsewhere.
package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrMissing is wrapped by the errors of a Start function whose program is not
// installed, or that needs rights which this process does not have.
var ErrMissing = errors.New("not available here")

// startPatience is how long a program may take until it serves. It is generous:
// on a busy machine a start may take seconds, and see Sendmail.launch.
const startPatience = 2 * time.Minute

// TempDir makes a new folder with a short name, which sockets need (a path in
// sockaddr_un holds 108 octets), that other users may pass through, which
// Postfix's daemons need. The caller removes it.
func TempDir() (string, error) {
	dir, err := os.MkdirTemp("", "pq")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// program finds a program in PATH and in the folders that only root has there.
func program(name string) (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		path, err := exec.LookPath(filepath.Join(dir, name))
		if err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, ErrMissing)
}

// writeFiles writes files of a folder, names to contents.
func writeFiles(dir string, files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Tail returns the last lines of a text, for a report of what went wrong.
func Tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
