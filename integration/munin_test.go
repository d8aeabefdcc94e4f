package integration

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/message"
	"pratique/telemetry"
)

// The real munin-run runs the plugin that is deployed, which asks a daemon.
func TestMuninRun(t *testing.T) {
	const munin = "/usr/sbin/munin-run"
	if _, err := os.Stat(munin); err != nil && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip("munin-node is not installed")
	}
	if os.Geteuid() != 0 {
		t.Skip("munin-run wants to be root")
	}
	metrics := telemetry.New(time.Now)
	for range 7 {
		metrics.Observe(&message.Message{Began: time.Now()}, message.Outcome{Verdict: message.Accepted})
	}
	metrics.Clamd(true)
	daemon := httptest.NewServer(metrics.Handler(func() error { return nil }))
	defer daemon.Close()
	dir := tempDir(t)
	plugin, err := os.ReadFile("../configs/munin-plugin")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) string {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("plugins/pratique", string(plugin), 0o755)
	settings := write("conf.d/pratique", "[pratique]\nuser root\nenv.url "+daemon.URL+"/metrics\nenv.pratique "+binary+"\n", 0o644)
	config := write("munin-node.conf", "host 127.0.0.1\nport 0\nuser root\ngroup root\n", 0o644)
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), munin, append([]string{"--config", config, "--servicedir", dir + "/plugins",
			"--sconfdir", dir + "/conf.d", "--sconffile", settings, "pratique"}, args...)...)
		cmd.Env = append(os.Environ(), "MUNIN_PLUGSTATE="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
		return string(out)
	}
	for args, want := range map[string]string{
		"":         "multigraph pratique_messages\naccepted.value 7\n",
		"config":   "graph_title Outgoing mail by outcome\n",
		"autoconf": "yes\n",
	} {
		if out := run(strings.Fields(args)...); !strings.Contains(out, want) {
			t.Errorf("munin-run pratique %s: no %q in\n%s", args, want, out)
		}
	}
}
