package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// "make run" shows all that it is to show.
func TestDemonstration(t *testing.T) {
	if _, err := exec.LookPath("clamd"); err != nil {
		if os.Getenv("PRATIQUE_REQUIRE_REAL") == "1" || !errors.Is(err, exec.ErrNotFound) {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	demo := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", demo, "pratique/integration/demo").CombinedOutput(); err != nil {
		t.Fatalf("build the demonstration: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), demo, binary).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, text := range []string{"What was counted", "What the journal tells", "infected with"} {
		if !strings.Contains(string(out), text) {
			t.Errorf("it does not show %q:\n%s", text, out)
		}
	}
}
