package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pratique/posture/mta"
)

// Wiring is the record of what was changed of a Postfix. It is what undoing it needs.
type Wiring struct {
	At       time.Time     `json:"at"`
	Folder   string        `json:"folder"` // of main.cf
	Settings []mta.Setting `json:"settings"`
	Backup   string        `json:"backup"` // main.cf as it was
}

// ErrNothing is what Undo returns where nothing was applied.
var ErrNothing = errors.New("nothing was applied that could be undone")

const recordName = "setup.json"

// Apply makes the settings by postconf, after it has kept a copy of main.cf and
// written down what was there before. The record lies in the state folder.
func Apply(ctx context.Context, folder, state string, settings []mta.Setting, now time.Time) (*Wiring, error) {
	w, err := readRecord(state)
	switch {
	case errors.Is(err, ErrNothing):
		w = &Wiring{At: now, Folder: folder, Backup: filepath.Join(state, "main.cf."+now.UTC().Format("20060102T150405Z"))}
	case err != nil:
		return nil, err
	case w.Folder != folder:
		return nil, fmt.Errorf("what was changed of the Postfix in %s was not undone yet", w.Folder)
	}
	w.add(settings)
	if _, err := os.Stat(w.Backup); errors.Is(err, fs.ErrNotExist) {
		if err := keep(folder, w.Backup); err != nil {
			return nil, err
		}
	}
	if err := w.write(state); err != nil {
		return nil, err
	}
	if err := endLine(filepath.Join(folder, "main.cf")); err != nil {
		return w, fmt.Errorf("change main.cf: %w", err)
	}
	for _, s := range settings {
		if err := run(ctx, "postconf", "-c", folder, "-e", s.Name+" = "+s.Value); err != nil {
			return w, fmt.Errorf("change main.cf: %w", err)
		}
	}
	return w, nil
}

// endLine gives a file the newline at its end without which postconf writes the next
// setting onto the last line.
func endLine(path string) error {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 || text[len(text)-1] == '\n' {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n")
	return errors.Join(err, f.Close())
}

// add puts settings on record. Of one that was changed before, what it had at first stays.
func (w *Wiring) add(settings []mta.Setting) {
	for _, s := range settings {
		i := slices.IndexFunc(w.Settings, func(old mta.Setting) bool { return old.Name == s.Name })
		if i < 0 {
			w.Settings = append(w.Settings, s)
			continue
		}
		w.Settings[i].Value = s.Value
	}
}

func keep(folder, backup string) error {
	main, err := os.ReadFile(filepath.Join(folder, "main.cf"))
	if err == nil {
		err = writeWhole(backup, main)
	}
	if err != nil {
		return fmt.Errorf("keep a copy of main.cf: %w", err)
	}
	return nil
}

func (w *Wiring) write(state string) error {
	text, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	if err := writeWhole(filepath.Join(state, recordName), append(text, '\n')); err != nil {
		return fmt.Errorf("write down what was changed: %w", err)
	}
	return nil
}

// writeWhole writes a file so that it is there whole or not at all, whatever interrupts it.
func writeWhole(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".setup-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it is gone when all went well
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func readRecord(state string) (*Wiring, error) {
	text, err := os.ReadFile(filepath.Join(state, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNothing
	}
	if err != nil {
		return nil, err
	}
	var w Wiring
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(state, recordName), err)
	}
	return &w, nil
}

// Undone is what became of the settings when they were undone.
type Undone struct {
	*Wiring
	Trimmed []mta.Setting // lists that somebody changed since: what the setup had added was taken out
	Left    []mta.Setting // others that somebody changed since: they stay
}

// Undo gives every setting that still has the value of the setup back what it had
// before, and takes what it added out of lists that were changed since.
func Undo(ctx context.Context, state string) (*Undone, error) {
	w, err := readRecord(state)
	if err != nil {
		return nil, err
	}
	current, err := mta.LoadPostfix(ctx, w.Folder)
	if err != nil {
		return nil, err
	}
	u := &Undone{Wiring: w}
	for _, s := range w.Settings {
		args := u.back(s, current)
		if args == nil {
			continue
		}
		if err := run(ctx, "postconf", append([]string{"-c", w.Folder}, args...)...); err != nil {
			return nil, fmt.Errorf("change main.cf back: %w", err)
		}
	}
	return u, os.Remove(filepath.Join(state, recordName))
}

// back returns the arguments of postconf that undo a setting, nil where nothing is to be done.
func (u *Undone) back(s mta.Setting, current *mta.Postfix) []string {
	value, set := current.Written(s.Name)
	rest, listed := s.TakenOut(value)
	switch {
	case set == s.WasSet && value == s.Before:
		return nil // an interrupted setup, or somebody's own undoing
	case set && value == s.Value && s.WasSet:
		return []string{"-e", s.Name + " = " + s.Before}
	case set && value == s.Value:
		return []string{"-X", s.Name}
	case set && listed:
		u.Trimmed = append(u.Trimmed, s)
		return []string{"-e", s.Name + " = " + rest}
	}
	u.Left = append(u.Left, s)
	return nil
}

// Reload has a running Postfix take up its configuration. It reports whether one is running.
func Reload(ctx context.Context, folder string) (running bool, err error) {
	if err := run(ctx, "postfix", "-c", folder, "status"); err != nil {
		return false, nil // it says so by its exit status
	}
	return true, run(ctx, "postfix", "-c", folder, "reload")
}

// run runs one of Postfix's programs, which may lie where no user's PATH leads.
func run(ctx context.Context, program string, args ...string) error {
	path, err := exec.LookPath(program)
	if err != nil {
		path = "/usr/sbin/" + program
	}
	output, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
