package harness

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A program, and its children, must not outlive a test that is killed.
func TestProcessesEndWithTheirStarter(t *testing.T) {
	const marker = "PRATIQUE_TEST_STARTER"
	if dir := os.Getenv(marker); dir != "" {
		starter(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), marker+"="+dir)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for field := range strings.FieldsSeq(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("the starter said %q", line)
		}
		awaitEnd(t, pid)
	}
}

// starter starts a shell with a child, prints the ids of both, and waits to be killed.
func starter(t *testing.T, dir string) {
	log := filepath.Join(dir, "log")
	p, err := startProcess(exec.Command("/bin/sh", "-c", `sleep 1000 & echo $$ $!; wait`), log)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.untilReady(t.Context(), func() error {
		if !strings.HasSuffix(p.Log(), "\n") {
			return errors.New("it says nothing yet")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString(p.Log())
	select {}
}

func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		// Without an init that reaps orphans, in a container say, it stays as a zombie.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %d lives on", pid)
}
