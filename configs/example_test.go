package configs

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"pratique/lint"
)

// switchedOff is a line of the example file that would be a setting without its "#".
var switchedOff = regexp.MustCompile(`(?m)^#([^ #\n])`)

// uncommented returns the example file with everything switched on.
func uncommented() string {
	lines := strings.Split(Example, "\n")
	on := false // in a value of several lines
	for i, line := range lines {
		starts := switchedOff.MatchString(line)
		if starts || on && strings.HasPrefix(line, "# ") {
			lines[i] = line[1:]
			on = !strings.HasPrefix(line, "#]") && (on || strings.HasSuffix(line, "["))
		}
	}
	return strings.Join(lines, "\n")
}

func TestExampleShowsTheDefaults(t *testing.T) {
	cfg, err := Parse("pratique.example.toml", []byte(Example))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := print(*cfg), print(Default()); got != want {
		t.Errorf("the example gives\n%s\nthe defaults are\n%s", got, want)
	}
}

// TestExampleHasEveryKey: switched on or off, each key stands in the manual, and
// what is switched off would be valid.
func TestExampleHasEveryKey(t *testing.T) {
	if _, err := Parse("pratique.example.toml", []byte(uncommented())); err != nil {
		t.Fatal(err)
	}
	root, _ := parseTree([]byte(uncommented()), func(line int, key, text string) { t.Errorf("%d: %s: %s", line, key, text) })
	shown := map[string]bool{}
	mark(root, "", shown)
	for _, key := range keys(reflect.TypeFor[Config](), "") {
		if !shown[key] {
			t.Errorf("the example file does not show %s", key)
		}
	}
}

func mark(v *value, path string, shown map[string]bool) {
	shown[path] = true
	for key, child := range v.children {
		mark(child, join(path, key), shown)
	}
	for _, item := range v.items {
		mark(item, path+"[]", shown)
	}
}

// TestExampleExplainsEveryKey: above each key that is switched on stands a comment.
func TestExampleExplainsEveryKey(t *testing.T) {
	explained := false
	for i, line := range strings.Split(Example, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			explained = true
		case line == "", strings.HasPrefix(line, "["):
			explained = explained && strings.HasPrefix(line, "[")
		case !explained:
			t.Errorf("line %d: no comment stands above %s", i+1, line)
		}
	}
}

// TestExampleListsEveryRule: with its default and its name.
func TestExampleListsEveryRule(t *testing.T) {
	listed := regexp.MustCompile(`(?m)^#([A-Z]\d\d) = "(\w+)" +# (.+)$`).FindAllStringSubmatch(Example, -1)
	rules := lint.Rules()
	for i, rule := range rules {
		if i >= len(listed) || listed[i][1] != rule.ID || listed[i][2] != string(rule.Default) || listed[i][3] != rule.Name {
			t.Fatalf("rule %d of the example file should be:\n#%s = %-10q # %s", i+1, rule.ID, rule.Default, rule.Name)
		}
	}
	if len(listed) != len(rules) {
		t.Errorf("the example file lists %d rules, there are %d", len(listed), len(rules))
	}
}
