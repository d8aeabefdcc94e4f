// Package verifytest has DKIM verifiers judge a message, for tests: go-msgauth,
// and three that share no code with it or with each other.
//
// The public keys are handed to each of them; nobody asks the DNS.
package verifytest

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pratique/signing"
)

// Verifier is one implementation of DKIM.
type Verifier struct {
	Name    string
	Ed25519 bool // it knows ed25519-sha256 (RFC 8463)
	// OneSpace: it takes one space after each colon for granted, so that simple
	// header canonicalization fails where a field has none or more.
	OneSpace bool

	probe  []string // a command that succeeds if the verifier is installed
	verify func(ctx context.Context, dir string, message []byte) ([]signing.Result, error)
}

// patience is for a verifier on a busy machine.
const patience = time.Minute

// All returns the verifiers. Each can be asked without looking whether it is installed.
func All() []Verifier {
	return []Verifier{
		{Name: "go-msgauth", Ed25519: true, verify: msgauth},
		// Debian: python3-dkim, and python3-nacl for Ed25519.
		{Name: "dkimpy", Ed25519: true, verify: script(dkimpyScript, python, "-c"),
			probe: []string{python, "-c", "import dkim, nacl"}},
		// As any milter that does not ask for the spaces (SMFIP_HDR_LEADSPC).
		{Name: "OpenDKIM", Ed25519: true, OneSpace: true, verify: openDKIM, probe: []string{openDKIMBinary, "-V"}},
		// Debian 12's libmail-dkim-perl, 1.20230212, knows RSA only.
		{Name: "Mail::DKIM", verify: script(mailDKIMScript, "perl", "-e"),
			probe: []string{"perl", "-MMail::DKIM::Verifier", "-MNet::DNS", "-e1"}},
	}
}

// Need skips the test if the verifier is not installed, or fails it if
// PRATIQUE_REQUIRE_REAL=1 says that everything real must be there.
func (v Verifier) Need(t testing.TB) {
	t.Helper()
	if v.probe == nil {
		return
	}
	if out, err := exec.Command(v.probe[0], v.probe[1:]...).CombinedOutput(); err != nil {
		if os.Getenv("PRATIQUE_REQUIRE_REAL") == "1" {
			t.Fatalf("%s is required and not installed: %v: %s", v.Name, err, out)
		}
		t.Skipf("%s is not installed: %v", v.Name, err)
	}
}

// Verify returns what the verifier says of each signature, from top to bottom.
// The records are the TXT records by name, "selector._domainkey.domain". The
// test ends here if the verifier is not installed (see Need) or breaks.
func (v Verifier) Verify(t testing.TB, message []byte, records map[string]string) []signing.Result {
	t.Helper()
	results, err := v.Ask(t.Context(), t.TempDir(), message, records)
	if err != nil {
		v.Need(t) // only now: asking each time takes as long as verifying
		t.Fatal(err)
	}
	return results
}

// Ask is Verify outside of tests. It leaves files in dir.
func (v Verifier) Ask(ctx context.Context, dir string, message []byte, records map[string]string) ([]signing.Result, error) {
	if err := writeRecords(dir, records); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	results, err := v.verify(ctx, dir, message)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name, err)
	}
	return results, nil
}

// WantValid has every verifier, in a subtest each, find exactly these signatures,
// in this order and valid. Each is written as "d=example.org s=2026a a=rsa-sha256".
func WantValid(t *testing.T, message []byte, records map[string]string, want ...string) {
	t.Helper()
	for _, v := range All() {
		t.Run(v.Name, func(t *testing.T) { v.WantValid(t, message, records, want...) })
	}
}

// WantValid holds that the verifier finds exactly these signatures, in this order
// and valid. One without Ed25519 is asked only for the validity of the others.
func (v Verifier) WantValid(t testing.TB, message []byte, records map[string]string, want ...string) {
	t.Helper()
	results := v.Verify(t, message, records)
	if len(results) != len(want) {
		t.Fatalf("%d signatures were found, want %d: %v\n%.5000s", len(results), len(want), results, message)
	}
	for i, r := range results {
		got := fmt.Sprintf("d=%s s=%s a=%s", r.Domain, r.Selector, r.Algorithm)
		if got != want[i] {
			t.Errorf("signature %d is %s, want %s", i, got, want[i])
		}
		if r.Err != nil && (v.Ed25519 || !strings.HasPrefix(r.Algorithm, "ed25519")) {
			t.Errorf("%s: %v\n%.5000s", got, r.Err, message)
		}
	}
}

// The files in which verifiers find the records.
const (
	jsonRecords     = "records.json"
	openDKIMRecords = "records"
)

func writeRecords(dir string, records map[string]string) error {
	text, err := json.Marshal(records)
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	for name, record := range records {
		fmt.Fprintln(&lines, name, record)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, jsonRecords), text, 0o600),
		os.WriteFile(filepath.Join(dir, openDKIMRecords), lines.Bytes(), 0o600))
}

func msgauth(ctx context.Context, dir string, message []byte) ([]signing.Result, error) {
	text, err := os.ReadFile(filepath.Join(dir, jsonRecords))
	if err != nil {
		return nil, err
	}
	var records map[string]string
	if err := json.Unmarshal(text, &records); err != nil {
		return nil, err
	}
	return signing.Verify(ctx, bytes.NewReader(message), func(_ context.Context, name string) ([]string, error) {
		if record, ok := records[name]; ok {
			return []string{record}, nil
		}
		return nil, fmt.Errorf("no record %s", name)
	})
}

//go:embed dkimpy.py
var dkimpyScript string

//go:embed maildkim.pl
var mailDKIMScript string

const (
	// python is the system's, for which Debian packages are installed: another
	// one may come first in PATH.
	python = "/usr/bin/python3"
	// openDKIMBinary lies where PATH does not lead every user.
	openDKIMBinary = "/usr/sbin/opendkim"
)

// script returns a verifier that is a script of ours around a library.
func script(text, interpreter, flag string) func(context.Context, string, []byte) ([]signing.Result, error) {
	return func(ctx context.Context, dir string, message []byte) ([]signing.Result, error) {
		out, err := run(ctx, dir, message, interpreter, flag, text, filepath.Join(dir, jsonRecords))
		if err != nil {
			return nil, err
		}
		return parseJSON(out)
	}
}

func parseJSON(out []byte) ([]signing.Result, error) {
	var results []signing.Result
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var said struct{ D, S, A, Error string }
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			return nil, fmt.Errorf("parse %q: %w", lines.Bytes(), err)
		}
		r := signing.Result{Domain: said.D, Selector: said.S, Algorithm: said.A}
		if said.Error != "" {
			r.Err = errors.New(said.Error)
		}
		results = append(results, r)
	}
	return results, nil
}

// openDKIM runs the filter in its test mode, in which it shows the
// Authentication-Results field that it would add.
func openDKIM(ctx context.Context, dir string, message []byte) ([]signing.Result, error) {
	conf := filepath.Join(dir, "opendkim.conf")
	// By its bare name: a "#" in the folder's path would begin a comment.
	text := "Mode v\nTestPublicKeys " + openDKIMRecords + "\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	out, err := run(ctx, dir, message, openDKIMBinary, "-x", conf, "-vv", "-t", "-")
	if err != nil {
		return nil, err
	}
	return parseAuthResults(string(out)), nil
}

// authResult is one "dkim=" of an Authentication-Results field (RFC 8601 2.2).
var authResult = regexp.MustCompile(`dkim=(\w+)([^;']*)`)

func parseAuthResults(field string) []signing.Result {
	var results []signing.Result
	for _, match := range authResult.FindAllStringSubmatch(field, -1) {
		if match[1] == "none" {
			continue
		}
		var r signing.Result
		for property := range strings.FieldsSeq(match[2]) {
			switch name, value, _ := strings.Cut(property, "="); name {
			case "header.d":
				r.Domain = value
			case "header.s":
				r.Selector = value
			case "header.a":
				r.Algorithm = value
			}
		}
		if match[1] != "pass" {
			r.Err = errors.New(strings.TrimSpace(match[1] + match[2]))
		}
		results = append(results, r)
	}
	return results
}

func run(ctx context.Context, dir string, stdin []byte, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", name, err, stderr.Bytes())
	}
	return out, nil
}
