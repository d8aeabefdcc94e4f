package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pratique/message"
	"pratique/signing/keystore"
)

// standing is a daemon whose rounds are played by hand, and its clock.
type standing struct {
	*testing.T
	*daemon
	at       time.Time
	dir      string
	zone     *zone
	rotation *rotation    // as after a start
	passed   atomic.Int64 // nanoseconds since at: goroutines of the daemon ask for the time
}

func (s *standing) now() time.Time { return s.at.Add(time.Duration(s.passed.Load())) }

// log is a buffer that several goroutines may write to.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// stand makes a daemon with a configuration behind the usual one.
func stand(t *testing.T, config string) *standing {
	t.Helper()
	s := &standing{T: t, at: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), dir: t.TempDir(), zone: startDNS(t)}
	s.start(config)
	return s
}

func (s *standing) start(config string) {
	s.Helper()
	file := filepath.Join(s.dir, "p.toml")
	text := fmt.Sprintf("state = %q\nhttp = \"\"\ndns.authoritative = [%q]\nkeys.activate_after = \"1h\"\nlint.dns_wait = \"0s\"\n", s.dir, s.zone.addr)
	if err := os.WriteFile(file, []byte(text+config), 0o600); err != nil {
		s.Fatal(err)
	}
	cfg, err := loadConfig(file)
	if err != nil {
		s.Fatal(err)
	}
	e := &env{strings.NewReader(""), io.Discard, &log{}, s.now}
	if s.daemon, err = newDaemon(s.Context(), e, file, cfg); err != nil {
		s.Fatal(err)
	}
	d := s.daemon
	s.Cleanup(func() { d.close() })
	s.rotation = d.newRotation(cfg)
}

// round plays a round some time after the last one.
func (s *standing) round(after time.Duration) {
	s.passed.Add(int64(after))
	s.rotation.once(s.Context())
}

// signedBy plays a message, and compares the selectors of its signatures, or the
// reason why it has none.
func (s *standing) signedBy(want ...string) {
	s.Helper()
	s.from("example.org", want...)
}

// from is signedBy for a message from another domain.
func (s *standing) from(domain string, want ...string) {
	s.Helper()
	m := &message.Message{Sender: "a@example.org", Began: s.now()}
	m.Client.Addr = netip.MustParseAddr("127.0.0.1")
	text := "From: a@" + domain + "\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nTo: b@example.net\r\n\r\ntext\r\n"
	if err := message.Play(s.Context(), s.current.Load().Checks, m, strings.NewReader(text), io.Discard); err != nil {
		s.Error(err)
	}
	var got []string
	for _, n := range m.Notes {
		switch n.Key {
		case "unsigned":
			got = append(got, n.Code)
		case "signed": // "d=example.org s=20261124e a=ed25519-sha256"
			got = append(got, strings.Fields(n.Text)[1])
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.Errorf("signed by %v; want %v\n%s", got, want, s.env.stderr)
	}
}

func (s *standing) log() string { return s.env.stderr.(*log).String() }

func (s *standing) says(want string) {
	s.Helper()
	if !strings.Contains(s.log(), want) {
		s.Errorf("the log lacks %q:\n%s", want, s.log())
	}
}

// pratique runs a command beside the daemon, and publishes what it prints.
func (s *standing) pratique(args ...string) {
	s.Helper()
	var out, errs bytes.Buffer
	e := &env{strings.NewReader(""), &out, &errs, s.env.now}
	if status := run(e, append(args, "--config", s.path)); status != exitClean {
		s.Fatalf("%v: %d %s", args, status, errs.String())
	}
	if err := s.zone.publishAll(out.String()); err != nil {
		s.Error(err)
	}
}

const ownKeys = `
[[signing.domains]]
domain = "example.org"
keys = [ { selector = "own", file = "%s" } ]
`

// From the first key to its successor: each message is signed by what is active.
func TestDaemonSignsWithTheActiveKeys(t *testing.T) {
	s := stand(t, "")
	s.round(0)
	s.signedBy("off")
	s.pratique("keys", "new", "example.org", "--type", "ed25519")
	s.signedBy("off")
	s.round(0)
	s.says("key is now published")
	s.signedBy("no_key")
	s.round(time.Hour)
	s.signedBy("s=20261124e")
	s.says(`"keys have changed: new messages are signed by these" keys=[20261124e._domainkey.example.org]`)
	under := s.current.Load()
	s.round(time.Hour)
	if s.current.Load() != under {
		t.Error("the pipeline was replaced, and nothing had changed")
	}

	s.pratique("keys", "rotate", "example.org")
	s.signedBy("s=20261124e")
	s.round(0)
	s.round(time.Hour)
	s.signedBy("s=20261124e2")

	s.close() // a restart in the middle
	s.start("")
	s.signedBy("s=20261124e2")
	s.round(6 * 24 * time.Hour)
	s.says("safe to remove 20261124e._domainkey.example.org from the DNS")
	s.signedBy("s=20261124e2")
}

// Keys may sign for what is below their domain. An entry of the configuration goes
// before them there, too, and may name a key of the store itself.
func TestSubdomains(t *testing.T) {
	s := stand(t, "keys.subdomains = [\"Example.org\"]\n")
	s.pratique("keys", "new", "example.org", "--type", "ed25519")
	s.round(0)
	s.round(time.Hour)
	s.signedBy("s=20261124e")
	s.from("deep.news.example.org", "s=20261124e")
	s.from("example.com", "no_key")

	s.close()
	kept := s.rotation.store.File(keystore.Key{Domain: "example.org", Selector: "20261124e"})
	s.start("keys.subdomains = [\"example.org\"]\n[[signing.domains]]\ndomain = \"*.Example.org\"\n" +
		fmt.Sprintf("keys = [ { selector = \"20261124e\", file = %q } ]\n", kept))
	s.signedBy("s=20261124e")
	s.from("deep.news.example.org", "s=20261124e")
	s.says("signing.domains[0] goes before the active keys of *.example.org in ")
	if strings.Contains(s.log(), "keys of example.org in") {
		t.Error("the same key under the same name is no clash: " + s.log())
	}
}

// A key that is removed by force signs nothing more, even while the DNS is away.
func TestRemovedKeysDoNotSign(t *testing.T) {
	s := stand(t, "")
	s.pratique("keys", "new", "example.org")
	s.round(0)
	s.round(time.Hour)
	s.signedBy("s=20261124r", "s=20261124e")
	e := &env{strings.NewReader(""), io.Discard, io.Discard, s.env.now}
	if status := run(e, []string{"keys", "remove", "example.org", "20261124r", "--force", "--config", s.path}); status != exitClean {
		t.Fatal(status)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.rotation.once(ended)
	s.signedBy("s=20261124e")
}

// A table of the configuration signs until it is taken out: mail changes over to
// the store without a gap.
func TestConfiguredKeysGoFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.pem")
	if err := writeKey("ed25519", file); err != nil {
		t.Fatal(err)
	}
	s := stand(t, fmt.Sprintf(ownKeys, file))
	s.pratique("keys", "new", "example.org", "--type", "ed25519")
	s.round(0)
	s.round(time.Hour)
	s.says("key is now active")
	s.signedBy("s=own")
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	s.says("p.toml:7: signing.domains[0] goes before the active keys of example.org in ")
	s.signedBy("s=own")

	text, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path, bytes.Split(text, []byte("[[signing"))[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	s.signedBy("s=20261124e")
}

// A list that is damaged stops neither mail nor its signatures, and no daemon
// starts with it: it would not know what to sign.
func TestDamagedList(t *testing.T) {
	s := stand(t, "")
	s.pratique("keys", "new", "example.org", "--type", "ed25519")
	s.round(0)
	s.round(time.Hour)
	list := filepath.Join(s.dir, "keys", "keys.json")
	if err := os.WriteFile(list, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.round(time.Hour)
	s.says("keys can't be looked after; those in force sign on")
	if err := s.reload(); err == nil || !strings.Contains(err.Error(), list) {
		t.Errorf("reload: %v", err)
	}
	s.signedBy("s=20261124e")
	s.close()
	if _, err := newDaemon(t.Context(), s.env, s.path, s.inForce()); err == nil || !strings.Contains(err.Error(), list) {
		t.Errorf("start: %v", err)
	}
}

// The loop takes up at once what a command does, and ends with the daemon.
func TestRotationLoop(t *testing.T) {
	s := stand(t, "keys.check_every = \"1s\"\n")
	stop := s.rotateKeys(t.Context())
	s.pratique("keys", "new", "example.org", "--type", "ed25519")
	for range 1000 {
		if strings.Contains(s.log(), "key is now published") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	s.says("key is now published")
}
