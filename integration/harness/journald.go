package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Journald is a running private systemd-journald, which takes what is sent to it in
// the manner of syslog(3), and writes journal files.
type Journald struct {
	*Process
	dir string
}

// Where Debian keeps it, and its configuration.
const (
	journaldPath   = "/lib/systemd/systemd-journald"
	journaldConfig = "/etc/systemd/journald.conf"
)

// journaldConf has it leave the rest of the machine alone: by default it turns the
// audit of the kernel on, reads its messages, and writes to terminals.
const journaldConf = "[Journal]\nStorage=volatile\nAudit=\nReadKMsg=no\nForwardToWall=no\nRateLimitIntervalSec=0\n"

// StartJournald starts a systemd-journald in a folder, in a mount namespace of its own
// in which that folder is /run. It needs root, and a kernel that lets it.
func StartJournald(ctx context.Context, dir string) (*Journald, error) {
	if _, err := os.Stat(journaldPath); err != nil || os.Geteuid() != 0 {
		return nil, fmt.Errorf("%s, as root: %w", journaldPath, ErrMissing)
	}
	unshare, err := program("unshare")
	if err != nil {
		return nil, err
	}
	j := &Journald{dir: dir}
	if err := errors.Join(os.MkdirAll(j.Folder(), 0o755), os.MkdirAll(filepath.Dir(j.socket()), 0o755)); err != nil {
		return nil, err
	}
	if out, err := exec.Command(unshare, "--mount", "true").CombinedOutput(); err != nil { // as in many containers
		return nil, fmt.Errorf("a mount namespace: %w: %w: %s", ErrMissing, err, out)
	}
	config := filepath.Join(dir, "journald.conf")
	if err := os.WriteFile(config, []byte(journaldConf), 0o644); err != nil {
		return nil, err
	}
	const inside = `mount --make-rprivate / && mount --bind "$1" /run && mount --bind "$2" "$3" && exec "$4"`
	cmd := exec.Command(unshare, "--mount", "sh", "-c", inside, "sh", j.run(), config, journaldConfig, journaldPath)
	if j.Process, err = startProcess(cmd, filepath.Join(dir, "journald.log")); err != nil {
		return nil, err
	}
	if err := j.untilReady(ctx, func() error { return j.Log("postfix/master[1]: ready") }); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func (j *Journald) run() string    { return filepath.Join(j.dir, "run") }
func (j *Journald) socket() string { return filepath.Join(j.run(), "systemd/journal/dev-log") }

// Folder returns where the journal files are.
func (j *Journald) Folder() string { return filepath.Join(j.run(), "log/journal") }

// Log sends messages of the mail system, "postfix/smtp[123]: …", as syslog(3) does.
func (j *Journald) Log(messages ...string) error {
	conn, err := net.Dial("unixgram", j.socket())
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, m := range messages {
		const mailInfo = 2<<3 | 6
		if _, err := fmt.Fprintf(conn, "<%d>Nov 28 13:31:32 %s", mailInfo, m); err != nil {
			return err
		}
	}
	return nil
}

// Rotate has it begin new files.
func (j *Journald) Rotate() error { return j.Signal(syscall.SIGUSR2) }
