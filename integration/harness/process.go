package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// stopPatience is how long a program may take to end after SIGTERM.
const stopPatience = 20 * time.Second

// Process is a program that the harness started, in a process group of its own.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed after the program has ended
	err  error         // how it ended; read after done
}

// startProcess starts a program in its own process group, with both outputs
// appended to a file. The kernel sends it orphaned when the starting process dies.
func startProcess(cmd *exec.Cmd, log string, orphaned syscall.Signal) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, orphaned
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &Process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the program, not to its children.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log returns all that the program wrote so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Wait waits for the program's end and returns its exit status.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for the end of %s: %w", p.cmd.Path, ctx.Err())
	}
}

// Close ends the program by SIGTERM, and by SIGKILL if that does not help, and
// whatever it left behind in its process group. It is no error if it has ended.
func (p *Process) Close() error {
	err := p.terminate()
	// The group outlives its leader as long as a child does; without one there is nobody to kill.
	if kerr := syscall.Kill(-p.Pid(), syscall.SIGKILL); kerr != nil && !errors.Is(kerr, syscall.ESRCH) {
		err = errors.Join(err, fmt.Errorf("kill process group %d: %w", p.Pid(), kerr))
	}
	return err
}

func (p *Process) terminate() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopPatience):
	}
	err := p.Kill()
	return errors.Join(fmt.Errorf("%s did not end within %s of SIGTERM", p.cmd.Path, stopPatience), err)
}

// Kill ends the program by SIGKILL and waits for its end.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// untilReady asks ready again and again until it returns nil, the program ends,
// or patience does. A port that is taken, or a reload refused, will not change.
func (p *Process) untilReady(ctx context.Context, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := ready()
		if err == nil || errors.Is(err, errPortTaken) || errors.Is(err, ErrReload) {
			return err
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at its start: %v\n%s", p.cmd.Path, p.err, Tail(p.Log(), 20))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.cmd.Path, err, Tail(p.Log(), 20))
		case <-time.After(10 * time.Millisecond):
		}
	}
}
