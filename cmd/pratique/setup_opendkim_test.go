package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pratique/configs"
	"pratique/posture/mta"
)

// anOpenDKIM writes the configuration of an OpenDKIM that signs two domains with one key.
func anOpenDKIM(t *testing.T) (conf, key string) {
	t.Helper()
	dir := t.TempDir()
	key = filepath.Join(dir, "2024.private")
	if err := writeKey("rsa", key); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(key, 0o640); err != nil { // as the manual of some has it
		t.Fatal(err)
	}
	conf = filepath.Join(dir, "opendkim.conf")
	for name, text := range map[string]string{
		"opendkim.conf": "Socket inet:8893@localhost\nKeyTable " + dir + "/keys\nSigningTable refile:" + dir + "/signing\nInternalHosts 127.0.0.1, 10.3.0.0/16\n",
		"keys":          "k1 shop.example:2024:" + key + "\nk2 example.com:2024:" + key + "\n",
		"signing":       "*@shop.example k1\n*@example.com k2\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return conf, key
}

func TestSetupTakesOpenDKIMOver(t *testing.T) {
	dir := t.TempDir()
	folder := postfixFolder(t, t.TempDir())
	conf, key := anOpenDKIM(t)
	said, status := dialogueWith(t, dir, "y\n\n\noff\ny\n", "--postfix", folder, "--opendkim", conf)
	if status != exitClean {
		t.Fatalf("status %d:\n%s", status, said)
	}
	for _, text := range []string{
		"2 domains with their keys", "Take its domains and keys over? [Y/n]: ", "Networks whose clients may send [10.1.0.0/16, 127.0.0.0/8, 10.3.0.0/16, 127.0.0.1]: ",
		"Further domains whose mail is to be signed [-]: ", "OpenDKIM signs as well", "-e 'smtpd_milters = unix:pratique/milter.sock'", "with Mode v in " + conf,
	} {
		if !strings.Contains(said, text) {
			t.Errorf("it does not say %q:\n%s", text, said)
		}
	}
	if strings.Contains(said, "Publish these records") {
		t.Errorf("new keys were made:\n%s", said)
	}
	obey(t, said)
	if p, err := mta.LoadPostfix(t.Context(), folder); err != nil || p.Value("smtpd_milters") != "unix:pratique/milter.sock" {
		t.Errorf("the commands do not take OpenDKIM out: %v", err)
	}
	cfg, err := configs.Load(filepath.Join(dir, "pratique.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Signing.Domains) != 2 {
		t.Fatalf("%+v", cfg.Signing.Domains)
	}
	want, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range cfg.Signing.Domains {
		file := d.Keys[0].File
		got, err := os.ReadFile(file)
		if err != nil || string(got) != string(want) || !strings.HasPrefix(file, dir) {
			t.Errorf("%s: %v", file, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	}

	// Again: nothing is taken over a second time, but OpenDKIM still stands there.
	said, status = dialogueWith(t, dir, "", "--postfix", postfixFolder(t, t.TempDir()), "--opendkim", conf)
	if status != exitClean || strings.Contains(said, "Take its") || !strings.Contains(said, "OpenDKIM signs as well") {
		t.Errorf("status %d:\n%s", status, said)
	}
}

// obey runs the commands of postconf that were printed.
func obey(t *testing.T, said string) {
	t.Helper()
	if _, err := exec.LookPath("postconf"); err != nil && os.Getenv("PRATIQUE_REQUIRE_REAL") == "" {
		t.Skip(err)
	}
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "postconf ") {
			if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", line, err, out)
			}
		}
	}
}

func TestSetupLeavesOpenDKIM(t *testing.T) {
	conf, _ := anOpenDKIM(t)
	for name, c := range map[string]struct {
		answers, opendkim, says string
		status                  int
	}{
		"declined":  {"n\n\n\noff\ny\n", conf, "20261124r._domainkey.example.org.", exitClean},
		"off":       {"\n\noff\ny\n", "off", "20261124r._domainkey.example.org.", exitClean},
		"not there": {"", "/nowhere/opendkim.conf", "no such file", exitFailure},
		"a folder":  {"", t.TempDir(), "not a regular file", exitFailure},
	} {
		dir := t.TempDir()
		said, status := dialogueWith(t, dir, c.answers, "--postfix", postfixFolder(t, t.TempDir()), "--opendkim", c.opendkim)
		if status != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s: status %d:\n%s", name, status, said)
		}
		if _, err := os.Stat(filepath.Join(dir, "state/opendkim")); err == nil {
			t.Errorf("%s: keys were copied", name)
		}
	}
}
