package report

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/lint"
	"pratique/message"
)

var update = flag.Bool("update", false, "write the golden files anew")

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// judged returns a stored message with what the rules find in it by their defaults.
func judged(t testing.TB, name string, source []byte) *Letter {
	t.Helper()
	linter, err := lint.New(lint.DefaultOptions(), lint.Env{
		Clock:    func() time.Time { return time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC) },
		Hostname: "mail.example.org", Random: zeros{},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &message.Message{Sender: "ann@example.org"}
	if err := message.Play(context.Background(), linter.Collecting(), m, bytes.NewReader(source), nil); err != nil {
		t.Fatal(err)
	}
	return &Letter{Name: name, File: name, FirstLine: 1, Source: source, Header: &m.Header, Findings: m.Findings}
}

// ruleFiles are the bad messages of every rule, by their path below lint/testdata/rules.
func ruleFiles(t testing.TB) []*Letter {
	t.Helper()
	root := filepath.Join("..", "testdata", "rules")
	paths, err := filepath.Glob(filepath.Join(root, "*", "bad-*.eml"))
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	var letters []*Letter
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(root, path)
		letters = append(letters, judged(t, filepath.ToSlash(name), source))
	}
	return letters
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; go test -update writes it anew. Got:\n%s", path, got)
	}
}

func TestTextUnderlinesThePlace(t *testing.T) {
	var out strings.Builder
	text := NewText(&out, lint.Rules(), false)
	shown := []string{
		"H03/bad-no-comma.eml", "H20/bad-bare-cr-in-header.eml", "H20/bad-smuggling.eml", "H21/bad-space-before-colon.eml",
		"M05/bad-in-part.eml", "M09/bad-in-forwarded.eml", "M10/bad-second-part.eml", "M18/bad-parameters.eml", "H01/bad-missing.eml",
	}
	for _, l := range ruleFiles(t) {
		if slices.Contains(shown, l.Name) {
			if err := text.Letter(l); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden(t, "text.golden", out.String())
}

func TestTree(t *testing.T) {
	var out strings.Builder
	tree := NewTree(&out, false)
	for _, name := range []string{"nodemailer-related-attachment", "digest", "forwarded-with-dkim", "smime-signed"} {
		source, err := os.ReadFile(filepath.Join("..", "testdata", "good", name+".eml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Letter(judged(t, name, source)); err != nil {
			t.Fatal(err)
		}
	}
	source := "From: a@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\ntext\n--b\nno field\n--b--"
	if err := tree.Letter(judged(t, "a part without a header, and no last line end", []byte(source))); err != nil {
		t.Fatal(err)
	}
	golden(t, "tree.golden", out.String())
}

// TestPlaces holds that what a finding names is found in the file, unless it is missing there.
func TestPlaces(t *testing.T) {
	missing := regexp.MustCompile(`^[A-Za-z-]+$`)
	for _, l := range ruleFiles(t) {
		lines := bytes.Count(l.Source, []byte("\n")) + 1
		for _, f := range l.Findings {
			p := l.Locate(f)
			if p.Line == 0 && !missing.MatchString(f.Where) {
				t.Errorf("%s: %s at %q is nowhere", l.Name, f.Rule, f.Where)
			}
			if p.Line < 0 || p.Line > lines {
				t.Errorf("%s: %s is at line %d of %d", l.Name, f.Rule, p.Line, lines)
			}
		}
	}
}

func TestColours(t *testing.T) {
	l := judged(t, "x", []byte("From: a@example.org\nFrom: b@example.org\n\n"))
	var plain, coloured strings.Builder
	for _, w := range []*Text{NewText(&plain, lint.Rules(), false), NewText(&coloured, lint.Rules(), true)} {
		if err := w.Letter(l); err != nil {
			t.Fatal(err)
		}
	}
	sequence := regexp.MustCompile("\x1b\\[[0-9;]*m")
	if strings.Contains(plain.String(), "\x1b") || !sequence.MatchString(coloured.String()) {
		t.Error("colours where there should be none, or none")
	}
	if got := sequence.ReplaceAllString(coloured.String(), ""); got != plain.String() {
		t.Errorf("colours change the text:\n%s", got)
	}
}

func TestSARIF(t *testing.T) {
	letters := ruleFiles(t)
	var out bytes.Buffer
	s := NewSARIF(&out, lint.Rules(), "test")
	findings := 0
	for _, l := range letters {
		findings += len(l.Findings)
		if err := s.Letter(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(out.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || len(run.Results) != findings || len(run.Tool.Driver.Rules) != len(lint.Rules()) {
		t.Errorf("version %s, %d results of %d, %d rules", log.Version, len(run.Results), findings, len(run.Tool.Driver.Rules))
	}
	for _, r := range run.Results {
		at := r.Locations[0].Physical
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || !slices.Contains([]string{"error", "warning", "note"}, r.Level) {
			t.Errorf("%+v", r)
		}
		if at.Artifact.URI == "" || at.Region != nil && at.Region.StartLine < 1 {
			t.Errorf("%+v", at)
		}
	}
}

func TestJUnit(t *testing.T) {
	for _, c := range []struct {
		failOn   lint.Action
		failures int
	}{{lint.Reject, 1}, {lint.Warn, 2}} {
		var out bytes.Buffer
		j := NewJUnit(&out, lint.Rules(), c.failOn)
		good := "From: a@example.org\nTo: b@example.org\nDate: Mon, 02 Jun 2025 10:00:00 +0200\nMessage-ID: <1@example.org>\n"
		for name, source := range map[string]string{
			"good.eml":            good + "\n",
			"warned.eml":          good + "Subject: Re: x\n\n",
			"refused\x01\xff.eml": good + "From: b@example.org\n\n",
		} {
			if err := j.Letter(judged(t, name, []byte(source))); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		var read junitSuites
		if err := xml.Unmarshal(out.Bytes(), &read); err != nil {
			t.Fatalf("%v in %s", err, &out)
		}
		suite := read.Suites[0]
		if suite.Tests != 3 || suite.Failures != c.failures || len(suite.Cases) != 3 {
			t.Errorf("fail on %s: %+v", c.failOn, suite)
		}
		failed := 0
		for _, one := range suite.Cases {
			if one.Failure != nil {
				failed++
			}
		}
		if failed != c.failures {
			t.Errorf("fail on %s: %d cases failed, want %d", c.failOn, failed, c.failures)
		}
	}
}

// FuzzReports holds that no message, whatever it is, gets control characters
// through to a terminal, or XML and JSON that can't be read.
func FuzzReports(f *testing.F) {
	f.Add([]byte("From: a\x1b[2J@example.org\nFrom: b\n\nx\x00\r\n"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b\nContent-Type: \x07\n\n\xff\xfe"))
	f.Add([]byte("From x Mon Jan  1 10:00:00 2025\nSubject: \u202eevil\n\n" + strings.Repeat("ü", 600)))
	f.Fuzz(func(t *testing.T, source []byte) {
		l := judged(t, "x.eml", source)
		var text, sarif, junit bytes.Buffer
		for _, w := range []Writer{NewText(&text, lint.Rules(), false), NewTree(&text, false), NewSARIF(&sarif, lint.Rules(), ""), NewJUnit(&junit, lint.Rules(), lint.Warn)} {
			if err := w.Letter(l); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if i := strings.IndexFunc(strings.ReplaceAll(text.String(), "\n", ""), func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u202e' }); i >= 0 {
			t.Errorf("a control character: %q", text.String())
		}
		if !json.Valid(sarif.Bytes()) {
			t.Error("no JSON")
		}
		if err := xml.Unmarshal(junit.Bytes(), new(junitSuites)); err != nil {
			t.Error(err)
		}
	})
}
