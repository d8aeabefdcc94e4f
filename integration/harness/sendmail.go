package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// SendmailOptions say what a private sendmail is like.
type SendmailOptions struct {
	Unpacked string // folder into which Debian's packages of sendmail were unpacked
	Relay    string // host:port to which all mail goes
	Milter   string // as in INPUT_MAIL_FILTER: "local:/path" or "inet:port@host"; "": none
}

// Sendmail is a running private sendmail 8. It takes mail from anywhere on a
// loopback port and relays all of it.
type Sendmail struct {
	*Process
	Port int // of SMTP, on 127.0.0.1

	dir, binary string
}

// StartSendmail starts a private sendmail in an empty folder. It needs root.
func StartSendmail(ctx context.Context, dir string, o SendmailOptions) (*Sendmail, error) {
	s := &Sendmail{dir: dir, binary: filepath.Join(o.Unpacked, "usr/libexec/sendmail/sendmail")}
	if _, err := os.Stat(s.binary); err != nil {
		return nil, fmt.Errorf("start sendmail: %w: %w", err, ErrMissing)
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("start sendmail without root: %w", ErrMissing)
	}
	for _, name := range []string{"mqueue", "etc"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	if err := withFreePort(func(port int) error { return s.start(ctx, port, o) }); err != nil {
		return nil, fmt.Errorf("start sendmail: %w", err)
	}
	return s, nil
}

// Addr returns where sendmail takes mail by SMTP.
func (s *Sendmail) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Log returns all that sendmail wrote, and the SMTP conversations that it held.
func (s *Sendmail) Log() string {
	traffic, err := os.ReadFile(s.traffic())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return s.Process.Log() + string(traffic)
}

func (s *Sendmail) cf() string      { return filepath.Join(s.dir, "etc", "sendmail.cf") }
func (s *Sendmail) traffic() string { return filepath.Join(s.dir, "traffic.log") }

func (s *Sendmail) start(ctx context.Context, port int, o SendmailOptions) error {
	s.Port = port
	if err := s.configure(ctx, o); err != nil {
		return err
	}
	process, err := s.launch(syscall.CLONE_NEWUTS)
	if errors.Is(err, syscall.EPERM) { // in a container, say: it works all the same, but takes a minute
		process, err = s.launch(0)
	}
	if err != nil {
		return err
	}
	s.Process = process
	// Sendmail retries a port that is in use for a minute, so its pid file is what tells
	// that it has it. It writes that before it listens.
	err = process.untilReady(ctx, func() error {
		if strings.Contains(process.Log(), "Address already in use") {
			return errPortTaken
		}
		if _, err := os.Stat(filepath.Join(s.dir, "sendmail.pid")); err != nil {
			return err
		}
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		return errors.Join(err, s.Kill(), s.Close()) // it does not heed SIGTERM while it waits for its port
	}
	return nil
}

// launch starts sendmail under a fully qualified host name, if it may have a
// namespace for that: with a short one sendmail sleeps for a minute before it
// reads its configuration, in the hope that the DNS will come to know the name.
func (s *Sendmail) launch(namespace uintptr) (*Process, error) {
	command := "exec \"$@\""
	if namespace != 0 {
		command = "hostname mail.example.org && " + command
	}
	daemon := exec.Command("/bin/sh", "-c", command, "sh", s.binary, "-bD", "-q1s", "-C", s.cf(), "-X", s.traffic())
	daemon.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespace}
	return startProcess(daemon, filepath.Join(s.dir, "sendmail.log"))
}

// configure writes sendmail.cf, as an administrator does it: from an mc file, with m4.
func (s *Sendmail) configure(ctx context.Context, o SendmailOptions) error {
	m4, err := program("m4")
	if err != nil {
		return err
	}
	if err := writeFiles(s.dir, map[string]string{
		"etc/sendmail.mc":    s.mc(o),
		"etc/service.switch": "hosts files\naliases files\n", // no DNS
	}); err != nil {
		return err
	}
	cf := filepath.Join(o.Unpacked, "usr/share/sendmail/cf") + "/"
	cmd := exec.CommandContext(ctx, m4, "-D_CF_DIR_="+cf, cf+"m4/cf.m4", filepath.Join(s.dir, "etc/sendmail.mc"))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("m4 sendmail.mc: %w: %s", err, &complaints)
	}
	return os.WriteFile(s.cf(), text, 0o644)
}

// mc is written for mail that goes out: everything is relayed, nothing is
// looked up in the DNS, and a busy machine is no reason to refuse mail.
func (s *Sendmail) mc(o SendmailOptions) string {
	host, port, _ := net.SplitHostPort(o.Relay)
	var b strings.Builder
	b.WriteString("OSTYPE(`linux')dnl\n")
	for _, d := range [][2]string{
		{"confDOMAIN_NAME", "mail.example.org"},
		{"QUEUE_DIR", filepath.Join(s.dir, "mqueue")},
		{"STATUS_FILE", filepath.Join(s.dir, "statistics")},
		{"HELP_FILE", filepath.Join(s.dir, "helpfile")},
		{"confPID_FILE", filepath.Join(s.dir, "sendmail.pid")},
		{"confSERVICE_SWITCH_FILE", filepath.Join(s.dir, "etc/service.switch")},
		{"ALIAS_FILE", ""},
		{"confDONT_PROBE_INTERFACES", "True"},
		{"confDONT_BLAME_SENDMAIL", "TrustStickyBit"}, // for sockets below /tmp
		{"confTO_IDENT", "0"},
		{"confQUEUE_LA", "1000"},
		{"confREFUSE_LA", "1000"},
		{"SMART_HOST", "relay:[" + host + "]"},
		{"RELAY_MAILER_ARGS", "TCP $h " + port},
	} {
		fmt.Fprintf(&b, "define(`%s', `%s')dnl\n", d[0], d[1])
	}
	for _, feature := range []string{"nocanonify", "promiscuous_relay", "accept_unresolvable_domains", "no_default_msa"} {
		fmt.Fprintf(&b, "FEATURE(`%s')dnl\n", feature)
	}
	fmt.Fprintf(&b, "DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port=%d')dnl\n", s.Port)
	if o.Milter != "" {
		// F=T: tempfail when the milter is away.
		fmt.Fprintf(&b, "INPUT_MAIL_FILTER(`pratique', `S=%s, F=T, T=C:30s;S:10s;R:30s;E:5m')dnl\n", o.Milter)
	}
	b.WriteString("MAILER(`local')dnl\nMAILER(`smtp')dnl\n")
	return b.String()
}
