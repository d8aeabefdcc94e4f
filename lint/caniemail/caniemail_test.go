package caniemail

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T) *Data {
	t.Helper()
	d, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDataIsWhole(t *testing.T) {
	d := load(t)
	if len(d.Features) < 200 || len(d.Clients) < 20 || !slices.IsSorted(d.Clients) {
		t.Errorf("%d features, clients %v", len(d.Features), d.Clients)
	}
	for _, f := range d.Features {
		if f.Name == "" || strings.ContainsFunc(f.Name, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("name %q", f.Name)
		}
		if len(f.Keys) == 0 || len(f.Lacks) == 0 {
			t.Errorf("%s: %+v", f.Name, f)
		}
		for _, key := range f.Keys {
			if kind, name, _ := strings.Cut(key, ":"); !slices.Contains(Kinds(), kind) || name == "" || key != strings.ToLower(key) {
				t.Errorf("%s: key %q", f.Name, key)
			}
		}
		for _, platform := range f.Lacks {
			if !d.Knows(platform) {
				t.Errorf("%s: lacked by %q, which is not known", f.Name, platform)
			}
		}
	}
}

func TestKnownFacts(t *testing.T) {
	d := load(t)
	tests := map[string][]string{ // by name and clients that are asked for
		"border-radius|gmail outlook":                 {"outlook.windows", "outlook.windows-mail"},
		"border-radius|outlook.windows":               {"outlook.windows"},
		"border-radius|outlook.macos":                 nil,
		"position|apple-mail gmail gmail.ios":         {"gmail", "gmail.ios"},
		"<video> element|thunderbird gmail.android":   {"gmail.android"},
		"display:flex|apple-mail gmail outlook.macos": nil,
	}
	for test, want := range tests {
		name, clients, _ := strings.Cut(test, "|")
		i := slices.IndexFunc(d.Features, func(f Feature) bool { return f.Name == name })
		if i < 0 {
			t.Errorf("%s is missing", name)
			continue
		}
		if got := d.Features[i].LackedBy(strings.Fields(clients)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", test, got, want)
		}
	}
}

func TestKnows(t *testing.T) {
	d := load(t)
	for name, want := range map[string]bool{"gmail": true, "outlook.windows": true, "Gmail": false, "gmail.windows": false, "": false, "gmail.": false} {
		if d.Knows(name) != want {
			t.Errorf("Knows(%q) = %v", name, !want)
		}
	}
	if got := d.Platforms("apple-mail"); !slices.Equal(got, []string{"apple-mail.ios", "apple-mail.macos"}) {
		t.Errorf("Platforms: %v", got)
	}
	if got := d.Platforms("pine"); got != nil {
		t.Errorf("Platforms: %v", got)
	}
}
