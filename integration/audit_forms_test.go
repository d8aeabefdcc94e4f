package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// TestAuditForms: the report in each of its forms, and the exit status of each, for a
// domain that is well, one that is not quite, one that fails, and one that nobody knows.
func TestAuditForms(t *testing.T) {
	keys := newZoneKeys(t)
	domain := func(name, dmarc, spf string) string {
		return fmt.Sprintf("$ORIGIN %s.test.\n@ MX 10 mail.test.\n@ TXT %q\nrsa._domainkey TXT {rsa}\n_dmarc TXT %q\n", name, spf, dmarc)
	}
	zones := reverseZones()
	zones["test"] = keys.marks.Replace("$TTL 60\n@ SOA ns h 1 60 60 600000 60\n@ NS ns\nns A 127.0.0.1\nmail A 192.0.2.25\nmail TXT \"v=spf1 a -all\"\n" +
		domain("well", "v=DMARC1; p=reject; rua=mailto:d@well.test", "v=spf1 ip4:192.0.2.25 -all") +
		domain("quite", "v=DMARC1; p=reject; t=y; rua=mailto:d@quite.test", "v=spf1 ip4:192.0.2.25 -all") +
		domain("fails", "v=DMARC1; p=reject; rua=mailto:d@fails.test", "v=spf1 +all"))
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	nsd, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: zones})
	nsd = started(t, nsd, err)
	for _, c := range []struct {
		domain         string
		status, nagios int
		text, plugin   string
	}{
		{"well.test", 0, 0, `Posture of mail.test on .*: \d+ info, \d+ ok\n`, `^AUDIT OK - \d+ info, \d+ ok.*\| `},
		{"quite.test", 1, 1, `warn +quite.test: t=y`, `^AUDIT WARNING - 1 warn.*; warn: dmarc quite.test: t=y`},
		{"fails.test", 2, 2, `(?s)fail +fails.test: "\+all".*publish: fails.test. IN TXT "v=spf1 ip4:192.0.2.25 ~all"`, `^AUDIT CRITICAL - 1 fail.*; fail: spf fails.test`},
		{"gone.elsewhere", 1, 3, `unknown +gone.elsewhere: .*REFUSED`, `^AUDIT UNKNOWN - `},
	} {
		config := fmt.Sprintf("state = %q\nhostname = \"mail.test\"\negress = [\"192.0.2.25\"]\n[dns]\nresolver = %q\nauthoritative = [%q]\n[audit]\nports = []\n[[audit.blocklists]]\nzone = \"*\"\nkind = \"off\"\n%s",
			t.TempDir(), nsd.Addr(), nsd.Addr(), keys.toml(zoneCase{name: strings.TrimSuffix(c.domain, ".test"), sign: "rsa"}))
		if c.domain == "gone.elsewhere" { // its key is no concern here
			config, _, _ = strings.Cut(config, "[[signing")
		}
		r, status := runAudit(t, ctx, config, "--domain", strings.ToUpper(c.domain)+".")
		if status != c.status {
			t.Errorf("%s: exit status %d with --json, want %d\n%+v", c.domain, status, c.status, r)
		}
		file := filepath.Join(t.TempDir(), "p.toml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, form := range []struct {
			flag, want string
			status     int
		}{{"--brief=false", c.text, c.status}, {"--nagios", c.plugin, c.nagios}} {
			cmd := exec.CommandContext(ctx, binary, "audit", form.flag, "--domain", c.domain, "--config", file)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != form.status || !regexp.MustCompile(form.want).Match(out) {
				t.Errorf("%s %s: exit status %d, want %d and %s\n%s", c.domain, form.flag, got, form.status, form.want, out)
			}
		}
	}
	bad := exec.CommandContext(ctx, binary, "audit", "--domain", "*.example.org", "--config", "/nonexistent")
	if out, _ := bad.CombinedOutput(); bad.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "is no domain") {
		t.Errorf("a wildcard: %d %s", bad.ProcessState.ExitCode(), out)
	}
}
