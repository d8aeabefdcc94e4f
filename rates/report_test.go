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
	if err := report.Write(&text, false); err != nil {
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
	if _, err := Read(dir, Query{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	store := openStore(t, dir, newClock())
	var text strings.Builder
	if err := store.report(t).Write(&text, false); err != nil || !strings.Contains(text.String(), "nothing") {
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
	report, err := read(dir, clock.Now(), Query{})
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
	if _, err := Read(dir, Query{}); err == nil {
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

func TestReportHoldsKeysAgainstTheirLimits(t *testing.T) {
	clock := newClock()
	store := openStore(t, t.TempDir(), clock)
	opts := Options{Store: "sqlite", IPv6Prefix: 64, Limits: []Limit{perHour("client", "messages", 10, "reject"),
		{Per: "client", Count: "recipients", Max: 100, Every: 48 * time.Hour, Then: "tempfail"}, perHour("sender", "new_recipients", 5, "observe")},
		Overrides: []Override{{Per: "client", Count: "messages", Keys: []string{"10.0.0.0/30"}, Max: 4}}}
	r, err := New(store, nil, opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		for range i {
			m := newMessage("x@one.example")
			m.Client.Addr = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			m.Sender = "a@shop.example"
			send(r, m)
			store.save()
		}
		clock.advance(time.Minute)
	}
	send(r, newMessage(someRecipients(6)...)) // of 10.0.0.7
	store.save()
	tell(t, store, clock, DoReset, "client 10.0.0.3", nil)
	tell(t, store, clock, DoBlock, "login shop", func(o *Order) { o.Reason = "stolen" })
	clock.advance(time.Minute)
	read := func(q Query) Report {
		t.Helper()
		q.Limits = opts
		report, err := read(store.dir, clock.Now(), q)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	report := read(Query{Top: 3})
	// 10.0.0.3 is reset, 10.0.0.7 has sent eight of ten.
	if n := len(report.Near); n != 2 || report.Near[0].Limit != "new recipients per sender in 1h" || report.Near[0].Share != 1.4 ||
		report.Near[1].Key != "10.0.0.7" || report.Near[1].Frees != hour+1-2*60 {
		t.Errorf("near: %+v", report.Near)
	}
	if full := report.row("client", "10.0.0.6").Fullest; full == nil || full.Used != 6 || full.Max != 10 {
		t.Errorf("10.0.0.6: %+v", full)
	}
	if report.LeftOut["client"] != 4 || len(report.Blocks) != 1 {
		t.Errorf("left out: %v, blocks: %v", report.LeftOut, report.Blocks)
	}
	var text strings.Builder
	if err := report.Write(&text, true); err != nil {
		t.Fatal(err)
	}
	golden(t, "report_limits.txt", text.String())

	all := read(Query{})
	if full := all.row("client", "10.0.0.3").Fullest; full != nil {
		t.Errorf("it was reset: %+v", full)
	}
	if full := all.row("client", "10.0.0.2").Fullest; full == nil || full.Share != 0.5 {
		t.Errorf("with an override: %+v", full)
	}
	some := read(Query{Kind: "client", Key: "10.0.0.4/30"})
	if len(some.Rows) != 4 || len(some.Near) != 1 {
		t.Errorf("of a network: %+v", some)
	}
	for _, q := range []Query{{Kind: "host"}, {Kind: "client", Key: "shop"}, {Kind: "sender", Key: "@"}} {
		if _, err := Read(store.dir, q); err == nil {
			t.Errorf("%+v is answered", q)
		}
	}
}

func TestBars(t *testing.T) {
	for want, figures := range map[string][]int64{"··": {0, 0}, "·█": {0, 1}, "▄█": {1, 2}, "▁▂▂▃▄▅▆▇█": {1, 2, 3, 5, 6, 8, 10, 12, 14}, "▁█·": {1, 1 << 40, 0}} {
		if got := bars(figures, false); got != want {
			t.Errorf("%v: %s, want %s", figures, got, want)
		}
	}
	if got := bars([]int64{0, 1, 14}, true); got != "_.#" {
		t.Errorf("%q", got)
	}
}

// A file that an older daemon is still writing is read as it is, and brought up to date by the next daemon.
func TestAnOlderFile(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	db := otherConnection(t, filepath.Join(dir, fileName))
	for _, step := range []string{migrations[0], "PRAGMA user_version = 1"} {
		if _, err := db.Exec(step); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec("INSERT INTO counts VALUES (?, 'client', '10.0.0.7', 3, 5, 100, 0, 0)", clock.Now().Unix()); err != nil {
		t.Fatal(err)
	}
	report, err := read(dir, clock.Now(), Query{})
	if err != nil || report.row("client", "10.0.0.7").Hour.Recipients != 5 {
		t.Errorf("%+v, %v", report, err)
	}
	store := openStore(t, dir, clock)
	send(newRates(t, store), newMessage("x@one.example"))
	if row := store.report(t).row("client", "10.0.0.7"); row.Hour.Recipients != 6 {
		t.Errorf("%+v", row)
	}
	if row := store.report(t).row("total", "total"); row.Hour.NewRecipients != 1 {
		t.Errorf("%+v", row)
	}
}
