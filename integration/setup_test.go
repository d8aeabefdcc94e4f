package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// From nothing to a working installation on a real Postfix, and back.
func TestSetup(t *testing.T) {
	w := &world{T: t, ctx: t.Context()}
	sink, err := harness.StartSink(harness.SinkOptions{})
	w.sink = started(t, sink, err)
	p := w.postfix("")
	dir := tempDir(t)
	config := filepath.Join(dir, "pratique.toml")
	before := w.postconf(p)
	broken := mail([]byte("From: sender@example.org\r\nTo: recipient@example.net\r\nSubject: broken\r\nDate: Fri, 27 Nov 2026 10:00:00 +0000\r\n" +
		"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\nno boundary\r\n"))

	setup := func(args ...string) (string, int) {
		return w.command(append([]string{"setup", "--config", config}, args...)...)
	}
	fresh := []string{"--yes", "--state", filepath.Join(dir, "state"), "--postfix", p.ConfigDir(), "--domain", "example.org", "--clamd", "off"}
	said, status := setup(fresh...)
	w.says(said, "postconf -c '"+p.ConfigDir()+"' -e 'smtpd_milters = unix:pratique/milter.sock'", "' -e 'non_smtpd_milters = $smtpd_milters'", "._domainkey.example.org.")
	if status != 0 || w.postconf(p) != before {
		t.Fatalf("the first run ended with %d, or changed Postfix", status)
	}

	// Applied before the milter runs it would defer all mail.
	said, status = setup("--yes", "--postfix", p.ConfigDir(), "--apply")
	w.says(said, "nothing was changed", "start the daemon first")
	if status != 2 || w.postconf(p) != before {
		t.Fatalf("without a milter setup ended with %d, or changed Postfix", status)
	}

	w.edit(config, func(text string) string { return "log_format = \"json\"\nhttp = \"\"\n" + text })
	w.pratique, err = harness.ServeConfig(w.ctx, binary, dir, 1)
	started(t, w.pratique, err)
	said, _ = setup("--yes", "--postfix", p.ConfigDir(), "--apply", "--no-dns")
	w.says(said, "changed ", "reloaded    Postfix", "a test message was accepted")
	w.refuses(w.send(p.Addr(), broken), ".", 550, "M01")
	if said, _ := w.command("audit", "mta", "--config", config, "--postfix", p.ConfigDir()); strings.Contains(said, "fail") {
		t.Errorf("the audit is not content:\n%s", said)
	}
	said, _ = setup("--yes", "--postfix", p.ConfigDir(), "--apply", "--no-dns")
	w.says(said, "nothing is to change")

	said, status = setup("--undo")
	w.says(said, "has its settings back")
	if status != 0 || w.postconf(p) != before {
		t.Errorf("undone, it ended with %d, and Postfix has:\n%s\nbefore:\n%s", status, w.postconf(p), before)
	}
	w.accepts(p.Addr(), broken)
	if said, status = setup("--undo"); status != 2 {
		t.Errorf("undone twice: %d %s", status, said)
	}
}

// A main.cf without its last newline, of which postconf alone would make a damaged one,
// and an administrator who goes on editing: undone, what is his stays.
func TestSetupAmongOtherHands(t *testing.T) {
	w := &world{T: t, ctx: t.Context()}
	sink, err := harness.StartSink(harness.SinkOptions{})
	w.sink = started(t, sink, err)
	p := w.postfix("")
	dir := tempDir(t)
	config, main := filepath.Join(dir, "pratique.toml"), filepath.Join(p.ConfigDir(), "main.cf")
	w.edit(main, func(text string) string { return strings.TrimRight(text, "\n") + "\nsmtpd_banner = last line" })

	setup := func(args ...string) (string, int) {
		return w.command(append([]string{"setup", "--config", config, "--postfix", p.ConfigDir(), "--opendkim", "off"}, args...)...)
	}
	said, status := setup("--yes", "--state", filepath.Join(dir, "state"), "--domain", "example.org", "--clamd", "off")
	w.says(said, "echo >> '"+main+"'")
	if status != 0 {
		t.Fatal(status, said)
	}
	w.edit(config, func(text string) string { return "log_format = \"json\"\nhttp = \"\"\n" + text })
	w.pratique, err = harness.ServeConfig(w.ctx, binary, dir, 1)
	started(t, w.pratique, err)
	if said, _ = setup("--yes", "--apply", "--no-dns"); !strings.Contains(w.postconf(p), "\nsmtpd_banner = last line\n") {
		t.Fatalf("main.cf is damaged:\n%s\n%s", w.postconf(p), said)
	}
	w.says(said, "a test message was accepted")

	// Somebody adds a milter of his own, and changes another setting.
	for _, setting := range []string{"smtpd_milters = unix:pratique/milter.sock, inet:127.0.0.1:9", "non_smtpd_milters = inet:127.0.0.1:9"} {
		if out, err := exec.CommandContext(w.ctx, "postconf", "-c", p.ConfigDir(), "-e", setting).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	said, status = setup("--undo")
	w.says(said, "trimmed     smtpd_milters", "left        non_smtpd_milters")
	after := w.postconf(p)
	if status != 1 || !strings.Contains(after, "\nsmtpd_milters = inet:127.0.0.1:9\n") || strings.Contains(after, "pratique") {
		t.Errorf("undone, it ended with %d, and Postfix has:\n%s", status, after)
	}
}

// edit changes a file.
func (w *world) edit(path string, change func(text string) string) {
	w.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(change(string(text))), 0o644); err != nil {
		w.Fatal(err)
	}
}

// postconf returns what is set in main.cf.
func (w *world) postconf(p *harness.Postfix) string {
	w.Helper()
	out, err := exec.CommandContext(w.ctx, "postconf", "-c", p.ConfigDir(), "-n").Output()
	if err != nil {
		w.Fatal(err)
	}
	return string(out)
}

// command runs a subcommand and returns what it printed, with its exit status.
func (w *world) command(args ...string) (string, int) {
	w.Helper()
	out, err := exec.CommandContext(w.ctx, binary, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

func (w *world) says(said string, texts ...string) {
	w.Helper()
	for _, text := range texts {
		if !strings.Contains(said, text) {
			w.Fatalf("it does not say %q:\n%s", text, said)
		}
	}
}
