package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// stopPatience is how long a program may take to end after SIGTERM.
const stopPatience = 20 * time.Second

// Process is a program that the harness started, in a process group of its own.
type Process struct {
	cmd   *exec.Cmd
	guard *guard
	log   string
	done  chan struct{} // closed after the program has ended
	err   error         // how it ended; read after done
}

// startProcess starts a program in its own process group, with both outputs appended to a file.
func startProcess(cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &Process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	if p.guard, err = startGuard(p.Pid()); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// guard ends a process group when the process that started it dies, in whatever
// way: it waits for its standard input to end. The kernel's own means, a parent
// death signal, is lost on a program that changes its user, as Postfix does.
type guard struct {
	cmd   *exec.Cmd
	alive io.WriteCloser
}

func startGuard(group int) (*guard, error) {
	g := &guard{cmd: exec.Command("/bin/sh", "-c", `read -r dismissed || kill -s KILL -- "-$1"`, "guard", strconv.Itoa(group))}
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // not to be met by an interrupt from the keyboard
	var err error
	if g.alive, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the guard of a process: %w", err)
	}
	return g, nil
}

// dismiss ends the guard and leaves the group alone.
func (g *guard) dismiss() error {
	_, err := io.WriteString(g.alive, "dismissed\n")
	return errors.Join(err, g.alive.Close(), g.cmd.Wait())
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
// whatever it left behind in its process group. It is no error if it has ended,
// or was closed before.
func (p *Process) Close() error {
	if p.guard == nil {
		return nil
	}
	err := errors.Join(p.terminate(), p.guard.dismiss())
	p.guard = nil
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
