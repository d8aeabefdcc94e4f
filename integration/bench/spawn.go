package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"pratique/integration/harness"
)

// How long a peer may take to start and to stop.
const (
	startPatience = 2 * time.Minute
	stopPatience  = 10 * time.Second
)

// process is a peer that runs in the foreground, its output in a file.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed after it has ended
}

// find returns the path of a program. Daemons are often where only root looks.
func find(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, harness.ErrMissing)
}

// spawn starts a program that dies with us.
func spawn(dir, name string, args ...string) (*process, error) {
	path, err := find(name)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(path, args...), log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	go func() {
		_ = p.cmd.Wait() // by a signal is how it normally ends
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// untilReady asks ready until it has no complaint.
func (p *process) untilReady(ctx context.Context, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at its start: %s", p.cmd.Path, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", p.cmd.Path, err, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return harness.Tail(string(text), 20)
}

// close ends the program, by SIGKILL if SIGTERM does not help.
func (p *process) close() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopPatience):
	}
	err := p.cmd.Process.Kill()
	<-p.done
	return err
}
