package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pratique/state"
)

// How the files are looked after.
const (
	tendEvery = 15 * time.Second
	// ageEvery is how often a file may be removed for its age: a clock that has jumped
	// ahead by years has not taken the journal with it before somebody sees it.
	ageEvery = 5 * time.Minute
)

// tend removes what is too old or too much. Whole files go, which takes no time.
func (s *store) tend() {
	now := s.now()
	if !s.tended.IsZero() && now.Sub(s.tended).Abs() < tendEvery {
		return
	}
	s.tended = now
	if err := s.retain(now); err != nil {
		s.log.Warn("journal: old files can't be removed", "folder", s.dir, "error", err)
	}
}

func (s *store) retain(now time.Time) error {
	kept, err := keptFiles(s.dir)
	if err != nil {
		return err
	}
	opts := s.opts.Load()
	var total int64
	for _, f := range kept {
		total += f.size
	}
	defer func() { s.bytes.Store(total) }()
	for _, f := range kept { // oldest first
		tooMuch := total > opts.MaxSize
		tooOld := f.until.Before(now.Add(-opts.Keep))
		if !tooMuch && !tooOld || s.file != nil && f.path == s.file.path {
			continue
		}
		if !tooMuch && !s.aged.IsZero() && now.Sub(s.aged).Abs() < ageEvery {
			return nil
		}
		if err := remove(f.path); err != nil {
			return err
		}
		total -= f.size
		why := "too old"
		if tooMuch {
			why = "the journal is larger than max_size"
		} else {
			s.aged = now
		}
		s.log.Info("journal: a file was removed", "file", f.path, "reason", why)
	}
	return nil
}

// keptFile is a file of the journal with those beside it, or one that was set aside.
type keptFile struct {
	path  string
	until time.Time // nothing in it is later
	part  int
	size  int64
}

// keptFiles returns the files in a folder, oldest first.
func keptFiles(dir string) ([]keptFile, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kept []keptFile
	for _, e := range entries {
		base, _, _ := strings.Cut(e.Name(), state.AsideMark)
		name, ok := parseName(base)
		if !ok || strings.HasSuffix(e.Name(), "-wal") || strings.HasSuffix(e.Name(), "-shm") {
			continue
		}
		_, until := name.span()
		f := keptFile{path: filepath.Join(dir, e.Name()), until: until, part: name.part}
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if info, err := os.Stat(f.path + suffix); err == nil {
				f.size += info.Size()
			}
		}
		kept = append(kept, f)
	}
	slices.SortStableFunc(kept, func(a, b keptFile) int {
		if c := a.until.Compare(b.until); c != 0 {
			return c
		}
		return a.part - b.part
	})
	return kept, nil
}

// remove removes a file and those beside it. A reader that has it open goes on reading it.
func remove(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
