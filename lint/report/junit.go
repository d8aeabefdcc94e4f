package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"pratique/lint"
)

// JUnit collects one test case for each message and writes them, when it is
// closed, in the XML of JUnit that CI servers read.
type JUnit struct {
	out    io.Writer
	suite  junitSuite
	names  map[string]string // of the rules
	failOn lint.Action
}

// NewJUnit returns a JUnit. A message fails whose worst finding is at least failOn: Reject or Warn.
func NewJUnit(out io.Writer, rules []lint.Rule, failOn lint.Action) *JUnit {
	return &JUnit{out: out, suite: junitSuite{Name: "pratique lint"}, names: names(rules), failOn: failOn}
}

// Letter adds a message.
func (j *JUnit) Letter(l *Letter) error {
	c := junitCase{Name: xmlText(l.Name), Class: "pratique.lint"}
	text := describe(l, j.names)
	j.suite.Tests++
	switch {
	case l.Fails(j.failOn):
		j.suite.Failures++
		message, _, _ := strings.Cut(text, "\n")
		c.Failure = &junitFailure{Type: string(l.Worst()), Message: message, Text: text}
	case text != "":
		c.Out = text
	}
	j.suite.Cases = append(j.suite.Cases, c)
	return nil
}

// Close writes the report.
func (j *JUnit) Close() error {
	if _, err := io.WriteString(j.out, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(j.out)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suites: []junitSuite{j.suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(j.out, "\n")
	return err
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// describe lists the findings, a line each, those that refuse the message first.
func describe(l *Letter, names map[string]string) string {
	var first, rest strings.Builder
	for _, f := range l.Findings {
		b := &rest
		if f.Action == string(lint.Reject) {
			b = &first
		}
		fmt.Fprintf(b, "%s %s %s, at %s", f.Action, f.Rule, names[f.Rule], xmlText(f.Where))
		if p := l.Locate(f); p.Line > 0 {
			fmt.Fprintf(b, " (%s:%d)", xmlText(l.File), p.Line)
		}
		if f.Detail != "" {
			b.WriteString(": " + xmlText(f.Detail))
		}
		b.WriteByte('\n')
	}
	return first.String() + rest.String()
}

// xmlText escapes what XML 1.0 can't hold at all, such as the control characters of a hostile file name.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}
