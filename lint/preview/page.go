package preview

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"pratique/lint"
	"pratique/lint/report"
)

//go:embed page.html
var pageText string

// Page is all that a preview shows.
type Page struct {
	Letter  *report.Letter
	Content *Content
	Shots   []Shot
	Remote  []string
	Rules   []lint.Rule
}

// Write writes the page: one file of HTML that loads nothing from elsewhere.
func (p Page) Write(w io.Writer) error {
	names := map[string]string{}
	for _, r := range p.Rules {
		names[r.ID] = r.Name
	}
	var tree strings.Builder
	if err := report.NewTree(&tree, false).Letter(p.Letter); err != nil {
		return err
	}
	_, structure, _ := strings.Cut(tree.String(), "\n") // without the name
	t, err := template.New("page").Funcs(template.FuncMap{
		"name": func(id string) string { return names[id] },
		"line": func(i int) int { return p.Letter.Locate(p.Letter.Findings[i]).Line },
		"png":  func(s Shot) template.URL { return template.URL("data:image/png;base64," + base64Text(s.PNG)) },
	}).Parse(pageText)
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		Page
		Structure string
	}{p, structure})
}
