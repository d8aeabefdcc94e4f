package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	if err := writeKey("ed25519", file); err != nil {
		t.Fatal(err)
	}
	return file
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
