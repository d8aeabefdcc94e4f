package report

import (
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"

	"pratique/lint"
	"pratique/message"
)

// SARIF collects findings and writes them, when it is closed, as one log of the
// Static Analysis Results Interchange Format, version 2.1.0 (OASIS), which code
// hosts show beside the lines.
type SARIF struct {
	out   io.Writer
	run   sarifRun
	index map[string]int // of a rule in the list of rules
}

// NewSARIF returns a SARIF. Version is that of the program.
func NewSARIF(out io.Writer, rules []lint.Rule, version string) *SARIF {
	s := &SARIF{out: out, index: map[string]int{}, run: sarifRun{Results: []sarifResult{}}}
	s.run.Tool.Driver = sarifDriver{Name: "pratique lint", Version: version}
	for i, r := range rules {
		s.index[r.ID] = i
		s.run.Tool.Driver.Rules = append(s.run.Tool.Driver.Rules, describeRule(r))
	}
	return s
}

// Letter adds the findings of a message.
func (s *SARIF) Letter(l *Letter) error {
	for _, f := range l.Findings {
		s.run.Results = append(s.run.Results, s.result(l, f))
	}
	return nil
}

// Close writes the log.
func (s *SARIF) Close() error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{s.run},
	})
}

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver sarifDriver `json:"driver"`
	} `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Rules   []sarifRule `json:"rules"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Short  sarifText `json:"shortDescription"`
	Full   sarifText `json:"fullDescription"`
	Help   sarifText `json:"help"`
	Config struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex int             `json:"ruleIndex"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	Artifact struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
	Region *sarifRegion `json:"region,omitempty"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
}

func describeRule(r lint.Rule) sarifRule {
	s := sarifRule{ID: r.ID, Name: r.Name, Short: sarifText{r.Name}, Full: sarifText{r.Description}}
	s.Help.Text = r.Description + " Source: " + r.Source + "."
	if r.Answer != "" {
		s.Help.Text += " " + r.Answer + "."
	}
	s.Config.Level = level(string(r.Default))
	return s
}

func (s *SARIF) result(l *Letter, f message.Finding) sarifResult {
	r := sarifResult{RuleID: f.Rule, RuleIndex: s.index[f.Rule], Level: level(f.Action), Message: sarifText{f.Where}}
	if f.Detail != "" {
		r.Message.Text += ": " + f.Detail
	}
	location := sarifLocation{Logical: []sarifLogical{{f.Where}}}
	location.Physical.Artifact.URI = (&url.URL{Path: filepath.ToSlash(l.File)}).String()
	if p := l.Locate(f); p.Line > 0 {
		// No columns: those of octets and of UTF-16 units differ, and a message need be neither.
		location.Physical.Region = &sarifRegion{StartLine: p.Line}
	}
	r.Locations = []sarifLocation{location}
	return r
}

// level is the word of SARIF 3.27.10 for an action.
func level(action string) string {
	switch lint.Action(action) {
	case lint.Reject:
		return "error"
	case lint.Warn:
		return "warning"
	case lint.Off:
		return "none"
	}
	return "note"
}
