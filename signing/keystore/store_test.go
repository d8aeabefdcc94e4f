package keystore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// began is when the clocks of the tests start.
var began = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// clock is a clock that is set by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

var ed25519Kind = Kind{Type: Ed25519} // the kind that is quick to make

func newStore(t *testing.T) (*Store, *clock) {
	t.Helper()
	c := &clock{began}
	return Open(filepath.Join(t.TempDir(), "state", "keys"), c.now), c
}

func (s *Store) mustKeys(t *testing.T) []Key {
	t.Helper()
	keys, err := s.Keys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// put has the store hold one key, of ed25519, in a state.
func (s *Store) put(t *testing.T, domain string, state State) Key {
	t.Helper()
	made, err := s.New(t.Context(), domain, "", ed25519Kind)
	if err != nil {
		t.Fatal(err)
	}
	return s.set(t, made[0], func(k *Key) { k.State, *k.since() = state, s.time() })
}

// set changes a key of the store.
func (s *Store) set(t *testing.T, k Key, change func(*Key)) Key {
	t.Helper()
	err := s.update(t.Context(), func(_ *disk, l *list) error {
		i := slices.Index(l.Keys, k)
		if i < 0 {
			return fmt.Errorf("%v is not in the store", k)
		}
		change(&l.Keys[i])
		*l.Keys[i].since() = s.time()
		k = l.Keys[i]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNew(t *testing.T) {
	s, _ := newStore(t)
	if keys := s.mustKeys(t); len(keys) != 0 {
		t.Fatalf("a store without a folder has %v", keys)
	}
	made, err := s.New(t.Context(), "Example.org.", "", Kind{Type: RSA}, ed25519Kind)
	if err != nil {
		t.Fatal(err)
	}
	want := []Key{
		{Domain: "example.org", Selector: "20261124r", Algorithm: "rsa-sha256", State: Created, Created: began},
		{Domain: "example.org", Selector: "20261124e", Algorithm: "ed25519-sha256", State: Created, Created: began},
	}
	if !slices.Equal(made, want) || !slices.Equal(s.mustKeys(t), want) {
		t.Errorf("made %+v, stored %+v", made, s.mustKeys(t))
	}
	for _, k := range made {
		key, err := s.Load(k)
		if err != nil || key.Algorithm() != k.Algorithm || key.Weakness() != "" {
			t.Errorf("%v: %v, %v", k, key, err)
		}
	}
	err = filepath.WalkDir(s.Folder(), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSelectorsAreNotUsedTwice(t *testing.T) {
	s, _ := newStore(t)
	first := s.put(t, "example.org", Done)
	second, err := s.New(t.Context(), "example.org", "", ed25519Kind)
	if err != nil || second[0].Selector != "20261124e2" {
		t.Fatalf("beside %v: %v, %v", first, second, err)
	}
	// A receiver may remember the record of a key that was removed.
	if _, err := s.Remove(t.Context(), "example.org", "20261124E2", true); err != nil {
		t.Fatal(err)
	}
	// What lies there may be the only copy of a key.
	stray := filepath.Join(s.Folder(), "example.org", "20261124e3.pem")
	if err := os.WriteFile(stray, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := s.New(t.Context(), "example.org", "", ed25519Kind)
	if err != nil || third[0].Selector != "20261124e4" {
		t.Errorf("beside a stray file and a removed key: %v, %v", third, err)
	}
	if strays, err := s.Strays(); err != nil || !slices.Equal(strays, []string{stray}) {
		t.Errorf("strays %v, %v", strays, err)
	}
	if text, err := os.ReadFile(stray); err != nil || string(text) != "kept" {
		t.Errorf("the stray holds %q, %v", text, err)
	}
	var taken *Taken
	for _, selector := range []string{third[0].Selector, "20261124e3", "20261124e2", first.Selector} {
		if _, err := s.New(t.Context(), "example.org", selector, Kind{Type: RSA}); !errors.As(err, &taken) {
			t.Errorf("selector %s: %v", selector, err)
		}
	}
}

func TestOneKeyOfAnAlgorithmAtATime(t *testing.T) {
	for _, c := range []struct {
		state            State
		mayNew, mayAgain bool // make a first key, make a successor
	}{
		{Created, false, false}, {Published, false, false}, {Active, false, true}, {Retiring, true, false}, {Done, true, false},
	} {
		t.Run(string(c.state), func(t *testing.T) {
			s, _ := newStore(t)
			k := s.put(t, "example.org", c.state)
			if _, err := s.Rotate(t.Context(), "example.org", ""); (err == nil) != c.mayAgain {
				t.Errorf("rotate: %v", err)
			}
			if _, err := s.Rotate(t.Context(), "example.org", ""); err == nil {
				t.Errorf("a second successor was made: %v", s.mustKeys(t))
			}
			if c.mayAgain {
				return
			}
			made, err := s.New(t.Context(), "example.org", "", ed25519Kind)
			var taken *Taken
			if c.mayNew != (err == nil) || !c.mayNew && (!errors.As(err, &taken) || taken.By != k) {
				t.Errorf("new: %v, %v", made, err)
			}
		})
	}
}

func TestRotateKeepsTheSize(t *testing.T) {
	s, _ := newStore(t)
	made, err := s.New(t.Context(), "example.org", "", Kind{Type: RSA, Bits: 3072}, ed25519Kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range made {
		s.set(t, k, func(k *Key) { k.State = Active })
	}
	if _, err := s.Rotate(t.Context(), "example.org", RSA); err != nil {
		t.Fatal(err)
	}
	keys := s.mustKeys(t)
	if len(keys) != 3 || keys[1].Type() != RSA || s.kindOf(keys[1]).Bits != 3072 {
		t.Errorf("after rotating rsa: %v", keys)
	}
	var none *NotFound
	if _, err := s.Rotate(t.Context(), "example.net", ""); !errors.As(err, &none) {
		t.Errorf("a domain without keys: %v", err)
	}
}

func TestDomainsAreTheActiveKeys(t *testing.T) {
	s, _ := newStore(t)
	for i, state := range States() {
		s.put(t, fmt.Sprintf("%d.example", i), state)
	}
	made, err := s.New(t.Context(), "2.example", "", Kind{Type: RSA})
	if err != nil {
		t.Fatal(err)
	}
	s.set(t, made[0], func(k *Key) { k.State = Active })
	domains, err := s.Domains()
	if err != nil || len(domains) != 1 || domains[0].Domain != "2.example" || len(domains[0].Keys) != 2 ||
		domains[0].Keys[0].Selector != "20261124r" || domains[0].Keys[1].File != filepath.Join(s.Folder(), "2.example", "20261124e.pem") {
		t.Errorf("%+v, %v", domains, err)
	}
}

func TestRemove(t *testing.T) {
	for _, state := range States() {
		s, _ := newStore(t)
		k := s.put(t, "example.org", state)
		_, err := s.Remove(t.Context(), "example.org", k.Selector, false)
		var notDone *NotDone
		if (state == Done) != (err == nil) || err != nil && !errors.As(err, &notDone) {
			t.Errorf("%s: %v", state, err)
		}
		if err != nil {
			_, err = s.Remove(t.Context(), "EXAMPLE.org", k.Selector, true)
		}
		if _, statErr := os.Stat(s.File(k)); err != nil || !errors.Is(statErr, os.ErrNotExist) || len(s.mustKeys(t)) != 0 {
			t.Errorf("%s, by force: %v, %v, %v", state, err, statErr, s.mustKeys(t))
		}
	}
}

// Writers wait for one another; none of their changes is lost.
func TestLock(t *testing.T) {
	s, _ := newStore(t)
	const writers = 8
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			own := Open(s.Folder(), s.now) // as another process would
			if _, err := own.New(t.Context(), fmt.Sprintf("%d.example", i), "", ed25519Kind); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if keys := s.mustKeys(t); len(keys) != writers {
		t.Errorf("%d keys: %v", len(keys), keys)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.update(t.Context(), func(*disk, *list) error {
		_, err := s.New(ctx, "waiting.example", "", ed25519Kind)
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "another process holds the lock") {
		t.Errorf("while another writes: %v", err)
	}
}

func TestLists(t *testing.T) {
	const good = `{"domain": "example.org", "selector": "a", "algorithm": "rsa-sha256", "state": "active", "created": "2026-01-01T00:00:00Z"}`
	other := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for text, want := range map[string]string{
		`{"version": 1, "keys": [` + good + `]}`:                                                 "",
		`{"version": 1, "keys": [` + good + "," + other(`"a"`, `"b"`) + `]}`:                     "both active",
		`{"version": 1, "keys": [` + good + "," + other(`"active"`, `"done"`) + `]}`:             "twice",
		`{"version": 1, "keys": [` + other(`"active"`, `"lost"`) + `]}`:                          "is no state",
		`{"version": 1, "keys": [` + other(`"a"`, `"../../etc"`) + `]}`:                          "empty label",
		`{"version": 1, "keys": [` + other(`example.org`, `../example.org`) + `]}`:               "empty label",
		`{"version": 1, "keys": [` + other(`"state"`, `"weight": 1, "state"`) + `]}`:             "unknown field",
		`{"version": 2, "keys": []}`:                                                             "version 2",
		`{"version": 1, "ke`:                                                                     "unexpected EOF",
		`{"version": 1, "keys": [` + other(`2026-01-01T00:00:00Z`, `yesterday`) + `]}`:           "yesterday",
		`{"version": 1, "keys": [` + other(`"rsa-sha256"`, `"rsa-sha1"`) + `]}`:                  "algorithm",
		`{"version": 1, "keys": [` + good + "," + other(`"example.org"`, `"*.example"`) + `]}`:   "domain itself",
		`{"version": 1, "keys": [` + good + "," + other(`"example.org"`, `"example.net"`) + `]}`: "",
	} {
		_, err := parseList([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

// What root makes is for the user of the daemon, who owns the folder above.
func TestRootGivesItsFilesAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this is what root does")
	}
	s, _ := newStore(t)
	state := filepath.Dir(s.Folder())
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	const uid, gid = 4242, 4343
	if err := os.Chown(state, uid, gid); err != nil {
		t.Fatal(err)
	}
	s.put(t, "example.org", Active)
	err := filepath.WalkDir(s.Folder(), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if stat := info.Sys().(*syscall.Stat_t); stat.Uid != uid || stat.Gid != gid {
			t.Errorf("%s is of %d:%d", path, stat.Uid, stat.Gid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Whatever stands in a list, no key of it lies outside of the folder, and what was
// read can be written.
func FuzzLists(f *testing.F) {
	f.Add([]byte(`{"version": 1, "keys": [{"domain": "example.org", "selector": "a", "algorithm": "rsa-sha256", "state": "active", "created": "2026-01-01T00:00:00Z", "ttl": 60}]}`))
	f.Add([]byte(`{"version": 1, "keys": [], "removed": ["a._domainkey.example.org"]}`))
	f.Add([]byte(`{"version": 1, "keys": [{"domain": "..", "selector": "../..", "algorithm": "rsa-sha256", "state": "active", "created": "2026-01-01T00:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseList(data)
		if err != nil {
			return
		}
		for _, k := range l.Keys {
			if !filepath.IsLocal(k.file()) || strings.Count(k.file(), "/") != 1 {
				t.Errorf("%v lies at %s", k, k.file())
			}
		}
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatalf("%+v was read, and can't be written: %v", l, err)
		}
		if _, err := parseList(text); err != nil {
			t.Errorf("%s was written, and can't be read: %v", text, err)
		}
	})
}
