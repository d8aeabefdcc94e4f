package rates

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"pratique/message"
	"pratique/state"
)

// nobody is a user that owns nothing else.
const nobody = 65534

// A state folder or file that can't be written stops no mail: what is in it counts,
// Health tells of it, and when it can be written everything is saved.
func TestAReadOnlyFolderStopsNoMail(t *testing.T) {
	for _, tc := range []struct {
		name   string
		file   string // "": the folder itself
		mode   fs.FileMode
		reads  bool // what is in it is known
		broken bool
	}{
		{"all is well", fileName, 0o600, true, false}, // what the test would otherwise prove is that nobody can do nothing
		{"file", fileName, 0o400, true, true},
		{"folder", "", 0o500, true, true},
		{"unreadable file", fileName, 0, false, true},
		{"unreadable secret", secretName, 0, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clock, dir := newClock(), t.TempDir()
			limits := []Limit{perHour("client", "messages", 3, "tempfail"), perHour("sender", "new_recipients", 2, "observe")}
			store := openStore(t, dir, clock)
			send(newRates(t, store, limits...), newMessage("x@one.example"))
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, tc.file), tc.mode); err != nil {
				t.Fatal(err)
			}
			withoutPrivilege(t, dir, func() {
				var log logBuffer
				store, err := open(context.Background(), dir, clock.Now, log.logger(), kindMemory)
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				if broken := store.Health() != nil; broken != tc.broken || broken != strings.Contains(log.String(), "can't be saved") {
					t.Errorf("health: %v, log: %s", store.Health(), log.String())
				}
				r := newRates(t, store, limits...)
				if n := store.sum(PerClient, "10.0.0.7", CountMessages); (n == 1) != tc.reads {
					t.Errorf("%d messages are known", n)
				}
				send(r, newMessage("x@one.example", "y@one.example"))
				store.save()
				files, err := filepath.Glob(filepath.Join(dir, "rates.*")) // SQLite's others take over the mode of the database
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range append(files, dir) {
					if err := os.Chmod(name, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				store.save()
				if err := store.Health(); err != nil {
					t.Fatalf("when it can be written: %v", err)
				}
				send(r, newMessage("x@one.example"))
				if o := send(r, newMessage("x@one.example")); o.Verdict != message.Tempfailed {
					t.Errorf("a fourth message: %v", o.Verdict)
				}
				if got := store.report(t).row("client", "10.0.0.7").Hour.Messages; got != 3 {
					t.Errorf("%d messages are in the file", got)
				}
				m := newMessage("x@one.example")
				if n := store.book.strangers(PerSender, m.Sender, store.book.fingerprints(m.Recipients), store.time.seconds()); n != 0 {
					t.Error("a recipient is forgotten")
				}
			})
		})
	}
}

// withoutPrivilege calls f as someone who has no more rights than the modes of
// the folder give to its owner: root may write anywhere.
func withoutPrivilege(t *testing.T, dir string, f func()) {
	if os.Geteuid() != 0 {
		f()
		return
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // the file system's user is a thread's
	defer runtime.UnlockOSThread()
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setfsuid(0)
	f()
}

// A copy knows what was saved, and writes nothing.
func TestACopyWritesNothing(t *testing.T) {
	clock, dir := newClock(), t.TempDir()
	limits := []Limit{perHour("client", "messages", 2, "tempfail")}
	store := openStore(t, dir, clock)
	send(newRates(t, store, limits...), newMessage("x@one.example"))
	store.save()
	tell(t, store, clock, DoBlock, "login shop", nil)
	for range 2 { // the first one leaves no trace for the second
		copied, err := OpenCopy(t.Context(), dir, clock.Now, (&logBuffer{}).logger())
		if err != nil {
			t.Fatal(err)
		}
		r := newRates(t, copied, limits...)
		for i, want := range []message.Verdict{message.Accepted, message.Tempfailed} {
			if o := send(r, newMessage("x@one.example")); o.Verdict != want {
				t.Errorf("message %d: %v", i+1, o.Verdict)
			}
		}
		m := newMessage("x@one.example")
		m.Client.Login = "shop"
		if o := send(r, m); o.Verdict != message.Refused {
			t.Errorf("blocked: %v", o.Verdict)
		}
		if err := copied.Close(); err != nil {
			t.Fatal(err)
		}
	}
	empty := t.TempDir()
	copied, err := OpenCopy(t.Context(), empty, clock.Now, (&logBuffer{}).logger())
	if err != nil {
		t.Fatal(err)
	}
	send(newRates(t, copied), newMessage("x@one.example"))
	if err := copied.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(empty); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// What root orders belongs to the owner of the state folder, who has to read it.
func TestOrdersBelongToTheOwnerOfTheFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root to give a file away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	o := Order{At: newClock().Now(), By: "root", Do: DoBlock, Kind: "login", Key: "shop"}
	if err := Tell(dir, o); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, ordersName))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != nobody || info.Mode().Perm() != state.FileMode {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
