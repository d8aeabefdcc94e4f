package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine says on what, and what, was measured.
type machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	Kernel   string            `json:"kernel"`
	Go       string            `json:"go"`
	Versions map[string]string `json:"versions"`
}

func describeMachine(ctx context.Context) machine {
	m := machine{CPU: cpuModel(), Cores: runtime.NumCPU(), Go: runtime.Version(), Versions: map[string]string{}}
	m.Kernel = firstLine(ctx, "uname", "-sr")
	for name, args := range map[string][]string{
		"OpenDKIM":      {"opendkim", "-V"},
		"rspamd":        {"rspamd", "--version"},
		"clamd":         {"clamd", "--version"},
		"clamav-milter": {"clamav-milter", "--version"},
		"Postfix":       {"postconf", "-h", "mail_version"},
		"OpenSSL":       {"openssl", "version"},
	} {
		if line := firstLine(ctx, args[0], args[1:]...); line != "" {
			m.Versions[name] = line
		}
	}
	return m
}

// firstLine runs a command and returns its first line, or "" without it.
func firstLine(ctx context.Context, name string, args ...string) string {
	path, err := find(name)
	if err != nil {
		return ""
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
