package setup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pratique/posture/mta"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// applied makes two settings in a folder of Postfix of its own.
func applied(t *testing.T) (folder, state string) {
	t.Helper()
	if _, err := exec.LookPath("postconf"); err != nil {
		if os.Getenv("PRATIQUE_REQUIRE_REAL") != "" {
			t.Fatal("postconf is missing")
		}
		t.Skip("postconf is missing")
	}
	folder, state = t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "main.cf"), []byte("compatibility_level = 3.6\nsmtpd_milters =\n  inet:localhost:11332"), 0o644); err != nil {
		t.Fatal(err)
	}
	settings := []mta.Setting{
		{Name: "smtpd_milters", Value: "inet:localhost:11332, unix:m", Before: "inet:localhost:11332", WasSet: true},
		{Name: "milter_protocol", Value: "6"},
	}
	w, err := Apply(t.Context(), folder, state, settings, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.Backup); err != nil {
		t.Error(err)
	}
	return folder, state
}

// aged makes main.cf look older: Postfix waits for two seconds before it reads one just written.
func aged(t *testing.T, folder string) {
	t.Helper()
	before := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(folder, "main.cf"), before, before); err != nil {
		t.Fatal(err)
	}
}

// written returns the settings of a folder, "-" for one that is not set.
func written(t *testing.T, folder string) []string {
	t.Helper()
	aged(t, folder)
	p, err := mta.LoadPostfix(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, name := range []string{"smtpd_milters", "milter_protocol"} {
		value, set := p.Written(name)
		if !set {
			value = "-"
		}
		list = append(list, value)
	}
	return list
}

func TestApplyAndUndo(t *testing.T) {
	folder, state := applied(t)
	if got := written(t, folder); !slices.Equal(got, []string{"inet:localhost:11332, unix:m", "6"}) {
		t.Error(got)
	}
	aged(t, folder)
	if u, err := Undo(t.Context(), state); err != nil || len(u.Left)+len(u.Trimmed) != 0 {
		t.Error(u, err)
	}
	if got := written(t, folder); !slices.Equal(got, []string{"inet:localhost:11332", "-"}) {
		t.Error(got)
	}
	if _, err := Undo(t.Context(), state); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
}

// What was changed twice goes back to what it was at first.
func TestAppliedTwice(t *testing.T) {
	folder, state := applied(t)
	again := []mta.Setting{{Name: "smtpd_milters", Value: "unix:other", Before: "inet:localhost:11332, unix:m", WasSet: true}}
	if _, err := Apply(t.Context(), folder, state, again, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	aged(t, folder)
	if _, err := Undo(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	if got := written(t, folder); !slices.Equal(got, []string{"inet:localhost:11332", "-"}) {
		t.Error(got)
	}
}

// What somebody else changed since stays as it is.
func TestUndoAfterOthers(t *testing.T) {
	folder, state := applied(t)
	if err := run(t.Context(), "postconf", "-c", folder, "-e", "smtpd_milters = inet:192.0.2.1:1"); err != nil {
		t.Fatal(err)
	}
	aged(t, folder)
	if u, err := Undo(t.Context(), state); err != nil || len(u.Left) != 1 || u.Left[0].Name != "smtpd_milters" {
		t.Error(u, err)
	}
	if got := written(t, folder); !slices.Equal(got, []string{"inet:192.0.2.1:1", "-"}) {
		t.Error(got)
	}
}

// Out of a list that somebody added to since, only what the setup added is taken.
func TestUndoInALongerList(t *testing.T) {
	folder, state := applied(t)
	if err := run(t.Context(), "postconf", "-c", folder, "-e", "smtpd_milters = inet:192.0.2.1:1, unix:m, { inet:localhost:11332, default_action=accept }"); err != nil {
		t.Fatal(err)
	}
	aged(t, folder)
	u, err := Undo(t.Context(), state)
	if err != nil || len(u.Left) != 0 || len(u.Trimmed) != 1 {
		t.Error(u, err)
	}
	if got := written(t, folder); !slices.Equal(got, []string{"inet:192.0.2.1:1, { inet:localhost:11332, default_action=accept }", "-"}) {
		t.Error(got)
	}
}

// A setup that was interrupted between the record and main.cf leaves nothing to undo, and nothing to tell.
func TestUndoOfAnInterruptedSetup(t *testing.T) {
	folder, state := applied(t)
	for _, args := range [][]string{{"-e", "smtpd_milters = inet:localhost:11332"}, {"-X", "milter_protocol"}} {
		if err := run(t.Context(), "postconf", append([]string{"-c", folder}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	aged(t, folder)
	if u, err := Undo(t.Context(), state); err != nil || len(u.Left)+len(u.Trimmed) != 0 {
		t.Error(u, err)
	}
}

func TestOnePostfixAtATime(t *testing.T) {
	_, state := applied(t)
	if _, err := Apply(t.Context(), t.TempDir(), state, nil, noon); err == nil {
		t.Error("a second Postfix was changed, and the record of the first lost")
	}
}

// The folder is for the daemon, and others pass through those above it.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	if err := Folder(filepath.Join(dir, "queue/pratique"), 0o750, nil, -1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"queue": 0o755, "queue/pratique": 0o750} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}
