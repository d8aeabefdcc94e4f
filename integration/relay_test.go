package integration

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// stranger is a loopback address that no Postfix of these tests trusts.
const stranger = "127.0.0.5"

// relayReport is what "audit relay --json" prints.
type relayReport struct {
	Verdict  string
	Trouble  string
	Attempts []struct{ Form, Mail, Rcpt, Outcome, Reply string }
}

// outcomes returns what became of a form with all names of the server, once each.
func (r relayReport) outcomes(form string) string {
	var all []string
	for _, a := range r.Attempts {
		if a.Form == form {
			all = append(all, a.Outcome)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// TestAuditRelay tries to relay through a real Postfix that is closed, open, and open
// to whoever knows how. Nothing is ever sent.
func TestAuditRelay(t *testing.T) {
	closed := map[string]string{
		"mynetworks": "127.0.0.1/32", "mydestination": "own.test", "local_recipient_maps": "inline:{ post=post }",
		"smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "smtpd_recipient_restrictions": "",
	}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(closed)
		maps.Copy(all, more)
		return all
	}
	for _, c := range []struct {
		name    string
		set     map[string]string
		status  int
		verdict string
		forms   map[string]string
	}{
		{"closed", closed, 0, "closed", map[string]string{"plain": "refused", "percent hack": "refused", "sender of its own domain": "refused"}},
		{"open", with(map[string]string{"mynetworks": "0.0.0.0/0"}), 2, "open", map[string]string{"plain": "accepted", "null sender": "accepted"}},
		{"open to its own senders", with(map[string]string{"smtpd_relay_restrictions": "check_sender_access inline:{ own.test=permit }, reject_unauth_destination"}),
			2, "open", map[string]string{"plain": "accepted", "null sender": "refused", "sender is the recipient": "refused"}},
		{"open to routes", with(map[string]string{"mydestination": "", "relay_domains": "own.test", "relay_recipient_maps": "", "allow_untrusted_routing": "yes"}),
			2, "open", map[string]string{"plain": "refused", "null sender": "refused", "percent hack": "refused undecided", "mixed: bang path and percent hack": "accepted refused"}},
		// The rest is told from a closed server by what it says to its own postmaster.
		{"wants TLS, closed", with(map[string]string{"smtpd_tls_security_level": "encrypt", "smtpd_tls_chain_files": newCertificate(t)}), 0, "closed", map[string]string{"plain": "refused"}},
		{"wants TLS, open", with(map[string]string{"smtpd_tls_security_level": "encrypt", "smtpd_tls_chain_files": newCertificate(t), "mynetworks": "0.0.0.0/0"}), 2, "open", map[string]string{"plain": "accepted"}},
		{"refuses the client", with(map[string]string{"smtpd_client_restrictions": "reject"}), 1, "unknown", map[string]string{"plain": "undecided"}},
		{"refuses the client at once", with(map[string]string{"smtpd_client_restrictions": "reject", "smtpd_delay_reject": "no"}), 1, "unknown", map[string]string{"plain": ""}},
		{"defers", with(map[string]string{"smtpd_recipient_restrictions": "defer", "smtpd_relay_restrictions": "defer_unauth_destination"}), 1, "unknown", map[string]string{"plain": "deferred"}},
		{"hangs up soon", with(map[string]string{"smtpd_hard_error_limit": "3", "smtpd_error_sleep_time": "0"}), 0, "closed", map[string]string{"plain": "refused"}},
		// Postfix takes no route for a mailbox, even where it takes any mailbox.
		{"takes any mailbox", with(map[string]string{"local_recipient_maps": ""}), 0, "closed", map[string]string{"plain": "refused", "quoted local part": "refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testPatience)
			defer cancel()
			sink, err := harness.StartSink(harness.SinkOptions{})
			sink = started(t, sink, err)
			p, err := harness.StartPostfix(ctx, tempDir(t), harness.PostfixOptions{Relay: sink.Addr(), Set: c.set})
			p = started(t, p, err)
			config := filepath.Join(t.TempDir(), "p.toml")
			if err := os.WriteFile(config, []byte("[audit]\nrelay_recipient = \"me@elsewhere.test\"\nrelay_sender = \"post@own.test\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(ctx, binary, "audit", "relay", p.Addr(), "--config", config, "--from", stranger, "--json")
			out, err := cmd.Output()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			var r relayReport
			if err := json.Unmarshal(out, &r); err != nil {
				t.Fatalf("%v\n%s%s\n%s", err, out, exit.Stderr, p.Log())
			}
			if n := len(r.Attempts); n < 40 && r.Trouble == "" {
				t.Errorf("%d forms were tried", n)
			}
			if cmd.ProcessState.ExitCode() != c.status || r.Verdict != c.verdict {
				t.Errorf("exit status %d, %s; want %d, %s", cmd.ProcessState.ExitCode(), r.Verdict, c.status, c.verdict)
			}
			for form, want := range c.forms {
				if got := r.outcomes(form); got != want {
					t.Errorf("%s: %s, want %s", form, got, want)
				}
			}
			if t.Failed() {
				for _, a := range r.Attempts {
					t.Logf("%-40s %-10s MAIL FROM:%s RCPT TO:%s %s", a.Form, a.Outcome, a.Mail, a.Rcpt, a.Reply)
				}
			}
			if queued, err := p.Queue(ctx); err != nil || len(queued) > 0 || strings.Contains(p.Log(), "message-id=") {
				t.Errorf("something was sent: %v %v\n%s", err, queued, p.Log())
			}
		})
	}
}
