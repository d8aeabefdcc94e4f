package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goodWarnings are what may be said of a message that real software sends.
var goodWarnings = map[string][]string{
	"arf":                           {"M10"}, // of the complaint's own message, which it encloses as it was
	"javamail":                      {"H13"}, // the host it was made on has a name without a domain
	"nodemailer-related-attachment": {"T03"},
	"outlook-related":               {"T03"},
	"python-related":                {"M15"},
}

// Messages as real programs make them: nothing may be found in one of them but
// what is listed, and none may be refused.
func TestGoodMessages(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "good", "*.eml"))
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d messages, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".eml")
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m := lintFile(t, ruleOptions(""), content)
			if ActionOf(m.Findings) != "accept" {
				t.Errorf("refused")
			}
			wantRules(t, m, goodWarnings[name])
		})
	}
}

// libraryMessage is a row of testdata/good/libraries/manifest.tsv.
type libraryMessage struct {
	file    string
	program string // that made it, with its version
	how     string
	rules   []string // what is found in it by default, none of it for refusal
}

func libraryMessages(t *testing.T) []libraryMessage {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join("testdata", "good", "libraries", "manifest.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var all []libraryMessage
	for line := range strings.Lines(string(manifest)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) != 4 || columns[1] == "" || columns[2] == "" {
			t.Fatalf("not file, program, how and rules: %q", line)
		}
		all = append(all, libraryMessage{columns[0] + ".eml", columns[1], columns[2], strings.Fields(columns[3])})
	}
	return all
}

// Messages that real libraries and programs made, by what is the default: nothing
// is found in them but what the manifest lists, and none is refused.
func TestMessagesOfRealLibraries(t *testing.T) {
	var listed []string
	for _, letter := range libraryMessages(t) {
		listed = append(listed, letter.file)
		t.Run(letter.file, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join("testdata", "good", "libraries", letter.file))
			if err != nil {
				t.Fatal(err)
			}
			m := lintFile(t, DefaultOptions(), content)
			if ActionOf(m.Findings) != "accept" {
				t.Errorf("what %s makes is refused: %+v", letter.program, m.Findings)
			}
			wantRules(t, m, letter.rules)
			if edits := m.Header.Edits(); len(edits) > 0 {
				t.Errorf("mended: %v", edits)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "good", "libraries", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(listed, filepath.Base(file)) {
			t.Errorf("the manifest does not say where %s comes from", file)
		}
	}
}
