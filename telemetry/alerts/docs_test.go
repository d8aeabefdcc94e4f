package alerts

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the generated parts of docs/alerts.md")

// TestDocumentation holds the tables of docs/alerts.md to the code.
func TestDocumentation(t *testing.T) {
	var kinds strings.Builder
	kinds.WriteString("| name | is about | when |\n|---|---|---|\n")
	for _, k := range Kinds() {
		fmt.Fprintf(&kinds, "| `%s` | %s | %s |\n", k.Name, k.Of, k.Says)
	}
	at := time.Date(2026, 11, 2, 3, 20, 0, 0, time.UTC)
	body, err := json.MarshalIndent(Notification{
		Version: formVersion, ID: "CMEAP5P7UQMSAY2NITCI5SGAUQ", At: at, Host: "mail.example.org",
		Alerts: []Event{{At: at, State: Firing, Since: at, Alert: Alert{Name: "rate_spike", Subject: "client 10.0.0.1", Severity: Critical,
			Text: "900 recipients in the last 10 minutes, where 12 (at most 30) are usual", Value: 900, Threshold: 90}}},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	document(t, "kinds", kinds.String())
	document(t, "body", "```json\n"+string(body)+"\n```\n")
}

// document holds a part of the document, between two marks, to a text, or puts it there.
func document(t *testing.T, mark, text string) {
	t.Helper()
	const path = "../../docs/alerts.md"
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	from, to := "<!-- "+mark+" -->\n", "<!-- end of "+mark+" -->"
	head, rest, begins := strings.Cut(string(whole), from)
	is, tail, ends := strings.Cut(rest, to)
	if !begins || !ends {
		t.Fatalf("%s has no marks of %q", path, mark)
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+from+text+to+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if is != text {
		t.Errorf("%s does not have (go test -update writes it):\n%s", path, text)
	}
}
