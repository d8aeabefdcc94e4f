package rates

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/message"
	"pratique/state"
)

// otherConnection is somebody else at the file.
func otherConnection(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := state.OpenDatabase(path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestRestartKeepsCountsAndWindows(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	limits := []Limit{perHour("client", "recipients", 10, "tempfail"), perHour("login", "bytes", 100, "tempfail")}
	store := openStore(t, dir, clock)
	r := newRates(t, store, limits...)
	m := newMessage(someRecipients(6)...)
	m.Client.Login = "shop"
	sendBody(r, m, strings.Repeat("x", 78))
	store.save()
	clock.advance(40 * time.Minute)
	send(r, newMessage(someRecipients(4)...))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	clock.advance(10 * time.Minute) // the daemon was down
	store = openStore(t, dir, clock)
	r = newRates(t, store, limits...)
	o := send(r, newMessage("x@one.example"))
	wantText(t, o.Refusal.Text, "sent 10 recipients", "room again in 11 min")
	m = newMessage()
	m.Client.Login = "shop"
	wantText(t, sendBody(r, m, strings.Repeat("x", 78)).Refusal.Text, "sent 80 bytes")
	clock.advance(11 * time.Minute)
	if o := send(r, newMessage(someRecipients(6)...)); o.Verdict != message.Accepted {
		t.Errorf("when the first ones are an hour old: %v", o.Refusal)
	}
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
		t.Errorf("with the later ones still in the window: %v", o.Verdict)
	}
	if got := store.report(t).row("client", "10.0.0.7").Day; got.Recipients != 16 || got.Tempfailed != 3 {
		t.Errorf("report: %+v", got)
	}
}

// A crash loses what was not saved, and nothing else: what a killed process
// leaves behind is the file and its write-ahead log as they are at that moment.
func TestCrashLosesWhatWasNotSaved(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	r := newRates(t, openStore(t, dir, clock))
	for range 5 {
		send(r, newMessage("x@one.example"))
		r.store.save()
	}
	send(r, newMessage("x@one.example"))

	after := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(filepath.Join(dir, fileName+suffix))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(after, fileName+suffix), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := openStore(t, after, clock).sum(PerTotal, keyTotal, CountMessages); got != 5 {
		t.Errorf("%d messages are known after the crash", got)
	}
}

func TestOpenSavesByItselfAndCloseSavesTheRest(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	store, err := Open(ctx, dir, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cancel() // it is for opening only
	send(newRates(t, store), newMessage("x@one.example"))
	if err := errors.Join(store.Close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	report, err := Read(dir, Query{})
	if err != nil {
		t.Fatal(err)
	}
	if got := report.row("total", "total").Hour.Messages; got != 1 {
		t.Errorf("%d messages are in the file", got)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lib", "pratique")
	store := openStore(t, dir, newClock())
	send(newRates(t, store), newMessage("x@one.example"))
	store.save()
	for name, mode := range map[string]fs.FileMode{"": dirMode, fileName: state.FileMode, fileName + "-wal": state.FileMode, fileName + "-shm": state.FileMode} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&^mode != 0 {
			t.Errorf("%q has mode %v", name, info.Mode())
		}
	}
}

func TestStateFolderWithOddCharacters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=d%20#é")
	store := openStore(t, dir, newClock())
	send(newRates(t, store), newMessage("x@one.example"))
	if got := store.report(t).row("total", "total").Hour.Messages; got != 1 {
		t.Errorf("%d messages are in the file", got)
	}
	if _, err := os.Stat(filepath.Join(dir, fileName)); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesAFolderThatCanNotBeWritten(t *testing.T) {
	occupied := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{occupied, filepath.Join(occupied, "below"), folder} {
		if _, err := Open(context.Background(), dir, time.Now, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s was opened", dir)
		}
	}
}

func TestOpenRefusesANewerFile(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	store := openStore(t, dir, clock)
	path := store.path
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := otherConnection(t, path).Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(context.Background(), dir, clock.Now, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "version 99, of a newer pratique") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutAStateFolderItSaysSo(t *testing.T) {
	var log logBuffer
	store, err := Open(context.Background(), "", time.Now, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, log.String(), "level=WARN", "in memory alone")
	send(newRates(t, store), newMessage("x@one.example"))
	if err := errors.Join(store.Health(), store.Close()); err != nil {
		t.Error(err)
	}
}

func TestADamagedFileIsSetAsideAtTheStart(t *testing.T) {
	damages := map[string]func(content []byte) []byte{
		"no database":  func([]byte) []byte { return []byte(strings.Repeat("this is no database\n", 1000)) },
		"broken pages": func(content []byte) []byte { clear(content[8192:]); return content },
		"cut off":      func(content []byte) []byte { return content[:len(content)/2] },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			clock, dir := newClock(), t.TempDir()
			store := openStore(t, dir, clock)
			r := newRates(t, store)
			for i := range 300 {
				send(r, newMessage(fmt.Sprintf("x@d%d.example", i)))
			}
			path := store.path
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content = damage(content)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}

			var log logBuffer
			store, err = open(context.Background(), dir, clock.Now, log.logger(), kindMemory)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			aside := path + ".damaged-20260301T120000Z"
			wantText(t, log.String(), "level=ERROR", aside)
			kept, err := os.ReadFile(aside)
			if err != nil || len(kept) < len(content) {
				t.Errorf("%d of %d octets were set aside: %v", len(kept), len(content), err)
			}
			send(newRates(t, store), newMessage("x@new.example"))
			if got := store.report(t).row("recipient_domain", "new.example").Hour.Messages; got != 1 {
				t.Errorf("%d messages are in the new file", got)
			}
		})
	}
}

// The write-ahead log of a damaged file goes with it, or it would be replayed into the new one.
func TestSetAsideTakesEverythingThatBelongsToTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.WriteFile(path+suffix, []byte(suffix), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	aside, err := state.SetAside(path, newClock().Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if content, err := os.ReadFile(aside + suffix); err != nil || string(content) != suffix {
			t.Errorf("%q, %v", content, err)
		}
		if _, err := os.Stat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q is still there: %v", suffix, err)
		}
	}
}

func TestADamagedFileIsReplacedWhileInUse(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	var log logBuffer
	store, err := open(context.Background(), dir, clock.Now, log.logger(), kindMemory)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r := newRates(t, store)
	send(r, newMessage("x@one.example"))
	store.save()
	if _, err := store.file.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(store.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range content {
		content[i] = 0x55
	}
	if err := os.WriteFile(store.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	// Another connection has no cached pages: give the store one too.
	store.file.db.SetMaxIdleConns(0)

	store.replaced.due(clock.Now()) // as if it had just been replaced
	send(r, newMessage("x@one.example"))
	store.save()
	if store.Health() == nil || strings.Contains(log.String(), "set aside") {
		t.Errorf("health: %v, log: %s", store.Health(), log.String())
	}
	clock.advance(throttleEvery)
	if got := store.report(t).row("total", "total").Hour.Messages; got != 2 {
		t.Errorf("%d messages are in the new file", got)
	}
	wantText(t, log.String(), "set aside")
}

// TestARemovedFileIsMadeAnew removes the state folder while it is in use: what is written
// into a file that has no name is kept by nobody.
func TestARemovedFileIsMadeAnew(t *testing.T) {
	clock, dir := newClock(), filepath.Join(t.TempDir(), "state")
	var log logBuffer
	store, err := open(context.Background(), dir, clock.Now, log.logger(), kindMemory)
	if err != nil {
		t.Fatal(err)
	}
	r := newRates(t, store)
	send(r, newMessage("x@one.example"))
	store.save()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	send(r, newMessage("x@one.example"))
	store.save()
	if err := store.Health(); err != nil {
		t.Error(err)
	}
	wantText(t, log.String(), "level=WARN", "was removed", store.path)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = openStore(t, dir, clock)
	defer store.Close()
	if got := store.report(t).row("recipient_domain", "one.example").Hour.Messages; got != 2 {
		t.Errorf("%d of 2 messages are known after a restart", got)
	}
}

func TestALockedFileLosesNothing(t *testing.T) {
	clock := newClock()
	var log logBuffer
	store, err := open(context.Background(), t.TempDir(), clock.Now, log.logger(), kindMemory)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r := newRates(t, store, perHour("client", "messages", 3, "tempfail"))
	if _, err := store.file.db.Exec("PRAGMA busy_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	lock, err := otherConnection(t, store.path).Begin()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		send(r, newMessage("x@one.example"))
		store.save()
		if err := store.Health(); err == nil || !strings.Contains(err.Error(), "locked") {
			t.Errorf("health: %v", err)
		}
	}
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
		t.Errorf("over the limit, while nothing is saved: %v", o.Verdict)
	}
	if n := strings.Count(log.String(), "can't be saved"); n != 1 {
		t.Errorf("it was logged %d times within a minute", n)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := store.report(t).row("client", "10.0.0.7").Hour; got.Messages != 3 || got.Tempfailed != 1 {
		t.Errorf("in the file: %+v", got)
	}
	wantText(t, log.String(), "saved again")
}

func TestAFullDiskLosesNothing(t *testing.T) {
	store := openStore(t, t.TempDir(), newClock())
	r := newRates(t, store)
	var pages int
	if err := store.file.db.QueryRow("PRAGMA max_page_count = 3").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	for _, rewrite := range []bool{false, true} { // both ways of writing
		store.rewrite = rewrite
		for i := range 500 {
			send(r, newMessage(fmt.Sprintf("x@d%d.example", i)))
		}
		store.save()
		if err := store.Health(); err == nil || !strings.Contains(err.Error(), "full") {
			t.Fatalf("health: %v", err)
		}
	}
	store.rewrite = false
	if err := store.file.db.QueryRow("PRAGMA max_page_count = 100000").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	report := store.report(t)
	for i := range 500 {
		if got := report.row("recipient_domain", fmt.Sprintf("d%d.example", i)).Hour.Messages; got != 2 {
			t.Fatalf("%d messages to domain %d are in the file", got, i)
		}
	}
	if got := report.row("total", "total").Hour.Messages; got != 1000 {
		t.Errorf("%d messages are in the file", got)
	}
}

// The log is rewritten before it is much longer than what it says, and says the same after it.
func TestLogStaysBounded(t *testing.T) {
	clock := newClock()
	store := openStore(t, t.TempDir(), clock)
	r := newRates(t, store, perHour("client", "messages", 100_000, "tempfail"))
	var recipients []string
	for i := range 30 {
		recipients = append(recipients, fmt.Sprintf("x@d%d.example", i))
	}
	longest, sent := 0, int64(0)
	for store.written == 0 {
		send(r, newMessage(recipients...))
		sent++
		clock.advance(time.Second)
		store.save()
		longest = max(longest, store.file.rows)
		if store.Health() != nil || sent > logSlack {
			t.Fatalf("after %d messages, %d rows: %v", sent, store.file.rows, store.Health())
		}
	}
	if longest > logSlack+2*len(recipients) {
		t.Errorf("the log had %d rows", longest)
	}
	if store.written > longest/50 {
		t.Errorf("after a rewrite it has %d rows", store.written)
	}
	if got := store.report(t).row("client", "10.0.0.7").Day.Messages; got != sent {
		t.Errorf("it says %d messages, %d were sent", got, sent)
	}
}

func TestOddKeysSurviveARestart(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	keys := []string{"a\x00b", "a\x00c", "\xff\xfe@x.example", "grüße@x.example", "' OR 1=1; --", strings.Repeat("k", maxKey)}
	store := openStore(t, dir, clock)
	for _, key := range keys {
		send(newRates(t, store), from(key))
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = openStore(t, dir, clock)
	for _, key := range keys {
		if got := store.sum(PerSender, strings.ToLower(key), CountMessages); got != 1 {
			t.Errorf("%q has %d messages", key, got)
		}
	}
}

func TestRowsFromAClockThatWasAhead(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	clock.advance(1000 * time.Hour)
	store := openStore(t, dir, clock)
	limit := perHour("client", "messages", 1, "tempfail")
	send(newRates(t, store, limit), newMessage("x@one.example"))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	clock.advance(-1000 * time.Hour)
	r := newRates(t, openStore(t, dir, clock), limit)
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
		t.Errorf("at once: %v", o.Verdict)
	}
	clock.advance(time.Hour + time.Second)
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Accepted {
		t.Errorf("a window later: %v", o.Refusal)
	}
}

// Figures that nobody has written are bounded, and stop no start.
func TestRowsWithImpossibleFigures(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	store := openStore(t, dir, clock)
	path := store.path
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db := otherConnection(t, path)
	for _, row := range []string{
		"(-5, 'client', '10.0.0.7', -1, -1, -1, -1, -1, -1)",
		"(1 << 60, 'client', '10.0.0.7', 1 << 60, 1 << 60, 1 << 62, 1 << 60, 1 << 60, 1 << 60)",
		"(strftime('%s', '2026-03-01 12:00:00') + 0, 'planet', 'x', 1, 1, 1, 1, 1, 1)",
	} {
		if _, err := db.Exec("INSERT INTO counts VALUES " + row); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []string{"(1 << 60, 'sender', 'a@shop.example', x'ffffffff00000000010203')", "(-1, 'sender', '', x'')"} {
		if _, err := db.Exec("INSERT INTO contacts VALUES " + row); err != nil {
			t.Fatal(err)
		}
	}
	store = openStore(t, dir, clock)
	r := newRates(t, store, perHour("client", "bytes", 100, "tempfail"), perHour("sender", "new_recipients", 100, "tempfail"))
	if o := send(r, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
		t.Errorf("%v: what is out of range must not look small", o.Verdict)
	}
	m := newMessage("x@one.example")
	m.Client.Addr = netip.MustParseAddr("10.0.0.8")
	if o := send(r, m); o.Verdict != message.Accepted {
		t.Errorf("another client: %v", o.Refusal)
	}
	store.save()
	if err := store.Health(); err != nil {
		t.Error(err)
	}
}
