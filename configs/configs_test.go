package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"pratique/message"
	"pratique/rates"
	"pratique/signing"
)

func TestEveryKindOfValue(t *testing.T) {
	cfg, err := Parse("t.toml", []byte(`
listen = [
  "unix:/run/pratique/milter.sock", # with a comment
  'inet6:[::1]:8891',
]
hostname = "mail.example.org"
lint.rules = { M13 = "off" }
lint.max_size = 1_000

[access]
authenticated = false
[[access.senders]]
networks = ["10.1.2.0/24"]
allow = ["a.example"]
[[access.senders]]
logins = ["shop"]
allow = ["b.example"]

[scanning]
timeout = "1m30s"
max_size = "30 MiB"
on_error = "hold"

[[rates.limits]]
per = "client"
count = "bytes"
max = 0x10
every = "7d"
then = "hold"

[[signing.domains]]
domain = "example.org"
[[signing.domains.keys]]
selector = "a"
file = "/a.pem"
[[signing.domains.keys]]
selector = "b"
file = "/b.pem"
`))
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]any{
		"listen":   {cfg.Listen, []string{"unix:/run/pratique/milter.sock", "inet6:[::1]:8891"}},
		"hostname": {cfg.Hostname, "mail.example.org"},
		"rules":    {cfg.Lint.Rules, map[string]string{"M13": "off"}},
		"max_size": {cfg.Lint.MaxSize, int64(1000)},
		"login":    {cfg.Access.Senders[1].Logins, []string{"shop"}},
		"auth":     {cfg.Access.Authenticated, false},
		"timeout":  {cfg.Scanning.Timeout, 90 * time.Second},
		"size":     {cfg.Scanning.MaxSize, int64(30 << 20)},
		"on_error": {cfg.Scanning.OnError, message.Hold},
		"limit":    {cfg.Rates.Limits, []rates.Limit{{Per: "client", Count: "bytes", Max: 16, Every: 7 * 24 * time.Hour, Then: "hold"}}},
		"keys":     {cfg.Signing.Domains[0].Keys, []signing.Key{{Selector: "a", File: "/a.pem"}, {Selector: "b", File: "/b.pem"}}},
		"default":  {cfg.Access.Networks, Default().Access.Networks},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s is %v, want %v", what, pair[0], pair[1])
		}
	}
}

func TestAnEmptyFileIsTheDefault(t *testing.T) {
	for _, data := range []string{"", "\n", "# nothing\n", "\xef\xbb\xbf# nothing\r\n"} {
		cfg, err := Parse("t.toml", []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := print(*cfg), print(Default()); got != want {
			t.Errorf("%q gives\n%s, want\n%s", data, got, want)
		}
	}
}

// print shows what is set, where an empty list is as good as none.
func print(cfg Config) string {
	cfg.file, cfg.root = "", nil
	return fmt.Sprintf("%+v", cfg)
}

func TestDefaultHasNoProblems(t *testing.T) {
	cfg := Default()
	cfg.problems(func(key, problem string) { t.Errorf("%s: %s", key, problem) })
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pratique.toml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("listen = []\nstat = '/x'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Fatalf("two problems: %v", err)
	}
	want := path + ":1: listen: is empty, so no MTA could connect; the default is [\"inet:127.0.0.1:8891\"]\n" +
		path + ":2: stat: unknown key, did you mean state?"
	if err.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", err, want)
	}
}

// TestPositions: the same problem in every way to write its table.
func TestPositions(t *testing.T) {
	for name, data := range map[string]string{
		"headers": `
[[signing.domains]]
domain = "a.example"
keys = [{ selector = "a", file = "/a" }]

[[signing.domains]]
domain = "b.example"

[[signing.domains.keys]]
selector = "a"
file = "" # HERE
`,
		"inline keys": `
[[signing.domains]]
domain = "a.example"
keys = [{ selector = "a", file = "/a" }]
[[signing.domains]]
domain = "b.example"
keys = [
  { selector = "a", file = "" }, # HERE
]
`,
		"all inline": `
[signing]
domains = [
  { domain = "a.example", keys = [{ selector = "a", file = "/a" }] },
  { domain = "b.example",
    keys = [
      { selector = "a",
        file = "" } # HERE
    ] },
]
`,
		"dotted": `
signing.domains = [{ domain = "a.example", keys = [{ selector = "a", file = "/a" }] },
{ domain = "b.example", keys = [{ selector = "a",
file = "" }]}] # HERE
`,
		"nearest above: the key is missing": `
[[signing.domains]]
domain = "a.example"
keys = [{ selector = "a", file = "/a" }]
[[signing.domains]]
domain = "b.example"
[[signing.domains.keys]] # HERE
selector = "a"
`,
		"CRLF": "\r\n[[signing.domains]]\r\ndomain = 'a.example'\r\nkeys = [{selector = 'a', file = '/a'}]\r\n" +
			"[[signing.domains]]\r\ndomain = 'b.example'\r\nkeys = [{selector = 'a',\r\nfile = ''}] # HERE\r\n",
	} {
		_, err := Parse("t.toml", []byte(data))
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		line := strings.Count(data[:strings.Index(data, "# HERE")], "\n") + 1
		if p := problems[0]; p.Line != line || p.Key != "signing.domains[1].keys[0].file" {
			t.Errorf("%s: got %v, want line %d", name, p, line)
		}
	}
}

func TestProblemOfAConfiguredKey(t *testing.T) {
	cfg, err := Parse("t.toml", []byte("[scanning]\n\nclamd = 'unix:/x'\n"))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"scanning.clamd":   "t.toml:3: scanning.clamd: is away",
		"scanning.timeout": "t.toml:1: scanning.timeout: is away",
		"state":            "t.toml: state: is away",
	} {
		if got := cfg.Problem(key, "is away").String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	defaults := Default()
	if got := defaults.Problem("state", "is away").String(); got != ": state: is away" {
		t.Errorf("without a file: %s", got)
	}
}

// TestConsequencesAreNotReported: one slip, one problem.
func TestConsequencesAreNotReported(t *testing.T) {
	for _, data := range []string{
		"[[rates.limits]]\npre = 'client'\ncount = 'bytes'\nmax = 1\nevery = '1h'\nthen = 'hold'\n",
		"[[rates.limits]]\nper = 'client'\ncount = 'bytes'\nmax = '1'\nevery = '1h'\nthen = 'hold'\n",
		"[[rates.limits]]\nper = 'client'\ncount = 'bytes'\nmax = 1\nevery = 3600\nthen = 'hold'\n",
		"[[access.senders]]\nnetwork = ['10.0.0.0/8']\nallow = ['*']\n",
		"[access]\nauthenticated = false\nnetworks = '10.0.0.0/8'\n",
		"listen = [8891]\n",
		"listen = ['inet:h:1', 2]\n",
		"[signing]\ndomains = ['example.org']\n",
		"[[signing.domains]]\ndomain = 'example.org'\nkeys = '/a.pem'\n",
	} {
		_, err := Parse("t.toml", []byte(data))
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("%s\ngives\n%v", data, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte(uncommented()))
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		f.Fatal("no bad files: ", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Parse("t.toml", data)
		if err == nil {
			var document map[string]any
			if err := toml.Unmarshal(data, &document); err != nil && !strings.HasPrefix(string(data), "\xef\xbb\xbf") {
				t.Fatalf("what is no TOML was taken: %v", err)
			}
			cfg.problems(func(key, problem string) { t.Fatalf("taken in spite of %s: %s", key, problem) })
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("no Problems: %v", err)
		}
		for _, p := range problems {
			if p.Line < 0 || p.Line > strings.Count(string(data), "\n")+1 || p.Text == "" || p.File != "t.toml" {
				t.Fatalf("%#v", p)
			}
		}
	})
}
