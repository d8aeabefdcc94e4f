package harness

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

//go:embed dkimpy.py
var dkimpyScript string

// debianPython is the interpreter that sees Debian's Python packages; the first
// python3 in PATH may be another one.
const debianPython = "/usr/bin/python3"

// Verified is what a verifier says of one signature.
type Verified struct {
	Pass                        bool
	Algorithm, Domain, Selector string
	Trouble                     string // why it did not pass
}

func (v Verified) String() string {
	verdict := "fail"
	if v.Pass {
		verdict = "pass"
	}
	return strings.TrimSpace(fmt.Sprintf("%s a=%s d=%s s=%s %s", verdict, v.Algorithm, v.Domain, v.Selector, v.Trouble))
}

// VerifyWithDkimpy has dkimpy verify every signature of a message, from the top
// down. The records, TXT by name, stand in for the DNS.
func VerifyWithDkimpy(ctx context.Context, records map[string]string, message []byte) ([]Verified, error) {
	if exec.CommandContext(ctx, debianPython, "-c", "import dkim, nacl").Run() != nil {
		return nil, fmt.Errorf("dkimpy with Ed25519: %w", ErrMissing)
	}
	text, err := json.Marshal(records)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, debianPython, "-c", dkimpyScript, string(text))
	cmd.Stdin = bytes.NewReader(message)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("dkimpy: %w\n%s", err, &complaints)
	}
	var all []Verified
	for line := range strings.Lines(string(out)) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 5)
		if len(part) != 5 {
			return nil, fmt.Errorf("dkimpy said %q", line)
		}
		all = append(all, Verified{part[0] == "pass", part[1], part[2], part[3], part[4]})
	}
	return all, nil
}
