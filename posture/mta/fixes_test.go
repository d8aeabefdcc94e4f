package mta

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The commands of every finding, run by the real postconf on a copy, take it away
// and break nothing else.
func TestFixesClearTheirFindings(t *testing.T) {
	if _, err := exec.LookPath("postconf"); err != nil {
		missing(t, "postconf", err)
	}
	tried := 0
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			stored := filepath.Join("testdata/postfix", f.name)
			before := judgeFolder(t, stored, ours())
			for _, finding := range before.Findings {
				if !hasCommand(finding) {
					continue
				}
				tried++
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(stored)); err != nil {
					t.Fatal(err)
				}
				after := judgeFolder(t, dir, mend(t, dir, finding.Fix))
				for _, left := range after.Findings {
					if left.Status != Info && left.Rule == finding.Rule && left.Where == finding.Where && begins(left.Found) == begins(finding.Found) {
						t.Errorf("%v\nleaves %s: %s", finding.Fix, left.Rule, left.Found)
					}
					if left.Status == Fail && !hasFail(before, left) {
						t.Errorf("%v\nbrings %s %s: %s", finding.Fix, left.Rule, left.Where, left.Found)
					}
				}
			}
		})
	}
	const least = 60
	if tried < least {
		t.Errorf("only %d findings with commands were tried", tried)
	}
}

func judgeFolder(t *testing.T, dir string, o Ours) *Report {
	t.Helper()
	p, err := readPostfix(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p.Judge(o)
}

// begins returns what a finding is about, without the value that was found.
func begins(found string) string {
	const about = 3
	list := strings.Fields(found)
	return strings.Join(list[:min(about, len(list))], " ")
}

func hasCommand(f Finding) bool {
	for _, line := range f.Fix {
		if strings.HasPrefix(line, "postconf ") {
			return true
		}
	}
	return false
}

// hasFail reports whether something of the same rule failed before.
func hasFail(r *Report, f Finding) bool {
	for _, old := range r.Findings {
		if old.Status == Fail && old.Rule == f.Rule {
			return true
		}
	}
	return false
}

var newListen = regexp.MustCompile(`^in pratique\.toml: listen = \["([^"]+)"\]$`)

// mend does what a finding says, and returns the milter as it is then.
func mend(t *testing.T, dir string, fix []string) Ours {
	t.Helper()
	o := ours()
	for _, line := range fix {
		if m := newListen.FindStringSubmatch(line); m != nil {
			o.Listen = []string{m[1]}
		}
		args, ok := strings.CutPrefix(line, "postconf ")
		if !ok {
			continue
		}
		if out, err := exec.Command("sh", "-c", "postconf -c "+shellQuote(dir)+" "+args).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
	return o
}
