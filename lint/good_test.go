package lint

import (
	"os"
	"path/filepath"
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
