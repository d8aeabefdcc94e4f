package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// TestAudit audits a server with a real Postfix, whose settings tell how it sends and
// whose port offers TLS, and a real name server: first all is well but the certificate,
// then the zone is broken.
func TestAudit(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	sink, err := harness.StartSink(harness.SinkOptions{})
	sink = started(t, sink, err)
	p, err := harness.StartPostfix(ctx, tempDir(t), harness.PostfixOptions{Relay: sink.Addr(), Set: map[string]string{
		"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": newCertificate(t), "smtp_bind_address": "192.0.2.25"}})
	p = started(t, p, err)
	dir := tempDir(t)
	zone := func(spf string) map[string]string {
		return map[string]string{
			"example.org": "$TTL 60\n@ SOA ns1 admin 1 3600 600 864000 60\n@ NS ns1\n@ MX 10 mail\nns1 A 127.0.0.1\nmail A 192.0.2.25\n" +
				"mail TXT \"v=spf1 a -all\"\n_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:d@example.org\"\n@ TXT \"" + spf + "\"\n",
			"2.0.192.in-addr.arpa": "$TTL 60\n@ SOA ns1.example.org. admin.example.org. 1 3600 600 864000 60\n@ NS ns1.example.org.\n25 PTR mail.example.org.\n",
		}
	}
	nsd, err := harness.StartNSD(ctx, tempDir(t), harness.NSDOptions{Zones: zone("v=spf1 ip4:192.0.2.25 -all")})
	nsd = started(t, nsd, err)
	broken, err := harness.StartNSD(ctx, tempDir(t), harness.NSDOptions{Zones: zone("v=spf1 ip4:192.0.2.26 include:nowhere.example.org -all")})
	broken = started(t, broken, err)

	audit := func(server, want string, status int) {
		t.Helper()
		config := filepath.Join(dir, "p.toml")
		text := fmt.Sprintf("state = %q\n[dns]\nresolver = %q\nauthoritative = [%q]\n[audit]\ndomains = [\"example.org\"]\nports = [%q]\n"+
			"[[audit.blocklists]]\nzone = \"*\"\nkind = \"off\"\n", dir, server, server, p.Addr())
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(ctx, binary, "audit", "--json", "--brief", "--config", config, "--postfix", p.ConfigDir())
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		var r struct {
			Hostname  string
			Addresses []string
			Findings  []struct{ Topic, Subject, Code, Status, Found string }
		}
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var got []string
		for _, f := range r.Findings {
			got = append(got, f.Code+" "+f.Status)
		}
		if strings.Join(got, ", ") != want || cmd.ProcessState.ExitCode() != status {
			t.Errorf("exit status %d: %s\nwant %d: %s\n%s", cmd.ProcessState.ExitCode(), strings.Join(got, ", "), status, want, out)
		}
		if r.Hostname != "mail.example.org" || strings.Join(r.Addresses, " ") != "192.0.2.25" {
			t.Errorf("Postfix was not asked: %s %v", r.Hostname, r.Addresses)
		}
	}
	audit(nsd.Addr(), "no_key warn, dmarc_without_dkim warn, certificate_expires warn, certificate_chain warn", 1)
	audit(broken.Addr(), "spf_includes_none fail, spf_permerror fail, no_key warn, dmarc_without_dkim warn, certificate_expires warn, certificate_chain warn", 2)
}
