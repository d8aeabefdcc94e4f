package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pratique/integration/harness"
)

// OpenDKIM's miltertest plays an MTA, driven by a script: a second opinion on the protocol.
func TestMiltertest(t *testing.T) {
	program, err := exec.LookPath("miltertest")
	if err != nil && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip("miltertest is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, tables{}, harness.SinkOptions{})
	host, port, err := net.SplitHostPort(w.port)
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/*.lua")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		for over, socket := range map[string]string{"unix": w.socket, "tcp": "inet:" + port + "@" + host} {
			t.Run(filepath.Base(script)+" "+over, func(t *testing.T) {
				cmd := exec.CommandContext(w.ctx, program, "-D", "socket="+socket, "-s", script)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}
