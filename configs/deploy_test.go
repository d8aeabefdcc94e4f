package configs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// program finds a real program, or ends the test.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	missing(t, name+" is not installed")
	return ""
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PRATIQUE_REQUIRE_REAL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func run(t *testing.T, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, complaints strings.Builder
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd, err, &out, &complaints)
	}
	return out.String(), complaints.String()
}

// TestPostfixTakesTheSnippet: Postfix knows each parameter and reads it as meant.
func TestPostfixTakesTheSnippet(t *testing.T) {
	postconf := program(t, "postconf")
	dir := t.TempDir()
	for name, text := range map[string]string{"main.cf": "compatibility_level = 3.6\n" + readFile(t, "postfix.main.cf"), "master.cf": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, complaints := run(t, postconf, "-c", dir, "-n", "-x")
	if complaints != "" {
		t.Errorf("postconf complains:\n%s", complaints)
	}
	for _, line := range []string{
		"smtpd_milters = unix:pratique/milter.sock",
		"non_smtpd_milters = unix:pratique/milter.sock",
		"internal_mail_filter_classes = bounce",
		"milter_default_action = tempfail",
		"milter_protocol = 6",
		"milter_content_timeout = 300s",
	} {
		if !slices.Contains(strings.Split(all, "\n"), line) {
			t.Errorf("Postfix does not have %q in\n%s", line, all)
		}
	}
}

// TestSendmailTakesTheSnippet makes a sendmail.cf of it.
func TestSendmailTakesTheSnippet(t *testing.T) {
	m4 := program(t, "m4")
	cf := sendmailCf(t)
	mc := filepath.Join(t.TempDir(), "sendmail.mc")
	text := "OSTYPE(`linux')dnl\n" + readFile(t, "sendmail.mc") + "MAILER(`smtp')dnl\n"
	if err := os.WriteFile(mc, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	made, complaints := run(t, m4, "-D_CF_DIR_="+cf, cf+"m4/cf.m4", mc)
	if complaints != "" {
		t.Errorf("m4 complains:\n%s", complaints)
	}
	for _, line := range []string{
		"O InputMailFilters=pratique",
		"Xpratique, S=unix:/run/pratique/milter.sock, F=T, T=C:30s;S:30s;R:2m;E:5m",
		"O Milter.macros.connect=j, _, {daemon_name}, {if_name}, {if_addr}, {client_addr}",
		"O Milter.macros.helo={tls_version}, {cipher}, {cipher_bits}, {cert_subject}, {cert_issuer}",
		"O Milter.macros.envfrom=i, {auth_type}, {auth_authen}, {auth_ssf}, {auth_author}, {mail_mailer}, {mail_host}, {mail_addr}",
		"O Milter.macros.envrcpt={rcpt_mailer}, {rcpt_host}, {rcpt_addr}",
	} {
		if !slices.Contains(strings.Split(made, "\n"), line) {
			t.Errorf("sendmail.cf lacks %q", line)
		}
	}
}

// sendmailCf returns the folder of sendmail's m4 files: installed, or unpacked beside Postfix.
func sendmailCf(t *testing.T) string {
	for _, root := range []string{"/", filepath.Join("..", ".build", "sendmail")} {
		cf := filepath.Join(root, "usr/share/sendmail/cf") + "/"
		if _, err := os.Stat(cf + "m4/cf.m4"); err == nil {
			return cf
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	missing(t, "sendmail's m4 files are not installed")
	return ""
}

// TestSystemdTakesTheUnit, where the program and the user need not be there.
func TestSystemdTakesTheUnit(t *testing.T) {
	analyze := program(t, "systemd-analyze")
	unit := filepath.Join(t.TempDir(), "pratique.service")
	text := strings.ReplaceAll(readFile(t, "pratique.service"), "/usr/local/bin/pratique", "/bin/true")
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, complaints := run(t, analyze, "verify", "--man=no", "--recursive-errors=no", unit)
	if out+complaints != "" {
		t.Errorf("systemd-analyze complains:\n%s%s", out, complaints)
	}
}

// TestUnitLetsMessagesEnd: systemd must not kill the daemon while it waits for messages under way.
func TestUnitLetsMessagesEnd(t *testing.T) {
	found := regexp.MustCompile(`(?m)^TimeoutStopSec=(\S+)$`).FindStringSubmatch(readFile(t, "pratique.service"))
	if found == nil {
		t.Fatal("the unit has no TimeoutStopSec")
	}
	stop, err := time.ParseDuration(found[1])
	if err != nil {
		t.Fatal(err)
	}
	if shutdown := Default().Milter.ShutdownTimeout; stop <= shutdown {
		t.Errorf("TimeoutStopSec=%v, and shutdown_timeout is %v", stop, shutdown)
	}
}
