package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// onePage has the freedoms that real pages take.
const onePage = "---\ntitle: \"display:flex\"\ncategory: css\nstats: {\n\tgmail: {\n\t\tios: {\n            \"2019-02\": \"y\",\n\t\t\t\"2020-11\":\"n #1\",\n\t\t},\n" +
	"        android: {\n            \"2019-02\": \"y\"\n        }\n\t},\n    \"apple-mail\": { macos: { \"12.4\": \"n\", \"13\": \"a\" }, ios: { \"12\": \"u\" } },\n" +
	"    hey: { desktop-webmail: {\"1\":\"n\"} }\n}\nnotes_by_num: {\n\t\"1\": \"Not supported: }\"\n}\n---\n"

func TestTable(t *testing.T) {
	out, err := table("abc of 2026-01-02", []page{{"css-display-flex", onePage}})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(out), "\n")
	if !strings.Contains(lines[0], "commit abc of 2026-01-02.") {
		t.Errorf("%q", lines[0])
	}
	if want := "platforms\tapple-mail.ios apple-mail.macos gmail.android gmail.ios hey.desktop-webmail"; lines[2] != want {
		t.Errorf("%q, want %q", lines[2], want)
	}
	if want := "display:flex\tdeclaration:display:flex\tgmail.ios hey"; lines[3] != want {
		t.Errorf("%q, want %q", lines[3], want)
	}
}

func TestSpoiltPages(t *testing.T) {
	for name, p := range map[string]page{
		"no title":      {"css-a", strings.Replace(onePage, "title:", "name:", 1)},
		"title":         {"css-a", strings.Replace(onePage, `"display:flex"`, `display`, 1)},
		"no stats":      {"css-a", strings.Replace(onePage, "stats:", "statistics:", 1)},
		"no end":        {"css-a", strings.SplitAfter(onePage, "android")[0]},
		"no object":     {"css-a", strings.Replace(onePage, "ios: {", "ios: ", 1)},
		"unknown title": {"css-a", strings.Replace(onePage, `"display:flex"`, `"A wholly new thing!"`, 1)},
	} {
		if out, err := table("abc", []page{p}); err == nil {
			t.Errorf("%s: no error, but %q", name, out)
		}
	}
}

func TestKeys(t *testing.T) {
	for title, want := range map[string]string{
		"align-items": "property:align-items", "display:grid": "declaration:display:grid", "flex-wrap: wrap": "declaration:flex-wrap:wrap",
		"<video> element": "element:video", "<base>": "element:base", `<input type="radio"> element`: "type:input:radio",
		"align attribute": "attribute:align", "@font-face": "at:@font-face", "@media (hover), @media (any-hover)": "media:any-hover media:hover",
		":hover": "pseudo:hover", "::before": "pseudo:before", ":has()": "pseudo:has", "rgb()": "function:rgb", "vw unit": "unit:vw", "% unit": "unit:%",
	} {
		keys, ok := keysOf(feature{slug: "css-x", title: title})
		if got := strings.Join(keys, " "); got != want || !ok {
			t.Errorf("%s: %q, want %q", title, got, want)
		}
	}
	if keys, ok := keysOf(feature{slug: "image-webp", title: "webP image format"}); !ok || len(keys) != 1 || keys[0] != "image:webp" {
		t.Errorf("image: %q", keys)
	}
	if keys, ok := keysOf(feature{slug: "bimi", title: "BIMI"}); !ok || len(keys) != 0 {
		t.Errorf("what no document shows: %q", keys)
	}
}

func TestGenerateFromARepository(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"_features/css-display-flex.md": onePage, "_features/_template.md": "x", "LICENSE": "MIT\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "x"}} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	to := filepath.Join(t.TempDir(), "features.txt")
	if err := generate(dir, to); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"features.txt": "\ndisplay:flex\t", "LICENSE": "MIT\n"} {
		if got, err := os.ReadFile(filepath.Join(filepath.Dir(to), name)); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, from := range []string{"", filepath.Join(dir, "missing")} {
		if err := generate(from, to); err == nil {
			t.Errorf("%q: no error", from)
		}
	}
}
