package configs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// want stands in a bad file behind the line of a problem: its key, "-" for none,
// and a part of its text. Several problems of one line are separated by "|".
var want = regexp.MustCompile(`# want (.*)$`)

func badFiles(t *testing.T) []string {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	return files
}

func TestBadFiles(t *testing.T) {
	for _, file := range badFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			wanted := wantedProblems(t, string(data))
			parse(data, func(line int, key, text string) {
				i := slices.IndexFunc(wanted, func(w Problem) bool {
					return w.Line == line && w.Key == key && strings.Contains(text, w.Text)
				})
				if i < 0 {
					t.Errorf("not wanted: %v", Problem{file, line, key, text})
					return
				}
				wanted = slices.Delete(wanted, i, i+1)
			})
			for _, w := range wanted {
				t.Errorf("not reported: %v", w)
			}
		})
	}
}

func wantedProblems(t *testing.T, data string) []Problem {
	var wanted []Problem
	for i, line := range strings.Split(data, "\n") {
		found := want.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		for _, one := range strings.Split(found[1], " | ") {
			key, text, ok := strings.Cut(one, ": ")
			if !ok {
				t.Fatalf("line %d: %q is not key: text", i+1, one)
			}
			wanted = append(wanted, Problem{Line: i + 1, Key: strings.TrimPrefix(key, "-"), Text: text})
		}
	}
	if wanted == nil {
		t.Fatal("the file wants no problem")
	}
	return wanted
}

// TestEveryRuleHasABadFile finds every place in the sources that reports a
// problem, and demands that the bad files reach all of them.
func TestEveryRuleHasABadFile(t *testing.T) {
	reached := map[string]map[int]bool{}
	for _, file := range badFiles(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parse(data, func(int, string, string) { markCallers(reached) })
	}
	for _, room := range []string{"access", "configs", "journal", "lint", "milter", "posture", "rates", "scanning", "signing", "signing/keystore", "rates/baseline", "rates/bulk", "telemetry", "telemetry/alerts", "watch"} {
		sites := reportSites(t, room)
		if len(sites) == 0 {
			t.Errorf("%s reports nothing: does this test still know how?", room)
		}
		for _, s := range sites {
			if !s.reached(reached) {
				t.Errorf("no bad file has the problem that %s line %d reports", s.file, s.first)
			}
		}
	}
}

// site is a call that reports a problem.
type site struct {
	file        string // folder and name
	first, last int
}

func (s site) reached(lines map[string]map[int]bool) bool {
	for line := s.first; line <= s.last; line++ {
		if lines[s.file][line] {
			return true
		}
	}
	return false
}

// markCallers marks the lines of all calls under way.
func markCallers(reached map[string]map[int]bool) {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		file := filepath.Join(filepath.Base(filepath.Dir(frame.File)), filepath.Base(frame.File))
		if reached[file] == nil {
			reached[file] = map[int]bool{}
		}
		reached[file][frame.Line] = true
		if !more {
			return
		}
	}
}

// reportSites returns the calls of report, and of fail in this package, within a room.
func reportSites(t *testing.T, room string) []site {
	names, err := filepath.Glob(filepath.Join("..", room, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var sites []site
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && reports(call, room) {
				first, last := positions.Position(call.Pos()).Line, positions.Position(call.End()).Line
				sites = append(sites, site{filepath.Join(filepath.Base(room), filepath.Base(name)), first, last})
			}
			return true
		})
	}
	return sites
}

func reports(call *ast.CallExpr, room string) bool {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	return name == "report" || name == "fail" && room == "configs"
}
