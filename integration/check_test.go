package integration

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// check sees that clamd finds what it should and that the running daemon signs,
// and says so where nothing answers (here: port 0, where nobody can listen).
func TestCheck(t *testing.T) {
	w := newWorld(t, tables{clamd: realClamd(t), scanning: "max_scans = 4"}, harness.SinkOptions{})
	out, err := exec.CommandContext(w.ctx, binary, "check", "--config", w.pratique.Config(), "--no-dns").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("exit status of check: %v, want 1", err)
	}
	for _, want := range []string{
		"ok       configuration " + w.pratique.Config() + ": no problems\n",
		"ok       key           " + harness.RSASelector + " of example.org: rsa-sha256, ",
		": ClamAV ",
		": finds the EICAR test signature in a message of 1024 octets\n",
		": finds the EICAR test signature in a message of 26214400 octets\n",
		"ok       milter        unix:" + w.socket + ": a test message was accepted, with 2 signatures\n",
		"failed   milter        inet:127.0.0.1:0: no answer: ",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("check does not say %q:\n%s", want, out)
		}
	}
	if failed := strings.Count(string(out), "failed ") + strings.Count(string(out), "warning "); failed != 1 {
		t.Errorf("%d findings, want one:\n%s", failed, out)
	}
}
