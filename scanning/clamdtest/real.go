package clamdtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// EICARName is how a Real clamd calls the EICAR test file: its signature is not an official one.
const EICARName = "Test.EICAR.UNOFFICIAL"

// EICAR returns the EICAR anti-virus test file. It is kept backwards, for
// scanners take every file that has it in the clear for infected.
func EICAR() []byte {
	file := []byte(`*H+H$!ELIF-TSET-SURIVITNA-DRADNATS-RACIE$}7)CC7)^P(45XZP\4[PA@%P!O5X`)
	slices.Reverse(file)
	return file
}

// ErrNotInstalled is the error of Real.Start without a clamd on the machine.
var ErrNotInstalled = errors.New("clamd is not installed")

// Real is a private clamd: its own socket, its own configuration, and a single
// signature, EICAR's, so that it starts at once and needs about 16 MiB.
type Real struct {
	Dir     string            // an existing folder of its own; the path must be short enough for a Unix socket
	Options map[string]string // of clamd.conf, in addition to or instead of the usual ones

	cmd    *exec.Cmd
	output bytes.Buffer
	ended  chan struct{}
}

// Address is where it listens, as the configuration has it: "unix:/path".
func (r *Real) Address() string { return "unix:" + r.socket() }

func (r *Real) socket() string { return filepath.Join(r.Dir, "clamd.ctl") }

// Databases is the folder of the signatures; what is put there is read at the next reload.
func (r *Real) Databases() string { return filepath.Join(r.Dir, "db") }

// Start starts clamd and returns as soon as it answers. It ends with ctx at the
// latest; after Stop or Kill it can be started again.
func (r *Real) Start(ctx context.Context) error {
	program, err := clamdProgram()
	if err != nil {
		return err
	}
	config, err := r.configure()
	if err != nil {
		return fmt.Errorf("configure clamd: %w", err)
	}
	r.output.Reset()
	r.cmd = exec.CommandContext(ctx, program, "--config-file="+config)
	r.cmd.Stdout, r.cmd.Stderr = &r.output, &r.output
	if err := r.cmd.Start(); err != nil {
		return fmt.Errorf("start clamd: %w", err)
	}
	r.ended = make(chan struct{})
	go func() {
		defer close(r.ended)
		_ = r.cmd.Wait() // killed is how it normally ends
	}()
	return r.waitUntilUp(ctx)
}

func clamdProgram() (string, error) {
	for _, name := range []string{"clamd", "/usr/sbin/clamd", "/usr/local/sbin/clamd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}

func (r *Real) configure() (path string, err error) {
	if err := os.MkdirAll(r.Databases(), 0o755); err != nil {
		return "", err
	}
	// Extended signature: name, any type of file, at any offset, in hexadecimal.
	signature := fmt.Sprintf("Test.EICAR:0:*:%s\n", hex.EncodeToString(EICAR()))
	if err := os.WriteFile(filepath.Join(r.Databases(), "eicar.ndb"), []byte(signature), 0o644); err != nil {
		return "", err
	}
	options := map[string]string{
		"Foreground": "yes", "LocalSocket": r.socket(), "DatabaseDirectory": r.Databases(),
		"TemporaryDirectory": r.Dir, "MaxThreads": "4", "SelfCheck": "0",
	}
	maps.Copy(options, r.Options)
	var conf bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(options)) {
		fmt.Fprintf(&conf, "%s %s\n", key, options[key])
	}
	path = filepath.Join(r.Dir, "clamd.conf")
	return path, os.WriteFile(path, conf.Bytes(), 0o644)
}

// waitUntilUp asks until there is an answer.
func (r *Real) waitUntilUp(ctx context.Context) error {
	const pause = 10 * time.Millisecond
	for {
		if r.ping() {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-r.ended:
			return fmt.Errorf("clamd ended: %s", r.output.Bytes())
		case <-ctx.Done():
			return fmt.Errorf("clamd does not answer: %w", ctx.Err())
		}
	}
}

func (r *Real) ping() bool {
	conn, err := net.Dial("unix", r.socket())
	if err != nil {
		return false
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("zPING\x00")); err != nil {
		return false
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	var answer [8]byte
	n, _ := conn.Read(answer[:])
	return string(answer[:n]) == "PONG\x00"
}

// Stop has clamd end in good order, and waits for it.
func (r *Real) Stop() { r.end(os.Interrupt) }

// Kill ends clamd as kill -9 does: its socket is left behind.
func (r *Real) Kill() { r.end(os.Kill) }

func (r *Real) end(signal os.Signal) {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(signal) // it may have ended already
	<-r.ended
}

// StartReal starts a clamd until the end of the test. Without one on the
// machine the test is skipped, or fails if PRATIQUE_REQUIRE_REAL is 1.
func StartReal(t testing.TB, options map[string]string) *Real {
	t.Helper()
	r := &Real{Dir: filepath.Dir(socketPath(t)), Options: options}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(func() {
		r.Stop()
		cancel()
	})
	err := r.Start(ctx)
	switch {
	case errors.Is(err, ErrNotInstalled) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1":
		t.Skip("clamd is not installed")
	case err != nil:
		t.Fatal(err)
	}
	return r
}
