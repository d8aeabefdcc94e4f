package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// zoneCase is a domain with what stands in its zone, and what the audit is to say of it.
type zoneCase struct {
	name  string
	lines []string          // of a zone file, below the domain
	want  map[string]string // by topic: codes and statuses of what is not well; "well"
	says  []said
}

// said is what must stand in the findings of a topic: in a text, or in a record to publish.
type said struct{ topic, kind, text string }

// readZoneCases reads a file of testdata/audit: "== name: remark" begins a case, then come
// lines of its zone, then what is wanted: "topic: …", "topic says: …", "topic publishes: …".
func readZoneCases(t *testing.T, file string) []zoneCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "audit", file))
	if err != nil {
		t.Fatal(err)
	}
	var all []zoneCase
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "== "); ok {
			name, _, _ = strings.Cut(name, ":")
			all = append(all, zoneCase{name: name, want: map[string]string{}})
			continue
		}
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		c := &all[len(all)-1]
		before, after, ok := strings.Cut(line, ": ")
		topic, kind, _ := strings.Cut(before, " ")
		switch {
		case !ok || strings.ContainsAny(before, "\"@") || kind != "" && kind != "says" && kind != "publishes":
			c.lines = append(c.lines, line)
		case kind == "":
			c.want[topic] = after
		default:
			c.says = append(c.says, said{topic, kind, after})
		}
	}
	return all
}

// zoneWith is the zone "test" with all cases of a file. A case without MX takes its mail at mail.test.
func zoneWith(t *testing.T, cases []zoneCase) string {
	t.Helper()
	common, err := os.ReadFile(filepath.Join("testdata", "audit", "common.zone"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.Write(common)
	for _, c := range cases {
		fmt.Fprintf(&b, "$ORIGIN %s.test.\n", c.name)
		if !strings.Contains(strings.Join(c.lines, "\n"), "MX ") {
			fmt.Fprintln(&b, "@ MX 10 mail.test.")
		}
		fmt.Fprintln(&b, strings.Join(c.lines, "\n"))
	}
	return b.String()
}

// auditReport is what "audit --json" prints.
type auditReport struct {
	Hostname  string
	Status    string
	Addresses []string
	Findings  []auditFinding
}

type auditFinding struct {
	Topic, Subject, Code, Status, Found, Means, Do string
	Publish, Details                               []string
}

// runAudit runs the command, and returns its report and exit status.
func runAudit(t *testing.T, ctx context.Context, config string, args ...string) (auditReport, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, binary, append([]string{"audit", "--json", "--config", file}, args...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var r auditReport
	if err := json.Unmarshal(out, &r); err != nil {
		stderr := ""
		if exit != nil {
			stderr = string(exit.Stderr)
		}
		t.Fatalf("%v\n%s%s", err, out, stderr)
	}
	return r, cmd.ProcessState.ExitCode()
}

// of returns the findings of a topic about a subject.
func (r auditReport) of(topic, subject string) []auditFinding {
	var found []auditFinding
	for _, f := range r.Findings {
		if f.Topic == topic && (f.Subject == subject || strings.HasSuffix(f.Subject, "._domainkey."+subject)) {
			found = append(found, f)
		}
	}
	return found
}

// notWell returns the codes and statuses of what is not well, each once, or "well".
func notWell(found []auditFinding) string {
	var all []string
	for _, f := range found {
		if text := f.Code + " " + f.Status; f.Status != "ok" && f.Status != "info" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if len(all) == 0 {
		return "well"
	}
	return strings.Join(all, ", ")
}

// hold compares a report with what a case wants.
func (c zoneCase) hold(t *testing.T, r auditReport) {
	t.Helper()
	subject := c.name + ".test"
	for topic, want := range c.want {
		found := r.of(topic, subject)
		if got := notWell(found); got != want {
			t.Errorf("%s: under %s it says\n  %s, want\n  %s\n%s", c.name, topic, got, want, shown(found))
		}
	}
	for _, s := range c.says {
		found := r.of(s.topic, subject)
		if !slices.ContainsFunc(found, func(f auditFinding) bool {
			if s.kind == "publishes" {
				return strings.Contains(strings.Join(f.Publish, "\n"), s.text)
			}
			return strings.Contains(strings.Join(append(f.Details, f.Found, f.Means, f.Do), "\n"), s.text)
		}) {
			t.Errorf("%s: nothing under %s %s %q\n%s", c.name, s.topic, s.kind, s.text, shown(found))
		}
	}
}

func shown(found []auditFinding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "    %-7s %s: %s | %s | %s\n", f.Status, f.Code, f.Found, f.Means, f.Do)
		for _, line := range f.Publish {
			fmt.Fprintf(&b, "            publish %s\n", line)
		}
	}
	return b.String()
}

// TestAuditZones audits domains with all that can be wrong in their zones, by the real
// command and at a real name server.
func TestAuditZones(t *testing.T) {
	for _, file := range []string{"spf.zones"} {
		t.Run(file, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testPatience)
			defer cancel()
			cases := readZoneCases(t, file)
			nsd, err := harness.StartNSD(ctx, tempDir(t), harness.NSDOptions{Zones: map[string]string{"test": zoneWith(t, cases),
				"2.0.192.in-addr.arpa":             "$TTL 60\n@ SOA ns.test. h.test. 1 60 60 600000 60\n@ NS ns.test.\n25 PTR mail.test.\n",
				"0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": "$TTL 60\n@ SOA ns.test. h.test. 1 60 60 600000 60\n@ NS ns.test.\n5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR mail.test.\n"}})
			nsd = started(t, nsd, err)
			if strings.Contains(nsd.Log(), "error:") {
				t.Fatal(nsd.Log())
			}
			var names []string
			for _, c := range cases {
				names = append(names, fmt.Sprintf("%q", c.name+".test"))
			}
			r, _ := runAudit(t, ctx, fmt.Sprintf("state = %q\nhostname = \"mail.test\"\negress = [\"192.0.2.25\", \"2001:db8::25\"]\n[dns]\nresolver = %q\nauthoritative = [%q]\n"+
				"[audit]\nmax_domains = 1000\nports = []\ndomains = [%s]\n[[audit.blocklists]]\nzone = \"*\"\nkind = \"off\"\n", t.TempDir(), nsd.Addr(), nsd.Addr(), strings.Join(names, ", ")))
			for _, c := range cases {
				c.hold(t, r)
			}
		})
	}
}
