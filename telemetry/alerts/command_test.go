package alerts

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program writes a shell script for a test; it is the program that is run, and gets
// nothing that a shell would read.
func program(t *testing.T, text string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{path, "first argument", "$(touch " + path + ".hacked)"}
}

func hostile() Notification {
	return Notification{Version: 1, ID: "id", Host: "mail.example.org", Alerts: []Event{{State: Firing, Alert: Alert{
		Name: "rate_spike", Subject: "login $(id); `id` \x00\n'\"", Severity: Critical, Text: "900 messages", Value: 900, Threshold: 60.5}}}}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	command := program(t, `cat > `+dir+`/in; env > `+dir+`/env; printf '%s\n' "$@" > `+dir+`/args`)
	t.Setenv("PRATIQUE_TEST_SECRET", "x")
	if err := execute(command, 10*time.Second)(t.Context(), hostile()); err != nil {
		t.Fatal(err)
	}
	var n Notification
	in, _ := os.ReadFile(dir + "/in")
	if err := json.Unmarshal(in, &n); err != nil || n.Alerts[0].Subject != hostile().Alerts[0].Subject {
		t.Errorf("%v: %s", err, in)
	}
	env, _ := os.ReadFile(dir + "/env")
	for _, want := range []string{"PRATIQUE_NAME=rate_spike\n", "PRATIQUE_SUBJECT=login $(id); `id`   '\"\n", "PRATIQUE_SEVERITY=critical\n",
		"PRATIQUE_STATE=firing\n", "PRATIQUE_VALUE=900\n", "PRATIQUE_THRESHOLD=60.5\n", "PRATIQUE_COUNT=1\n", "PATH="} {
		if !strings.Contains(string(env), want) {
			t.Errorf("no %q in\n%s", want, env)
		}
	}
	if strings.Contains(string(env), "SECRET") {
		t.Error("the environment of the daemon was handed on")
	}
	args, _ := os.ReadFile(dir + "/args")
	if want := strings.Join(command[1:], "\n") + "\n"; string(args) != want {
		t.Errorf("arguments %q", args)
	}
	if _, err := os.Stat(command[0] + ".hacked"); err == nil {
		t.Error("a shell saw an argument")
	}
}

// A command that hangs is killed with all that it started.
func TestCommandThatHangs(t *testing.T) {
	dir := t.TempDir()
	command := program(t, `sleep 300 & echo $! > `+dir+`/child; echo about to hang; wait`)
	began := time.Now()
	err := execute(command, 300*time.Millisecond)(t.Context(), hostile())
	if err == nil || !strings.Contains(err.Error(), "killed, for it took longer than 300ms; it said: about to hang") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	text, _ := os.ReadFile(dir + "/child")
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the child", func() bool { return gone(pid) })
}

// gone reports whether a process is no more, or a zombie that nobody has waited for.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestCommandThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		command   []string
		permanent bool
		says      string
	}{
		"status":     {program(t, "echo no modem >&2; exit 3"), false, "exit status 3; it said: no modem"},
		"missing":    {[]string{"/nowhere/pager"}, true, "no such file"},
		"no program": {[]string{"/etc/passwd"}, true, "permission denied"},
		"flood":      {program(t, "yes | head -c 10000000; exit 1"), false, "exit status 1; it said: y y"},
		"binary":     {program(t, `printf '\033[31m\000\377'; exit 1`), false, "exit status 1; it said: [31m ?"},
	} {
		err := execute(c.command, 10*time.Second)(t.Context(), hostile())
		if err == nil || errors.As(err, new(*permanent)) != c.permanent || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCommandThatReadsNothing(t *testing.T) {
	n := hostile()
	for range 2000 { // more than a pipe holds
		n.Alerts = append(n.Alerts, n.Alerts[0])
	}
	if err := execute(program(t, "exit 0"), 10*time.Second)(t.Context(), n); err != nil {
		t.Error(err)
	}
}

func TestACommandEndsWithTheDaemon(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	if err := execute(program(t, "exec sleep 300"), time.Minute)(ctx, hostile()); err == nil || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
