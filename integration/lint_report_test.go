package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"syscall"
	"testing"

	"pratique/integration/harness"
	"pratique/lint/tally"
)

// What a rule that only observes would have refused is told of mail that went through Postfix.
func TestLintReport(t *testing.T) {
	w := newWorld(t, tables{lint: "[lint.rules]\nH16 = \"observe\"\n"}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	w.accepts(p.Addr(), mail(harness.Letter("reported-good")))
	w.accepts(p.Addr(), mail(bytes.Replace(harness.Letter("reported"), []byte("Subject: "), []byte("Subject: Re: "), 1)))
	config := w.pratique.Config()
	if err := w.pratique.Signal(syscall.SIGTERM); err != nil { // what was counted is saved once a minute, and at the end
		t.Fatal(err)
	}
	if status, err := w.pratique.Wait(w.ctx); err != nil || status != 0 {
		t.Fatalf("status %d, %v", status, err)
	}
	out, err := exec.CommandContext(context.Background(), binary, "lint", "report", "--config", config, "--json").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var report tally.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, r := range report.Rules {
		if r.Rule == "H16" && r.Messages == 1 && len(r.Clients) == 1 && r.Clients[0].Client == "127.0.0.1" {
			found++
		}
	}
	if report.Messages != 2 || found != 1 {
		t.Errorf("%s", out)
	}
}
