package configs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"
)

// The stack of compose/ is built and tried by "make stack", which takes minutes. What can
// be seen of it at once is seen here.

type composeFile struct {
	Services map[string]struct {
		Build           any
		Ports           []string
		Volumes         []string
		StopGracePeriod string `yaml:"stop_grace_period"`
	}
	Volumes map[string]any
}

func TestComposeFile(t *testing.T) {
	var c composeFile
	if err := yaml.Unmarshal([]byte(readFile(t, "compose/compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) != 3 {
		t.Fatalf("%d services", len(c.Services))
	}
	for name, service := range c.Services {
		if len(service.Ports) > 0 {
			t.Errorf("%s publishes %q: through a published port Postfix is an open relay", name, service.Ports)
		}
		for _, v := range service.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if _, err := os.Stat(filepath.Join("compose", source)); strings.HasPrefix(source, "./") && err != nil {
				t.Error(err)
			} else if _, known := c.Volumes[source]; !strings.HasPrefix(source, "./") && !known {
				t.Errorf("%s has a volume %s that nobody declares", name, source)
			}
		}
	}
	stop, err := time.ParseDuration(c.Services["pratique"].StopGracePeriod)
	if err != nil || stop <= Default().Milter.ShutdownTimeout {
		t.Errorf("it is killed after %v, %v, and shutdown_timeout is %v", stop, err, Default().Milter.ShutdownTimeout)
	}
}

// TestComposeConfiguration loads what pratique gets in its container.
func TestComposeConfiguration(t *testing.T) {
	cfg, err := Load("compose/etc/pratique.toml")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cfg.Access.Networks, Default().Access.Networks) {
		t.Errorf("it admits %v, and not what is usual", cfg.Access.Networks)
	}
	if cfg.Scanning.Clamd != "tcp:clamd:3310" || !slices.Equal(cfg.Listen, []string{"inet:0.0.0.0:8891"}) {
		t.Errorf("it finds clamd at %s and listens on %v", cfg.Scanning.Clamd, cfg.Listen)
	}
}

// TestComposeKeepsTheAdvice holds what the containers have against what is said to have
// elsewhere.
func TestComposeKeepsTheAdvice(t *testing.T) {
	for name, advice := range map[string]string{"compose/clamd/clamd.conf": "clamd.conf", "compose/postfix/main.cf": "postfix.main.cf"} {
		have := strings.Split(readFile(t, name), "\n")
		for line := range strings.SplitSeq(readFile(t, advice), "\n") {
			if line == "" || line[0] == '#' || strings.HasPrefix(line, "smtpd_milters") {
				continue
			}
			if !slices.Contains(have, line) {
				t.Errorf("%s has no %q", name, line)
			}
		}
	}
}

// TestPostfixTakesTheContainersConfiguration with no word of complaint.
func TestPostfixTakesTheContainersConfiguration(t *testing.T) {
	postconf := program(t, "postconf")
	dir := t.TempDir()
	for name, text := range map[string]string{"main.cf": readFile(t, "compose/postfix/main.cf"), "master.cf": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, complaints := run(t, postconf, "-c", dir, "-n", "-x")
	if complaints != "" || !slices.Contains(strings.Split(all, "\n"), "non_smtpd_milters = inet:pratique:8891") {
		t.Errorf("postconf has\n%s%s", all, complaints)
	}
}
