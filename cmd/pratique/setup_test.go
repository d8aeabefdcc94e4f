package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/configs"
)

// dialogueWith runs setup as somebody who gives these answers.
func dialogueWith(t *testing.T, dir, answers string, args ...string) (said string, status int) {
	t.Helper()
	var out bytes.Buffer
	e := &env{strings.NewReader(answers), &out, &out, func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }}
	status = run(e, append([]string{"setup", "--config", filepath.Join(dir, "pratique.toml"), "--state", filepath.Join(dir, "state")}, args...))
	return out.String(), status
}

func postfixFolder(t *testing.T, dir string) string {
	t.Helper()
	for name, text := range map[string]string{
		"main.cf": "myhostname = mail.example.org\nmydomain = example.org\nmynetworks = 127.0.0.0/8 10.1.0.0/16\nqueue_directory = " + dir +
			"/queue\nsmtpd_milters = inet:127.0.0.1:8893\ncompatibility_level = 3.6\n",
		"master.cf": "smtp inet n - y - - smtpd\ncleanup unix n - y - 0 cleanup\nsmtp unix - - n - - smtp\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSetupAsks(t *testing.T) {
	dir := t.TempDir()
	folder := postfixFolder(t, t.TempDir())
	said, status := dialogueWith(t, dir, "10.1.2.0/24, 127.0.0.1\nshop.example\noff\ny\n", "--postfix", folder)
	if status != exitClean {
		t.Fatalf("status %d:\n%s", status, said)
	}
	for _, text := range []string{
		"Networks whose clients may send [10.1.0.0/16, 127.0.0.0/8]: ", "Domains whose mail is to be signed [example.org]: ",
		"its milters now: inet:127.0.0.1:8893", "._domainkey.shop.example.",
		"postconf -c '" + folder + "' -e 'smtpd_milters = inet:127.0.0.1:8893, unix:pratique/milter.sock'",
		"warn main.cf", "10.1.0.0/16, which are not in [access] networks",
	} {
		if !strings.Contains(said, text) {
			t.Errorf("it does not say %q:\n%s", text, said)
		}
	}
	cfg, err := configs.Load(filepath.Join(dir, "pratique.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cfg.Access.Networks, " "); got != "10.1.2.0/24 127.0.0.1" {
		t.Errorf("networks %s", got)
	}
	if want := "unix:" + folder + "/queue/pratique/milter.sock"; cfg.Listen[0] != want || cfg.Hostname != "mail.example.org" {
		t.Errorf("listen %v, hostname %s", cfg.Listen, cfg.Hostname)
	}
	if _, err := os.Stat(folder + "/queue/pratique"); err != nil {
		t.Errorf("the folder of the socket: %v", err)
	}

	// Again: what is there stays, and no second keys are made.
	said, status = dialogueWith(t, dir, "", "--postfix", folder, "--domain", "shop.example")
	if status != exitClean || !strings.Contains(said, "stays as it is") || !strings.Contains(said, "shop.example has its keys") {
		t.Errorf("status %d:\n%s", status, said)
	}
}

func TestSetupDeclined(t *testing.T) {
	dir := t.TempDir()
	said, status := dialogueWith(t, dir, "\n\noff\nn\n", "--postfix", postfixFolder(t, t.TempDir()))
	if status != exitFailure || !strings.Contains(said, "nothing was changed") {
		t.Errorf("status %d:\n%s", status, said)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("it left %v", entries)
	}
}

func TestSetupRefusesWhatCantBeMeant(t *testing.T) {
	folder := postfixFolder(t, t.TempDir())
	for name, c := range map[string]struct{ answers, says string }{
		"a network":    {"10.0.0.0/33\nexample.org\noff\n", "access.networks[0]"},
		"a clamd":      {"\nexample.org\n/run/clamd\n", "scanning.clamd"},
		"a domain":     {"\nexa mple..org\noff\ny\n", "exa"},
		"an IDN":       {"\nbücher.example\n", "xn--"},
		"no more said": {"\n", "read the answer"},
	} {
		dir := t.TempDir()
		said, status := dialogueWith(t, dir, c.answers, "--postfix", folder)
		if status != exitFailure || !strings.Contains(said, c.says) {
			t.Errorf("%s: status %d, it does not say %q:\n%s", name, status, c.says, said)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: it left %v", name, left)
		}
	}
}

func TestSetupRefusesFlagsThatDoNotGoTogether(t *testing.T) {
	for _, args := range [][]string{{"--postfix", "/a", "--sendmail", "/b"}, {"--apply", "--undo"}} {
		if said, status := dialogueWith(t, t.TempDir(), "", args...); status != exitFailure || !strings.Contains(said, args[0]) {
			t.Errorf("%v: status %d: %s", args, status, said)
		}
	}
}

// Undoing needs the state folder, and no configuration that can be read.
func TestUndoWithABrokenConfiguration(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pratique.toml"), []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	said, status := dialogueWith(t, dir, "", "--undo")
	if status != exitFailure || !strings.Contains(said, "nothing was applied") {
		t.Errorf("status %d: %s", status, said)
	}
}

func TestSetupForSendmail(t *testing.T) {
	dir := t.TempDir()
	mc := filepath.Join(dir, "sendmail.mc")
	if err := os.WriteFile(mc, []byte("OSTYPE(`linux')dnl\nMAILER(`smtp')dnl\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	said, status := dialogueWith(t, dir, "", "--yes", "--sendmail", mc, "--domain", "example.org", "--listen", "unix:"+dir+"/m.sock", "--clamd", "off")
	if status != exitClean || !strings.Contains(said, "INPUT_MAIL_FILTER(`pratique', `S=unix:"+dir+"/m.sock, F=T") {
		t.Errorf("status %d:\n%s", status, said)
	}
	cfg, err := configs.Load(filepath.Join(dir, "pratique.toml"))
	if err != nil || !cfg.Survival.Mend || cfg.Survival.LineLimit != 990 {
		t.Errorf("%v: it does not know what sendmail does to lines and 8bit mail", err)
	}
}
