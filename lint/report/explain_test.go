package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pratique/lint"
)

func TestEveryRuleIsExplained(t *testing.T) {
	texts, err := LoadExplanations()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range lint.Rules() {
		text := texts[r.ID]
		delete(texts, r.ID)
		if len(text) < 100 || !strings.Contains(text, "\nMend: ") {
			t.Errorf("%s does not say why, or how to mend it:\n%s", r.ID, text)
		}
	}
	for id := range texts {
		t.Errorf("%s is explained and no rule", id)
	}
}

func TestExplanationsThatAreTwice(t *testing.T) {
	e := Explanations{}
	if err := e.add("a", "## X01\none\n\n## X02\ntwo\n"); err != nil || e["X01"] != "one" || e["X02"] != "two" {
		t.Errorf("%v, %v", e, err)
	}
	if err := e.add("b", "## X02\nagain\n"); err == nil {
		t.Error("no error")
	}
}

// TestPage keeps docs/rules.md what the table and the texts say.
func TestPage(t *testing.T) {
	texts, err := LoadExplanations()
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := Markdown(&page, lint.Rules(), texts); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "rules.md")
	if *update {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, page.Bytes()) {
		t.Errorf("%s is not what the table says; go test ./lint/report -update makes it anew (%v)", path, err)
	}
	for _, r := range lint.Rules() {
		if !strings.Contains(page.String(), "\n### "+r.ID+"\n") {
			t.Errorf("%s is missing", r.ID)
		}
	}
}
