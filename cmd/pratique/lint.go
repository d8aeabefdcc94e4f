package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pratique/lint"
	"pratique/lint/report"
	"pratique/message"
)

// lintFlags are the flags of lint.
type lintFlags struct {
	config, sender, explain, color, failOn string
	json, sarif, junit, tree, fix, dns     bool
}

func (f *lintFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.config, "config", "", "configuration `file` (default "+defaultConfig+")")
	fs.StringVar(&f.sender, "sender", "lint@localhost", "envelope sender `address`; \"\" for a bounce")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a line")
	fs.BoolVar(&f.sarif, "sarif", false, "print SARIF 2.1.0, for code hosts")
	fs.BoolVar(&f.junit, "junit", false, "print the XML of JUnit, for CI servers")
	fs.BoolVar(&f.tree, "tree", false, "print the structure of the messages")
	fs.BoolVar(&f.fix, "fix", false, "write the mended message to standard output, and the report to standard error")
	fs.BoolVar(&f.dns, "dns", false, "ask the DNS too, for the rules that need it")
	fs.StringVar(&f.explain, "explain", "", "explain a `rule`, such as M09, and stop")
	fs.StringVar(&f.failOn, "fail-on", "reject", "the `action` of a finding from which on the exit status is 1: reject or warn")
	fs.StringVar(&f.color, "color", "auto", "colours: `when`, one of auto, always, never")
}

// problem is what is wrong with the flags together.
func (f *lintFlags) problem(files int) error {
	forms := 0
	for _, set := range []bool{f.json, f.sarif, f.junit, f.tree} {
		if set {
			forms++
		}
	}
	switch {
	case forms > 1:
		return errors.New("lint: give one of --json, --sarif, --junit and --tree")
	case f.failOn != string(lint.Reject) && f.failOn != string(lint.Warn):
		return fmt.Errorf("lint: --fail-on is %q; it is reject or warn", f.failOn)
	case f.color != "auto" && f.color != "always" && f.color != "never":
		return fmt.Errorf("lint: --color is %q; it is auto, always or never", f.color)
	case f.fix && files != 1:
		return errors.New("lint: --fix mends one file at a time")
	case files == 0 && f.explain == "":
		return hint(errors.New("pratique lint needs a FILE"), "\"-\" is standard input; a folder is looked through for .eml and .mbox files and Maildirs")
	}
	return nil
}

// lintFiles judges stored messages by the rules that serve would hold them to.
// A file that can't be read does not keep the others from being judged. "report"
// instead of files tells what the daemon found; a file of that name is "./report".
func lintFiles(e *env, args []string) (int, error) {
	if len(args) > 0 && args[0] == "report" {
		return lintReport(e, args[1:])
	}
	fs := e.flags("lint")
	var f lintFlags
	f.define(fs)
	if err := e.parse(fs, args, 0, -1); err != nil {
		return 0, err
	}
	if err := f.problem(fs.NArg()); err != nil {
		return 0, err
	}
	if f.explain != "" {
		return exitClean, explainRule(e, f)
	}
	cfg, err := loadConfig(f.config)
	if err != nil {
		return 0, err
	}
	linter, err := newLinter(cfg, e.now, f.dns)
	if err != nil {
		return 0, err
	}
	j := judge{env: e, flags: f, linter: linter.Collecting()}
	out := e.stdout
	if f.fix {
		out = e.stderr
	}
	j.report = f.writer(out)
	for _, arg := range fs.Args() {
		j.each(arg)
	}
	return j.status, j.report.Close()
}

func (f lintFlags) writer(out io.Writer) report.Writer {
	switch {
	case f.json:
		return jsonLines{json.NewEncoder(out)}
	case f.sarif:
		return report.NewSARIF(out, lint.Rules(), revision())
	case f.junit:
		return report.NewJUnit(out, lint.Rules(), lint.Action(f.failOn))
	case f.tree:
		return report.NewTree(out, f.colours(out))
	}
	return report.NewText(out, lint.Rules(), f.colours(out))
}

// colours reports whether to write colours: on a terminal, unless NO_COLOR is set (no-color.org).
func (f lintFlags) colours(out io.Writer) bool {
	if f.color != "auto" {
		return f.color == "always"
	}
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func explainRule(e *env, f lintFlags) error {
	texts, err := report.LoadExplanations()
	if err != nil {
		return err
	}
	rules := lint.Rules()
	i := slices.IndexFunc(rules, func(r lint.Rule) bool { return strings.EqualFold(r.ID, f.explain) })
	if i < 0 {
		return hint(fmt.Errorf("there is no rule %q", f.explain), "the rules are listed in [lint.rules] of \"pratique config\"")
	}
	return report.Explain(e.stdout, rules[i], texts, f.colours(e.stdout))
}

// judge judges stored messages, one after the other.
type judge struct {
	env    *env
	flags  lintFlags
	linter *lint.Lint
	report report.Writer
	status int
}

// each judges a file, or those of a folder.
func (j *judge) each(name string) {
	if info, err := os.Stat(name); name == "-" || err != nil || !info.IsDir() {
		j.file(name)
		return
	}
	if j.flags.fix {
		j.failed(fmt.Errorf("lint: --fix mends one file, and %s is a folder", name))
		return
	}
	found := false
	// The error is always nil: what goes wrong on the way is reported and passed over.
	_ = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			j.failed(err)
		case d.IsDir() && path != name && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.Type().IsRegular() && isMessageFile(path):
			found = true
			j.file(path)
		}
		return nil
	})
	if !found { // in CI it would pass for ever, and prove nothing
		j.failed(hint(fmt.Errorf("lint %s: there is no message in this folder", name), "looked for are .eml and .mbox files and Maildirs; files of other names can be named"))
	}
}

// isMessageFile tells by its name whether a file in a folder is meant: .eml,
// .mbox, and all that is in the folders cur and new of a Maildir.
func isMessageFile(path string) bool {
	folder := filepath.Base(filepath.Dir(path))
	extension := strings.ToLower(filepath.Ext(path))
	return extension == ".eml" || extension == ".mbox" || folder == "cur" || folder == "new"
}

func (j *judge) failed(err error) { j.status = j.env.report(0, err) }

// file judges the messages of a file.
func (j *judge) file(name string) {
	r, err := j.env.open(name)
	if err != nil {
		j.failed(err)
		return
	}
	defer r.Close()
	err = report.Messages(r, func(source []byte, number, firstLine int) error {
		l := &report.Letter{Name: name, File: name, Number: number, FirstLine: firstLine, Source: source}
		if number > 0 {
			l.Name = fmt.Sprintf("%s[%d]", name, number)
		}
		return j.letter(l)
	})
	if err != nil {
		j.failed(fmt.Errorf("lint %s: %w", name, err))
	}
}

func (j *judge) letter(l *report.Letter) error {
	var body bytes.Buffer
	var keep io.Writer
	if j.flags.fix {
		keep = &body
	}
	if err := judgeLetter(j.env, j.linter, l, j.flags.sender, keep); err != nil {
		return err
	}
	if l.Fails(lint.Action(j.flags.failOn)) {
		j.status = cmp.Or(j.status, exitFindings)
	}
	if err := j.report.Letter(l); err != nil || !j.flags.fix {
		return err
	}
	return writeMended(j.env.stdout, l, body.Bytes())
}

// judgeLetter plays a stored message through the rules. If body is not nil, the body is written to it.
func judgeLetter(e *env, linter *lint.Lint, l *report.Letter, sender string, body io.Writer) error {
	m := &message.Message{Sender: sender, Began: e.now()}
	if err := message.Play(context.Background(), linter, m, bytes.NewReader(l.Source), body); err != nil {
		return err
	}
	l.Header, l.Findings = &m.Header, m.Findings
	return nil
}

// writeMended writes a message as it would leave, with the line ends that it is stored
// with. Those of an mbox make an mbox again.
func writeMended(w io.Writer, l *report.Letter, body []byte) error {
	var out bytes.Buffer
	out.Write(l.Separator())
	if _, err := l.Header.WriteTo(&out); err != nil {
		return err
	}
	out.WriteString("\r\n")
	out.Write(body)
	if l.Number > 0 {
		out.WriteString("\r\n")
	}
	mended := out.Bytes()
	if !l.CRLF() {
		mended = bytes.ReplaceAll(mended, []byte("\r\n"), []byte("\n"))
	}
	_, err := w.Write(mended)
	return err
}

// jsonLines prints one JSON object a message.
type jsonLines struct{ *json.Encoder }

// lintResult is what lint --json prints for a message.
type lintResult struct {
	File     string        `json:"file"`
	Action   string        `json:"action"` // accept or reject
	Findings []lintFinding `json:"findings"`
}

type lintFinding struct {
	Rule   string `json:"rule"`
	Action string `json:"action"` // reject, warn, fix or observe
	Where  string `json:"where"`
	Detail string `json:"detail"`
}

func (j jsonLines) Letter(l *report.Letter) error {
	result := lintResult{File: l.Name, Action: l.Action(), Findings: []lintFinding{}}
	for _, f := range l.Findings {
		result.Findings = append(result.Findings, lintFinding{f.Rule, f.Action, f.Where, f.Detail})
	}
	return j.Encode(result)
}

func (j jsonLines) Close() error { return nil }
