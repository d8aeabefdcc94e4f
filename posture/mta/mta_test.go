package mta

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "make the fixtures and what is wanted of them anew")

// ours is the configuration of the milter that the fixtures are held against.
func ours() Ours {
	networks := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8")}
	return Ours{
		Listen: []string{"unix:/var/spool/postfix/pratique/milter.sock", "inet:0.0.0.0:8891", "inet6:[::1]:8891"},
		Admits: func(p netip.Prefix) bool {
			for _, n := range networks {
				if n.Contains(p.Addr()) && n.Bits() <= p.Bits() {
					return true
				}
			}
			return false
		},
		Generic: []string{"@host.example.org"}, Signed: []string{"From", "Subject", "To", "Cc", "Date"},
		LineLimit: 998, Progress: time.Second, Idle: 10 * time.Minute, ScanMax: 25 << 20,
	}
}

func TestFixtures(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			p, err := readPostfix(filepath.Join("testdata/postfix", f.name))
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, filepath.Join("testdata/postfix", f.name, "want"), summary(p.Judge(ours())))
		})
	}
}

// summary writes what was found but for what is fine.
func summary(r *Report) []byte {
	var b bytes.Buffer
	for _, f := range r.Findings {
		if f.Status == OK {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s: %s\n  %s\n", f.Status, f.Rule, f.Where, f.Found, f.Means)
		for _, fix := range f.Fix {
			fmt.Fprintf(&b, "  > %s\n", fix)
		}
	}
	return b.Bytes()
}

func checkGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// The fixtures are what the real postconf makes, and each judges as the file says
// with the defaults of the real one, too.
func TestFixturesAreOfPostconf(t *testing.T) {
	if _, err := exec.LookPath("postconf"); err != nil {
		missing(t, "postconf", err)
	}
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			dir, stored := t.TempDir(), filepath.Join("testdata/postfix", f.name)
			makeFixture(t, dir, f)
			for _, name := range append([]string{"main.cf", "master.cf"}, names(f.files)...) {
				made, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if *update {
					if err := os.MkdirAll(stored, 0o755); err != nil {
						t.Fatal(err)
					}
				}
				checkGolden(t, filepath.Join(stored, name), made)
			}
		})
	}
}

func names(files map[string]string) []string {
	var list []string
	for name := range files {
		list = append(list, name)
	}
	return list
}

func makeFixture(t *testing.T, dir string, f fixture) {
	t.Helper()
	for _, name := range []string{"main.cf", "master.cf"} {
		text, err := os.ReadFile(filepath.Join("testdata/debian", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range f.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range f.postconf {
		for _, one := range oneByOne(args) {
			runPostconf(t, dir, one...)
		}
	}
}

func runPostconf(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("postconf", append([]string{"-c", dir}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("postconf %s: %v: %s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// missing skips a test that needs a program, unless all of them are required.
func missing(t *testing.T, name string, err error) {
	t.Helper()
	if os.Getenv("PRATIQUE_REQUIRE_REAL") != "" {
		t.Fatalf("%s is missing: %v", name, err)
	}
	t.Skipf("%s is missing: %v", name, err)
}

func TestReplaceWord(t *testing.T) {
	for text, want := range map[string]string{
		"mail of 25/inet goes to 10025/inet.": "mail of X goes to 10025/inet.",
		"25/inet":                             "X",
		"(25/inet)25/inet, 25/inet.":          "(X)25/inet, X.",
		"25/inet25/inet 25/inetx":             "25/inet25/inet 25/inetx",
		"":                                    "",
	} {
		if got := replaceWord(text, "25/inet", "X"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
