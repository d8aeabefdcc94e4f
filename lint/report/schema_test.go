package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pratique/lint"
)

// sarifObjects are the properties of the objects that we write, by the schema of SARIF
// 2.1.0, which allows no others. "!" marks those that must be there.
var sarifObjects = map[string]string{
	"":                       "$schema version! runs!",
	"runs":                   "tool! results",
	"runs.tool":              "driver!",
	"runs.tool.driver":       "name! version rules informationUri",
	"runs.tool.driver.rules": "id! name shortDescription fullDescription help helpUri defaultConfiguration",
	"runs.tool.driver.rules.defaultConfiguration":              "level",
	"runs.tool.driver.rules.shortDescription":                  "text!",
	"runs.tool.driver.rules.fullDescription":                   "text!",
	"runs.tool.driver.rules.help":                              "text!",
	"runs.results":                                             "message! ruleId ruleIndex level locations",
	"runs.results.message":                                     "text!",
	"runs.results.locations":                                   "physicalLocation logicalLocations",
	"runs.results.locations.logicalLocations":                  "fullyQualifiedName",
	"runs.results.locations.physicalLocation":                  "artifactLocation region",
	"runs.results.locations.physicalLocation.artifactLocation": "uri",
	"runs.results.locations.physicalLocation.region":           "startLine",
}

// TestSARIFHasTheFormOfItsSchema holds all objects to their properties. The schema itself
// is not kept here: it has 3,000 lines.
func TestSARIFHasTheFormOfItsSchema(t *testing.T) {
	for name, letters := range map[string][]*Letter{"none": nil, "all": ruleFiles(t)} {
		var out bytes.Buffer
		s := NewSARIF(&out, lint.Rules(), "test")
		for _, l := range letters {
			if err := s.Letter(l); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var log any
		if err := json.Unmarshal(out.Bytes(), &log); err != nil {
			t.Fatal(err)
		}
		met := map[string]bool{}
		holdToSARIF(t, "", log, met)
		for path := range sarifObjects {
			if name == "all" && !met[path] {
				t.Errorf("no object %q", path)
			}
		}
	}
}

func holdToSARIF(t *testing.T, path string, value any, met map[string]bool) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			holdToSARIF(t, path, v, met)
		}
	case map[string]any:
		met[path] = true
		properties := strings.Fields(sarifObjects[path])
		for _, p := range properties {
			if must, ok := strings.CutSuffix(p, "!"); ok && value[must] == nil {
				t.Fatalf("%q lacks %s", path, must)
			}
		}
		for name, v := range value {
			if !slices.Contains(properties, name) && !slices.Contains(properties, name+"!") || v == nil {
				t.Fatalf("%q has %s = %v", path, name, v)
			}
			holdToSARIF(t, strings.TrimPrefix(path+"."+name, "."), v, met)
		}
	}
}

// junitElements are those that we write, with their attributes, by the schema that
// Jenkins publishes: required ones are marked.
var junitElements = map[string]string{
	"testsuites": "", "testsuite": "name! tests! failures", "testcase": "name! classname", "failure": "type message", "system-out": "",
}

func TestJUnitHasTheFormOfItsSchema(t *testing.T) {
	var out bytes.Buffer
	j := NewJUnit(&out, lint.Rules(), lint.Reject)
	for _, l := range ruleFiles(t) {
		if err := j.Letter(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	met := map[string]bool{}
	for d := xml.NewDecoder(&out); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			met[start.Name.Local] = true
			if problem := junitProblem(start); problem != "" {
				t.Fatal(problem)
			}
		}
	}
	if len(met) != len(junitElements) {
		t.Errorf("met %v", met)
	}
}

func junitProblem(start xml.StartElement) string {
	attributes, known := junitElements[start.Name.Local]
	if !known {
		return fmt.Sprintf("no element of JUnit: %s", start.Name.Local)
	}
	has := map[string]bool{}
	for _, a := range start.Attr {
		has[a.Name.Local] = true
		if !strings.Contains(" "+strings.ReplaceAll(attributes, "!", "")+" ", " "+a.Name.Local+" ") {
			return fmt.Sprintf("<%s> has %s", start.Name.Local, a.Name.Local)
		}
	}
	for a := range strings.FieldsSeq(attributes) {
		if must, ok := strings.CutSuffix(a, "!"); ok && !has[must] {
			return fmt.Sprintf("<%s> lacks %s", start.Name.Local, must)
		}
	}
	return ""
}
