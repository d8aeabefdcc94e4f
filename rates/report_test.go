package rates

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestReport(t *testing.T) {
	clock := newClock()
	store := openStore(t, t.TempDir(), clock)
	r := newRates(t, store, perHour("client", "messages", 3, "tempfail"))
	m := newMessage("x@one.example", "y@two.example", "z@two.example")
	m.Client.Login = "shop"
	sendBody(r, m, strings.Repeat("x", 1_500_000))
	clock.advance(2 * time.Hour)
	store.save()
	for range 4 {
		m := newMessage("x@one.example")
		m.Sender = "\x1b[31mred@shop.example"
		send(r, m)
	}
	other := newMessage("x@one.example", "y@one.example")
	other.Client.Addr = netip.MustParseAddr("2001:db8::1")
	other.Sender = ""
	send(r, other)
	clock.advance(time.Minute)

	report := store.report(t)
	var text strings.Builder
	if err := report.Write(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", text.String())
	encoded, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", string(encoded)+"\n")
}

func TestReadWhenNothingWasEverCounted(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	store := openStore(t, dir, newClock())
	var text strings.Builder
	if err := store.report(t).Write(&text); err != nil || !strings.Contains(text.String(), "nothing") {
		t.Errorf("%q, %v", text.String(), err)
	}
	if encoded, err := json.Marshal(store.report(t)); err != nil || !strings.Contains(string(encoded), `"rows":[]`) {
		t.Errorf("%s, %v", encoded, err)
	}
}

// Reading leaves no trace and needs none: while the daemon runs, and after it has stopped.
func TestReadOnlyReads(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	store := openStore(t, dir, clock)
	send(newRates(t, store), newMessage("x@one.example"))
	if got := store.report(t).row("total", "total").Hour.Messages; got != 1 {
		t.Errorf("running: %d messages", got)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := read(dir, clock.Now())
	if err != nil || report.row("total", "total").Hour.Messages != 1 {
		t.Errorf("stopped: %+v, %v", report, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 { // the secret of the fingerprints is the other one
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestReadRefusesWhatIsNoDatabase(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("read")
	}
}

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB",
		25_000_000: "25.0 MB", 1 << 62: "4.6 EB"} {
		if got := octets(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
