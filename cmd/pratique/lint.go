package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"pratique/lint"
	"pratique/message"
)

// lintFiles judges stored messages by the rules that serve would hold them to.
// A file that can't be read does not keep the others from being judged.
func lintFiles(e *env, args []string) (int, error) {
	fs := e.flags("lint")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	sender := fs.String("sender", "lint@localhost", "envelope sender `address`; \"\" for a bounce")
	if err := e.parse(fs, args, 1, -1); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	linter, err := newLinter(cfg, e.now)
	if err != nil {
		return 0, err
	}
	print := printLint
	if *asJSON {
		print = printLintJSON
	}
	status := exitClean
	for _, file := range fs.Args() {
		result, err := lintFile(e, linter.Collecting(), file, *sender)
		if err != nil {
			status = e.report(0, err)
			continue
		}
		if err := print(e.stdout, result); err != nil {
			return 0, err
		}
		if result.Action == "reject" && status == exitClean {
			status = exitFindings
		}
	}
	return status, nil
}

// lintResult is what lint --json prints for a file.
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

func lintFile(e *env, linter *lint.Lint, file, sender string) (lintResult, error) {
	r, err := e.open(file)
	if err != nil {
		return lintResult{}, err
	}
	defer r.Close()
	m := &message.Message{Sender: sender, Began: e.now()}
	if err := message.Play(context.Background(), linter, m, r, nil); err != nil {
		return lintResult{}, fmt.Errorf("lint %s: %w", file, err)
	}
	result := lintResult{File: file, Action: lint.ActionOf(m.Findings), Findings: []lintFinding{}}
	for _, f := range m.Findings {
		result.Findings = append(result.Findings, lintFinding{f.Rule, f.Action, f.Where, f.Detail})
	}
	return result, nil
}

func printLintJSON(w io.Writer, r lintResult) error { return json.NewEncoder(w).Encode(r) }

func printLint(w io.Writer, r lintResult) error {
	if _, err := fmt.Fprintf(w, "%s: %s\n", r.File, r.Action); err != nil {
		return err
	}
	names := map[string]string{}
	for _, rule := range lint.Rules() {
		names[rule.ID] = rule.Name
	}
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(w, "  %-7s %s %s, at %s", f.Action, f.Rule, names[f.Rule], f.Where); err != nil {
			return err
		}
		detail := ""
		if f.Detail != "" {
			detail = ": " + f.Detail
		}
		if _, err := fmt.Fprintln(w, detail); err != nil {
			return err
		}
	}
	return nil
}
