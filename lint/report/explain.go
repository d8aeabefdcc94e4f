package report

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"pratique/lint"
)

// explained holds what stands behind each rule in lint/report/explained: a file
// for each family, with a section "## M09" of why, an example and how to mend it.
//
//go:embed explained/*.md
var explained embed.FS

// Explanations are the texts behind the rules, by id.
type Explanations map[string]string

// LoadExplanations reads the texts that are built in.
func LoadExplanations() (Explanations, error) {
	texts := Explanations{}
	files, err := fs.Glob(explained, "explained/*.md")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := explained.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := texts.add(file, string(content)); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// add takes the sections of a file.
func (e Explanations) add(file, content string) error {
	for _, section := range strings.Split("\n"+content, "\n## ")[1:] {
		id, text, _ := strings.Cut(section, "\n")
		if e[id] != "" {
			return fmt.Errorf("%s: %s is explained twice", file, id)
		}
		e[id] = strings.TrimSpace(text)
	}
	return nil
}

// Explain writes all there is to say of a rule. Colour is for terminals.
func Explain(w io.Writer, r lint.Rule, texts Explanations, colour bool) error {
	p := pen{w, colour}
	_, err := fmt.Fprintf(w, "%s %s\n\n%s\n\n%s\n\n%s\n", p.bold(r.ID), p.bold(r.Name), r.Description, facts(r), texts[r.ID])
	return err
}

// facts are what the table says of a rule, besides its description.
func facts(r lint.Rule) string {
	lines := []string{"Default: " + string(r.Default)}
	if r.Fixes {
		lines[0] += " (reject, warn, fix, observe and off are possible)"
	} else {
		lines[0] += " (reject, warn, observe and off are possible)"
	}
	lines = append(lines, "Source:  "+r.Source)
	if r.Answer != "" {
		lines = append(lines, "Receivers: "+r.Answer)
	}
	return strings.Join(lines, "\n")
}

// families are the headings of the catalogue, by the first letter of the ids.
var families = []struct{ letter, heading string }{
	{"H", "The header"}, {"M", "MIME"}, {"T", "HTML"}, {"L", "Lists and bulk mail"}, {"A", "Authentication"}, {"S", "Survival of signatures"},
}

// Markdown writes the whole catalogue as a page of documentation.
func Markdown(w io.Writer, rules []lint.Rule, texts Explanations) error {
	var b strings.Builder
	b.WriteString("# The rules\n\n" +
		"What `pratique lint` and the milter hold messages to. This page is made from the table of rules in\n" +
		"`lint/rules.go` and the texts in `lint/report/explained`; `go test ./lint/report -update` makes it anew.\n" +
		"`pratique lint --explain M09` prints a rule, and `[lint.rules]` in the configuration sets what it does;\n" +
		"`[[lint.overrides]]` sets it otherwise for some senders, networks or logins.\n")
	for _, f := range families {
		writeFamily(&b, f.letter, f.heading, rules, texts)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeFamily(b *strings.Builder, letter, heading string, rules []lint.Rule, texts Explanations) {
	var rows, sections strings.Builder
	for _, r := range rules {
		if !strings.HasPrefix(r.ID, letter) {
			continue
		}
		fix := ""
		if r.Fixes {
			fix = "yes"
		}
		fmt.Fprintf(&rows, "| [%s](#%s) | %s | %s | %s |\n", r.ID, strings.ToLower(r.ID), r.Name, r.Default, fix)
		fmt.Fprintf(&sections, "\n### %s\n\n**%s.** %s Default: %s. Source: %s.", r.ID, r.Name, r.Description, r.Default, r.Source)
		if r.Answer != "" {
			fmt.Fprintf(&sections, " %s.", r.Answer)
		}
		fmt.Fprintf(&sections, "\n\n%s\n", texts[r.ID])
	}
	if rows.Len() == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| rule | what | default | can be mended |\n|---|---|---|---|\n%s%s", heading, &rows, &sections)
}
