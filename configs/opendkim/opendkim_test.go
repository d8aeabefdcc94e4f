package opendkim

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"pratique/configs"
	"pratique/signing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is a folder for each configuration: a file system of its own, and want.toml.
const golden = "testdata/golden"

func TestGolden(t *testing.T) {
	folders, err := os.ReadDir(golden)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			root := filepath.Join(golden, folder.Name())
			tr, err := Translate(os.DirFS(root), "/etc/opendkim.conf")
			if err != nil {
				t.Fatal(err)
			}
			got := written(t, tr)
			want := filepath.Join(root, "want.toml")
			if *update {
				if err := os.WriteFile(want, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			old, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, old) {
				t.Errorf("translated into\n%s\nwant\n%s", got, old)
			}
		})
	}
}

// written writes a configuration, and holds it to being one that loads, with all
// that was translated in it.
func written(t testing.TB, tr *Translation) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tr.Write(&b, ""); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Parse("want.toml", b.Bytes())
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.Bytes())
	}
	if got, want := len(cfg.Signing.Domains), len(tr.Config.Signing.Domains); got != want {
		t.Errorf("%d domains were written, want %d", got, want)
	}
	for i, d := range cfg.Signing.Domains {
		if want := tr.Config.Signing.Domains[i]; d.Domain != want.Domain || d.SignAs != want.SignAs || d.Identity != want.Identity {
			t.Errorf("written as %+v, want %+v", d, want)
		}
	}
	if got, want := strings.Join(cfg.Access.Networks, " "), strings.Join(tr.Config.Access.Networks, " "); got != want {
		t.Errorf("networks were written as %s, want %s", got, want)
	}
	return b.Bytes()
}

// conf is a whole configuration in which only the file under test varies.
func conf(name, text string) fstest.MapFS {
	files := fstest.MapFS{
		"etc/opendkim.conf": {Data: []byte("Mode s\nSocket inet:8891@localhost\nKeyTable /etc/keys\nSigningTable refile:/etc/signing\nInternalHosts /etc/hosts\n")},
		"etc/keys":          {Data: []byte("org example.org:s1:/k/org.pem\nall %:s1:/k/%.pem\n")},
		"etc/signing":       {Data: []byte("*@example.org org\n")},
		"etc/hosts":         {Data: []byte("127.0.0.1\n")},
		"k/example.net.pem": {},
	}
	files[name] = &fstest.MapFile{Data: []byte(text)}
	return files
}

func TestBareMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"no file":          {fstest.MapFS{}, "read /etc/opendkim.conf: file does not exist"},
		"a folder":         {fstest.MapFS{"etc/opendkim.conf/x": {}}, "read /etc/opendkim.conf: is not a regular file"},
		"no KeyTable":      {conf("etc/opendkim.conf", "KeyTable /etc/none\nSigningTable /etc/signing"), "read /etc/none: file does not exist"},
		"no include":       {conf("etc/opendkim.conf", "Include /etc/more"), "read /etc/more: file does not exist"},
		"a pipe for a set": {conf("etc/opendkim.conf", "InternalHosts /dev"), "read /dev: file does not exist"},
	} {
		if _, err := Translate(tc.files, "/etc/opendkim.conf"); err == nil || err.Error() != tc.want {
			t.Errorf("%s: error %v, want %s", name, err, tc.want)
		}
	}
}

// An include of itself ends where OpenDKIM ends it, however often it is written.
func TestIncludeOfItselfEnds(t *testing.T) {
	for times, want := range map[int]string{1: "", 200: errManyFiles.Error()} {
		text := strings.Repeat("Include /etc/opendkim.conf\n", times)
		tr, err := Translate(conf("etc/opendkim.conf", text), "/etc/opendkim.conf")
		switch {
		case want != "":
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%d times: error %v, want %s", times, err, want)
			}
		case err != nil:
			t.Errorf("%d times: %v", times, err)
		case len(tr.Notes) == 0 || !strings.Contains(tr.Notes[0].Text, "more than 5 deep"):
			t.Errorf("%d times: notes %v", times, tr.Notes)
		}
	}
}

func TestNumbersAreThoseOfC(t *testing.T) {
	for text, want := range map[string]int64{"7": 7, "007": 7, "022": 18, "0x1f": 31, "-1": -1, "0": 0} {
		if got, err := number(text); err != nil || got != want {
			t.Errorf("%s is %d, error %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "09", "1x", "0x", "99999999999", "--1"} {
		if got, err := number(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// What is written as a table says the same as what is written inline.
func TestTableIsReadBack(t *testing.T) {
	for _, name := range []string{"single", "refile", "flat", "csl", "order", "percent"} {
		tr, err := Translate(os.DirFS(filepath.Join(golden, name)), "/etc/opendkim.conf")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "signing.table")
		var b bytes.Buffer
		if err := tr.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		var got []signing.Domain
		if err := signing.ReadTable(file, func(_ int, d signing.Domain) error { got = append(got, d); return nil }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, tr.Config.Signing.Domains) {
			t.Errorf("%s: read back %+v, want %+v", name, got, tr.Config.Signing.Domains)
		}
	}
}

// No table is walked once for each of its lines, and what is said of one stays short.
func TestVeryLargeTables(t *testing.T) {
	const lines = 50_000
	var keys, rules bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&keys, "k%d d%d.example:s1:/k/%d.pem\n", i, i, i)
		fmt.Fprintf(&rules, "*@d%d.example\tk%d\n", i, i)
		if i%2 == 0 {
			fmt.Fprintf(&rules, "info@d%d.example\tk%d\n", i, i+1)
		}
	}
	files := conf("etc/keys", keys.String())
	files["etc/signing"] = &fstest.MapFile{Data: rules.Bytes()}
	tr, err := Translate(files, "/etc/opendkim.conf")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(tr.Config.Signing.Domains); got != lines {
		t.Errorf("%d domains, want %d", got, lines)
	}
	if len(tr.Notes) > 3*maxNotes || tr.More != lines/2-maxNotes {
		t.Errorf("%d notes and %d more", len(tr.Notes), tr.More)
	}
}

// What is read is bounded, whatever is named for a table.
func TestLinesAreBounded(t *testing.T) {
	r := &reader{files: conf("etc/keys", strings.Repeat("k\n", 10)), left: 9}
	count := 0
	err := r.lines("/etc/keys", func(int, string) bool { count++; return true })
	if !errors.Is(err, errTooLarge) || count != 9 {
		t.Errorf("%d lines were read, error %v", count, err)
	}
	r = &reader{files: conf("etc/keys", strings.Repeat("k", 3*longestLine)+"\nsecond"), left: 9}
	var got []int
	if err := r.lines("/etc/keys", func(_ int, text string) bool { got = append(got, len(text)); return true }); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(got, []int{longestLine, len("second")}) {
		t.Errorf("lines of %d octets were handed on", got)
	}
}
