package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// folder is where the files are.
func folder(stateDir string) string { return filepath.Join(stateDir, "journal") }

// fileName is "2026-11-28.0.db": a day of UTC, and which part of it.
type fileName struct {
	day  string
	part int
}

const fileSuffix = ".db"

func (n fileName) String() string { return fmt.Sprintf("%s.%d%s", n.day, n.part, fileSuffix) }

func (n fileName) in(dir string) string { return filepath.Join(dir, n.String()) }

// span is the time of which records may be in the file.
func (n fileName) span() (since, until time.Time) {
	since, _ = time.Parse(time.DateOnly, n.day) // parseName saw that it is a day
	return since, since.AddDate(0, 0, 1)
}

func parseName(name string) (fileName, bool) {
	day, rest, _ := strings.Cut(strings.TrimSuffix(name, fileSuffix), ".")
	part, err := strconv.Atoi(rest)
	if err != nil || part < 0 {
		return fileName{}, false
	}
	n := fileName{day, part}
	_, err = time.Parse(time.DateOnly, day)
	return n, err == nil && n.String() == name
}

// list returns the files in a folder, newest first; none if there is no folder.
func list(dir string) ([]fileName, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []fileName
	for _, e := range entries {
		if n, ok := parseName(e.Name()); ok {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b fileName) int {
		if c := strings.Compare(b.day, a.day); c != 0 {
			return c
		}
		return b.part - a.part
	})
	return names, nil
}
