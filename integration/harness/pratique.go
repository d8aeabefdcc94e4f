package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// BuildPratique builds the daemon from the sources of this module, with the race
// detector or without, and returns the path of the program in dir.
func BuildPratique(ctx context.Context, dir string, race bool) (string, error) {
	binary := filepath.Join(dir, "pratique")
	args := []string{"build", "-o", binary}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "pratique/cmd/pratique")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build pratique: %w\n%s", err, out)
	}
	return binary, nil
}

// Pratique is a running "pratique serve".
type Pratique struct {
	*Process
	dir    string
	listen []string
}

// StartPratique starts the daemon in a folder and returns as soon as it listens
// at these addresses ("unix:/path", "inet:127.0.0.1:0"). The rest of the
// configuration, in TOML, is the caller's.
func StartPratique(ctx context.Context, binary, dir string, listen []string, config string) (*Pratique, error) {
	p := &Pratique{dir: dir, listen: listen}
	if err := os.Mkdir(p.state(), 0o700); err != nil {
		return nil, err
	}
	if err := p.configure(config); err != nil {
		return nil, err
	}
	return p, p.serve(ctx, binary)
}

// ServeConfig starts the daemon with the pratique.toml that is in a folder, which
// has it log in JSON and listen at so many addresses.
func ServeConfig(ctx context.Context, binary, dir string, addresses int) (*Pratique, error) {
	p := &Pratique{dir: dir, listen: make([]string, addresses)}
	return p, p.serve(ctx, binary)
}

func (p *Pratique) serve(ctx context.Context, binary string) error {
	process, err := startProcess(exec.Command(binary, "serve", "--config", p.Config()), filepath.Join(p.dir, "pratique.log"))
	if err != nil {
		return err
	}
	p.Process = process
	err = process.untilReady(ctx, func() error {
		if got := len(p.said("listening")); got < len(p.listen) {
			return fmt.Errorf("it listens at %d of %d addresses", got, len(p.listen))
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, process.Close())
	}
	return nil
}

// Config returns the path of the configuration.
func (p *Pratique) Config() string { return filepath.Join(p.dir, "pratique.toml") }

func (p *Pratique) state() string { return filepath.Join(p.dir, "state") }

func (p *Pratique) configure(config string) error {
	own := fmt.Sprintf("listen = [\"%s\"]\nstate = %q\nlog_format = \"json\"\nhttp = \"\"\n",
		strings.Join(p.listen, `", "`), p.state())
	return os.WriteFile(p.Config(), []byte(own+config), 0o644)
}

// Addresses returns where it listens, in order: a path or host:port.
func (p *Pratique) Addresses() []string {
	var addresses []string
	for _, line := range p.said("listening") {
		addresses = append(addresses, line["address"].(string))
	}
	return addresses
}

// said returns the log lines with this message, in order.
func (p *Pratique) said(message string) []map[string]any {
	var lines []map[string]any
	for text := range strings.Lines(p.Log()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}

// Reload gives the daemon another configuration, and waits until it says that
// it took it. If it says that it did not, that is returned as ErrReload.
func (p *Pratique) Reload(ctx context.Context, config string) error {
	const done, failed = "configuration reloaded", "reload failed, the old configuration stays in force"
	were, wereFailed := len(p.said(done)), len(p.said(failed))
	if err := p.configure(config); err != nil {
		return err
	}
	if err := p.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return p.untilReady(ctx, func() error {
		if lines := p.said(failed); len(lines) > wereFailed {
			return fmt.Errorf("%w: %v", ErrReload, lines[len(lines)-1]["error"])
		}
		if len(p.said(done)) > were {
			return nil
		}
		return errors.New("the daemon says nothing of its reload")
	})
}

// ErrReload is a reload that the daemon refused.
var ErrReload = errors.New("reload refused")
