package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const twoDomains = `
[[signing.domains]]
domain = "example.org"
keys = [ { selector = "a", file = "%[1]s/a.pem" } ]
[[signing.domains]]
domain = "broken.example"
keys = [ { selector = "b", file = "%[1]s/b.pem" } ]
`

// makeKey writes a new key into a folder and returns its file.
func makeKey(t *testing.T, dir, name string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := writeKey("ed25519", file+".new"); err != nil {
		t.Fatal(err)
	}
	replace(t, file)
	return file
}

// replace puts what was written beside a file into its place: another file, also
// where the clock of the file system has not ticked in between.
func replace(t *testing.T, file string) {
	t.Helper()
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// truncate leaves of a file what a copy under way would.
func truncate(t *testing.T, file string) {
	t.Helper()
	if err := os.Truncate(file, 60); err != nil {
		t.Fatal(err)
	}
}

// measures holds that the metrics have a line.
func (s *standing) measures(want string) {
	s.Helper()
	r := httptest.NewRecorder()
	s.metrics.Handler(func() error { return nil }).ServeHTTP(r, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(r.Body.String(), "\n"+want+"\n") {
		var own []string
		for line := range strings.Lines(r.Body.String()) {
			if strings.HasPrefix(line, "pratique_") {
				own = append(own, line)
			}
		}
		s.Errorf("no %s in\n%s", want, strings.Join(own, ""))
	}
}

// A daemon starts with a key of no use, which stops its own domain only.
func TestStartIsolatesABrokenKey(t *testing.T) {
	dir := t.TempDir()
	makeKey(t, dir, "a.pem")
	truncate(t, makeKey(t, dir, "b.pem"))
	s := stand(t, fmt.Sprintf(twoDomains, dir))
	s.signedBy("s=a")
	s.says(`msg="key can't be used"`)
	s.says("domain=broken.example selector=b file=" + dir + "/b.pem")
	s.measures("pratique_signing_domains_broken 1")
	s.measures(`pratique_signing_domain_broken{domain="broken.example"} 1`)

	// What was broken before keeps nobody from reloading, and is mended by that.
	if err := s.reload(); err != nil {
		t.Error(err)
	}
	makeKey(t, dir, "b.pem")
	if err := s.reload(); err != nil {
		t.Error(err)
	}
	s.measures("pratique_signing_domains_broken 0")
}

// A reload with a key that was good, and is no more, changes nothing.
func TestReloadKeepsGoodKeys(t *testing.T) {
	dir := t.TempDir()
	makeKey(t, dir, "a.pem")
	makeKey(t, dir, "b.pem")
	s := stand(t, fmt.Sprintf(twoDomains, dir))
	before := s.current.Load()
	for name, spoil := range map[string]func(file string){
		"half written": func(file string) { truncate(t, file) },
		"gone":         func(file string) { os.Remove(file) },
		"open to all":  func(file string) { os.Chmod(file, 0o644) },
	} {
		file := makeKey(t, dir, "a.pem")
		spoil(file)
		if err := s.reload(); err == nil || !strings.Contains(err.Error(), "no signature for example.org with selector a: key "+file) {
			t.Errorf("%s: %v", name, err)
		}
		if s.current.Load() != before {
			t.Errorf("%s: another configuration is in force", name)
		}
		s.signedBy("s=a")
		os.Remove(file)
	}
	s.measures("pratique_signing_domains_broken 0")
}

func (s *standing) counts(text string, want int) {
	s.Helper()
	if got := strings.Count(s.log(), text); got != want {
		s.Errorf("the log has %q %d times; want %d:\n%s", text, got, want, s.log())
	}
}

const failed = `msg="reload failed, the old configuration stays in force"`

// What lies in the files of table and keys comes into force without a signal, as
// soon as all of it is good.
func TestWatchTakesUpChangedKeys(t *testing.T) {
	dir := t.TempDir()
	table := filepath.Join(dir, "signing.table")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(table+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace(t, table)
	}
	makeKey(t, dir, "a.pem")
	write("example.org a:a.pem\n")
	s := stand(t, fmt.Sprintf("[signing]\ntable = %q\n", table))
	s.signedBy("s=a")

	s.step("another key", func() { makeKey(t, dir, "a.pem") }, true)
	s.step("another selector", func() { write("example.org b:a.pem\n") }, true)
	s.signedBy("s=b")
	s.step("half a key", func() { truncate(t, makeKey(t, dir, "a.pem")) }, false)
	s.step("half a table", func() { write("example.org c:a.pem\nexample.c") }, false)
	s.signedBy("s=b")
	s.measures("pratique_config_last_reload_successful 0")
	s.step("the table is whole, the key is not", func() { write("example.org c:a.pem\nexample.com c:a.pem\n") }, false)
	s.step("all is whole", func() { makeKey(t, dir, "a.pem") }, true)
	s.signedBy("s=c")
	s.measures("pratique_config_last_reload_successful 1")
	s.measures(`pratique_config_reloads_total{result="failed"} 3`)
}

// A table that grows from look to look is not read, though every part of it is a
// table. Without a change nothing is read either.
func TestWatchWaitsUntilFilesKeepStill(t *testing.T) {
	dir := t.TempDir()
	makeKey(t, dir, "a.pem")
	table := filepath.Join(dir, "signing.table")
	grow := func() {
		t.Helper()
		f, err := os.OpenFile(table, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := fmt.Fprintf(f, "example%d.org a:a.pem\n", rand.Int()); err != nil {
			t.Fatal(err)
		}
	}
	grow()
	s := stand(t, fmt.Sprintf("[signing]\ntable = %q\n", table))
	before := s.current.Load()
	for range 3 {
		s.reloadChanged()
	}
	for range 5 {
		grow()
		s.reloadChanged()
	}
	if s.current.Load() != before {
		t.Errorf("read in between\n%s", s.log())
	}
	s.reloadChanged()
	if s.current.Load() == before {
		t.Errorf("not read at its end\n%s", s.log())
	}
}

// step changes files, and has the daemon look at them until they have kept still,
// and once more: then there is nothing new, neither to do nor to say.
func (s *standing) step(name string, change func(), works bool) {
	s.Helper()
	before, failures := s.current.Load(), strings.Count(s.log(), failed)
	change()
	s.reloadChanged()
	s.reloadChanged()
	after := s.current.Load()
	if (after != before) != works {
		s.Errorf("%s: reloaded %v; want %v\n%s", name, after != before, works, s.log())
	}
	if !works {
		failures++
	}
	s.reloadChanged()
	s.reloadChanged()
	s.counts(failed, failures)
	if s.current.Load() != after {
		s.Errorf("%s: reloaded twice", name)
	}
}

// A SIGHUP that fails for a key is made good by the key, not by the next look.
func TestWatchFollowsTheConfigurationAskedFor(t *testing.T) {
	dir := t.TempDir()
	makeKey(t, dir, "a.pem")
	s := stand(t, fmt.Sprintf("[[signing.domains]]\ndomain = \"example.org\"\nkeys = [ { selector = \"a\", file = \"%s/a.pem\" } ]\n", dir))
	text, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	configure := func(text string) {
		t.Helper()
		if err := os.WriteFile(s.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.tell(s.reload())
	}
	configure(strings.NewReplacer(`"a"`, `"b"`, "a.pem", "b.pem").Replace(string(text)))
	s.says(dir + "/b.pem: no such file")
	s.signedBy("s=a")
	s.step("the new key comes", func() { makeKey(t, dir, "b.pem") }, true)
	s.signedBy("s=b")
	s.measures("pratique_config_last_reload_successful 1")

	configure(string(text) + "[signing")
	s.step("a key changes beside a configuration that can't be read", func() { makeKey(t, dir, "b.pem") }, true)
	s.signedBy("s=b")
	s.measures("pratique_config_last_reload_successful 0")
}

// The loop looks by itself.
func TestWatchLoop(t *testing.T) {
	dir := t.TempDir()
	makeKey(t, dir, "a.pem")
	makeKey(t, dir, "b.pem")
	s := stand(t, fmt.Sprintf("signing.watch = \"1s\"\n"+twoDomains, dir))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.reloadOn(ctx, nil)
	}()
	makeKey(t, dir, "a.pem")
	for range 1000 {
		if strings.Contains(s.log(), "keys reloaded") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	<-ended
	s.says("keys reloaded")
}
