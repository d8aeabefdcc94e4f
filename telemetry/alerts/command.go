package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxOutput bounds what is kept of a command's output, in octets. It is read to its
// end all the same, so that the command does not stall.
const maxOutput = 4 << 10

// maxQuoted bounds what an error quotes of it.
const maxQuoted = 400

// afterKill is how long a killed command's output is still read: a child that it
// left behind in another process group may hold it open.
const afterKill = time.Second

// execute returns what runs a command with the notification as JSON at its standard
// input, and its first alert in environment variables. No shell sees any of it.
func execute(command []string, timeout time.Duration) func(context.Context, Notification) error {
	return func(ctx context.Context, n Notification) error {
		input, err := json.Marshal(n)
		if err != nil {
			return &permanent{err}
		}
		return run(ctx, timeout, command, environment(n), input)
	}
}

// run runs a program with a bound on its time, its output and what it leaves behind.
// One that is not there is a permanent error.
func run(ctx context.Context, timeout time.Duration, command, env []string, input []byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	output := &bounded{most: maxOutput}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), output, output
	cmd.Env, cmd.Dir = env, "/"
	// A group of its own, so that what it started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = afterKill
	err := cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil // it said that it worked, and left something running
	case ctx.Err() == context.DeadlineExceeded:
		err = fmt.Errorf("%s: killed, for it took longer than %v", command[0], timeout)
	default:
		err = fmt.Errorf("run %s: %w", command[0], err)
	}
	if text := strings.TrimSpace(line(strings.TrimSpace(output.String()), maxQuoted)); text != "" {
		err = fmt.Errorf("%w; it said: %s", err, text)
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return &permanent{err}
	}
	return err
}

// inherited is what a command gets of our own environment: secrets may be in the rest.
func inherited() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "LANG", "TZ", "MAIL_CONFIG"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// environment is what a command gets: something of ours, and what the first alert is about.
func environment(n Notification) []string {
	env := inherited()
	first := n.Alerts[0]
	for _, v := range [][2]string{
		{"ID", n.ID},
		{"HOST", n.Host},
		{"COUNT", strconv.Itoa(len(n.Alerts) + n.More)},
		{"STATE", string(first.State)},
		{"NAME", first.Name},
		{"SUBJECT", first.Subject},
		{"SEVERITY", first.Severity.String()},
		{"TEXT", first.Text},
		{"VALUE", strconv.FormatFloat(first.Value, 'g', -1, 64)},
		{"THRESHOLD", strconv.FormatFloat(first.Threshold, 'g', -1, 64)},
		{"SINCE", first.Since.UTC().Format(time.RFC3339)},
	} {
		env = append(env, "PRATIQUE_"+v[0]+"="+line(v[1], maxText)) // no NUL, no line end
	}
	return env
}

// bounded keeps the first octets of what is written to it.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), b.most-b.Len())])
	return len(p), nil
}
