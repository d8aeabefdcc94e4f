package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pratique/integration/harness"
	"pratique/signing/verifytest"
)

// The keys of a table change under a running daemon: all at once by a link, as
// Kubernetes does it, and then a file of which only a part is there. Mail before,
// between and after verifies, and a domain whose key never was of use waits alone.
func TestKeyFilesChange(t *testing.T) {
	dir := tempDir(t)
	folders := []string{filepath.Join(dir, "first"), filepath.Join(dir, "second")}
	var keys []harness.Keys
	for _, folder := range folders {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		made, err := harness.NewKeys(folder)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, made)
	}
	link(t, folders[0], filepath.Join(dir, "now"))
	table := filepath.Join(dir, "signing.table")
	lines := fmt.Sprintf("example.org %s:now/rsa.pem %s:now/ed25519.pem\nbroken.example b:none.pem\n", harness.RSASelector, harness.Ed25519Selector)
	if err := os.WriteFile(table, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, tables{signing: fmt.Sprintf("[signing]\nwatch = \"1s\"\ntable = %q\n", table)}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())

	w.signedWith(p, "first", keys[0])
	theirs := bytes.Replace(harness.Letter("theirs"), []byte("sender@example.org"), []byte("sender@broken.example"), 1)
	w.refuses(w.send(p.Addr(), mail(theirs)), ".", 451, "signing is temporarily unavailable")

	w.afterLog("keys reloaded", func() { link(t, folders[1], filepath.Join(dir, "now")) })
	w.signedWith(p, "second", keys[1])

	w.afterLog("reload failed, the old configuration stays in force", func() {
		if err := os.Truncate(keys[1].RSAFile, 800); err != nil {
			t.Fatal(err)
		}
	})
	w.signedWith(p, "third", keys[1])
}

// link has a symbolic link lead to another place from one moment to the next.
func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// signedWith sends a message, and has every verifier find the signatures of these keys.
func (w *world) signedWith(p *harness.Postfix, subject string, keys harness.Keys) {
	w.Helper()
	w.accepts(p.Addr(), mail(harness.Letter(subject)))
	verifytest.WantValid(w.T, w.delivered(subject).Data, keys.Records,
		"d=example.org s="+harness.RSASelector+" a=rsa-sha256", "d=example.org s="+harness.Ed25519Selector+" a=ed25519-sha256")
}

// afterLog does something, and waits until the daemon says what it makes of it.
func (w *world) afterLog(text string, do func()) {
	w.Helper()
	before := len(w.pratique.Log())
	do()
	for !strings.Contains(w.pratique.Log()[before:], text) {
		w.pause("the daemon does not say: " + text)
	}
}
