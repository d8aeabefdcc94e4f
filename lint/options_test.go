package lint

import (
	"reflect"
	"strings"
	"testing"
)

func TestDefaultOptionsHaveNoProblems(t *testing.T) {
	DefaultOptions().Problems(func(key, problem string) { t.Errorf("%s: %s", key, problem) })
}

func TestProblems(t *testing.T) {
	opts := Options{
		MaxSize: -1,
		Bulk:    []string{"news@example.org", "example.org", "*.example.org", "news", "a b@example.org", "@example.org", "x@-.org", ""},
		Rules:   map[string]string{"M13": "off", "H03": "fix", "H07": "fix", "X99": "off", "m13": "off", "H01": "Reject", "M04": "drop"},
		Overrides: []Override{
			{Senders: []string{"news@example.org", "x"}, Networks: []string{"10.0.0.0/8", "::1", "10.0.0.300"}, Logins: []string{"shop", ""}, Rules: map[string]string{"M13": "off", "X98": "off"}},
			{Rules: map[string]string{"M13": "off"}},
			{Logins: []string{"shop"}},
		},
	}
	got := map[string]string{}
	opts.Problems(func(key, problem string) { got[key] = problem })
	want := map[string]string{
		"max_size": "more than 0", "bulk[3]": "news", "bulk[4]": "a b", "bulk[5]": "@example.org", "bulk[6]": "x@-.org", "bulk[7]": "neither",
		"rules.H03": "can't be fixed", "rules.X99": "no rule", "rules.m13": "written like M13", "rules.H01": "reject, warn, observe or off", "rules.M04": "reject, warn, fix, observe or off",
		"overrides[0].senders[1]": "neither", "overrides[0].networks[2]": "10.0.0.300", "overrides[0].logins[1]": "empty", "overrides[0].rules.X98": "no rule",
		"overrides[1]": "[lint.rules]", "overrides[2]": "changes nothing",
	}
	for key, part := range want {
		if !strings.Contains(got[key], part) {
			t.Errorf("%s: %q, want something with %q", key, got[key], part)
		}
	}
	if len(got) != len(want) {
		t.Errorf("problems %v", got)
	}
	if _, err := New(opts, testEnv()); err == nil || !strings.Contains(err.Error(), "rules.X99: ") {
		t.Errorf("New: %v", err)
	}
}

func TestEveryActionOfEveryRule(t *testing.T) {
	for _, rule := range Rules() {
		for _, action := range []Action{Reject, Warn, Fix, Observe, Off} {
			opts := DefaultOptions()
			opts.Rules = map[string]string{rule.ID: string(action)}
			var problems []string
			opts.Problems(func(key, _ string) { problems = append(problems, key) })
			var want []string
			if action == Fix && !rule.Fixes {
				want = []string{"rules." + rule.ID}
			}
			if !reflect.DeepEqual(problems, want) {
				t.Errorf("%s = %s: problems with %v, want %v", rule.ID, action, problems, want)
			}
		}
	}
}
