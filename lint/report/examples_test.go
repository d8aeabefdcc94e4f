package report

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/lint"
	"pratique/message"
)

// notPlayed are the rules of which an example can't be a text, each with what it takes.
var notPlayed = map[string]string{
	"A01": "keys", "A02": "keys", "A03": "keys and the DNS", "A04": "keys", "A05": "an envelope", "A06": "the DNS", "A07": "the DNS", "A08": "the DNS",
	"A09": "a client", "H06": "the DNS", "H14": "two messages", "H20": "other line ends", "H32": "fifty fields", "L05": "keys", "M18": "twenty levels", "M20": "a size",
}

// leftOut are the fields that a message has and the examples of a rule do not get.
var leftOut = map[string]string{
	"H01": "From", "H07": "Date", "H10": "Message-ID", "A10": "Message-ID", "H24": "To", "M04": "MIME-Version",
}

// examplesOnly are rules of which the mended message is not shown: it is mended elsewhere.
var examplesOnly = []string{"A10"}

// TestExamples plays the examples of the texts: the one that stands before "Mend:"
// breaks the rule, and the one behind it does not.
func TestExamples(t *testing.T) {
	texts, err := LoadExplanations()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range lint.Rules() {
		if notPlayed[r.ID] != "" {
			continue
		}
		why, mend, _ := strings.Cut(texts[r.ID], "\nMend: ")
		bad, mended := example(why), example(mend)
		if bad == "" || (mended == "") != slices.Contains(examplesOnly, r.ID) {
			t.Errorf("%s: an example is missing: %q, mended %q", r.ID, bad, mended)
			continue
		}
		if found := findings(t, r.ID, bad); !slices.Contains(found, r.ID) {
			t.Errorf("%s: the example breaks %v:\n%s", r.ID, found, bad)
		}
		if mended == "" {
			continue
		}
		if found := findings(t, r.ID, mended); slices.Contains(found, r.ID) {
			t.Errorf("%s: the mended example breaks %v:\n%s", r.ID, found, mended)
		}
	}
}

// example returns what a text has indented.
func example(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		code, indented := strings.CutPrefix(line, "    ")
		if indented || line == "" && len(lines) > 0 {
			lines = append(lines, code)
		}
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// remark is what is said beside a line of an example.
var remark = regexp.MustCompile(`(?m)  +\([^()]*\)$`)

// findings are the ids of what is found in an example: fields, a body, or both, in a
// message that is otherwise good. "…" stands for very much.
func findings(t *testing.T, rule, example string) []string {
	t.Helper()
	example = strings.ReplaceAll(remark.ReplaceAllString(example, ""), "…", strings.Repeat("x", 120_000))
	fields, body := parts(example)
	var b strings.Builder
	for _, field := range []string{"From: News <news@example.org>", "To: ann@example.com", "Subject: Your order", "Date: Mon, 02 Jun 2025 10:00:00 +0200",
		"Message-ID: <20250602080000.1234@example.org>", "MIME-Version: 1.0"} {
		name, _, _ := strings.Cut(field, ":")
		if name != leftOut[rule] && !strings.Contains("\n"+fields, "\n"+name+":") {
			b.WriteString(field + "\n")
		}
	}
	b.WriteString(fields + "\n\n" + body + "\n")
	m := &message.Message{Sender: "news@example.org"}
	if err := message.Play(context.Background(), exampleLint(t, rule), m, strings.NewReader(b.String()), nil); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range m.Findings {
		ids = append(ids, f.Rule)
	}
	return ids
}

// parts splits an example into fields and body. One that begins with a boundary or a
// tag is the body of a multipart or of html.
func parts(example string) (fields, body string) {
	switch {
	case strings.HasPrefix(example, "--frontier"):
		return "Content-Type: multipart/mixed; boundary=frontier", example
	case strings.HasPrefix(example, "<"):
		return "Content-Type: text/html; charset=utf-8", example
	}
	fields, body, _ = strings.Cut(example, "\n\n")
	return fields, body
}

func exampleLint(t *testing.T, rule string) *lint.Lint {
	t.Helper()
	opts := lint.DefaultOptions()
	opts.Rules = map[string]string{}
	switch rule[0] {
	case 'L':
		opts.Bulk = []string{"news@example.org"}
		opts.Rules["L08"] = "warn"
	case 'T':
		opts.Clients = []string{"gmail", "outlook"}
	}
	if rule == "H28" {
		opts.Rules["H03"] = "off"
	}
	l, err := lint.New(opts, lint.Env{
		Clock:    func() time.Time { return time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC) },
		Hostname: "mail.example.org",
		Random:   strings.NewReader(strings.Repeat("0", 100)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l.Collecting()
}
