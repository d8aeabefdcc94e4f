package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Unbound is a running unbound, a recursive resolver. It needs no rights.
type Unbound struct {
	*Process
	addr string
}

// UnboundOptions say whom an unbound asks, and what it verifies.
type UnboundOptions struct {
	// Servers are the authoritative servers of zones, host:port. Nobody else is asked.
	Servers map[string]string
	// Anchors are DS records of zones that must be signed (RFC 4034 5). Without any it
	// does not validate.
	Anchors []string
}

// StartUnbound starts an unbound in an empty folder and returns when it answers.
func StartUnbound(ctx context.Context, dir string, o UnboundOptions) (*Unbound, error) {
	program, err := program("unbound")
	if err != nil {
		return nil, err
	}
	u := &Unbound{}
	return u, withFreePort(func(port int) error { return u.start(ctx, program, dir, port, o) })
}

// Addr returns where it answers, host:port, by UDP and TCP.
func (u *Unbound) Addr() string { return u.addr }

func (u *Unbound) start(ctx context.Context, program, dir string, port int, o UnboundOptions) error {
	config, log := filepath.Join(dir, "unbound.conf"), filepath.Join(dir, "unbound.log")
	if err := writeFiles(dir, map[string]string{"unbound.conf": unboundConfig(dir, port, o), "unbound.log": ""}); err != nil {
		return err
	}
	process, err := startProcess(exec.Command(program, "-d", "-p", "-c", config), log)
	if err != nil {
		return err
	}
	u.Process, u.addr = process, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	err = process.untilReady(ctx, func() error { return u.answers(ctx) })
	if err != nil {
		if strings.Contains(process.Log(), "in use") {
			err = errPortTaken
		}
		return errors.Join(err, process.Close())
	}
	return nil
}

// answers holds that this very server has started.
func (u *Unbound) answers(ctx context.Context) error {
	if strings.Contains(u.Log(), "in use") {
		return errPortTaken
	}
	if !strings.Contains(u.Log(), "start of service") {
		return errors.New("unbound does not say that it has started")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// unboundConfig keeps everything in the folder. Reserved zones such as test are as any
// other, and answers say why they fail (RFC 8914).
func unboundConfig(dir string, port int, o UnboundOptions) string {
	var c strings.Builder
	modules := "iterator"
	if len(o.Anchors) > 0 {
		modules = "validator iterator"
	}
	fmt.Fprintf(&c, "server:\n  directory: %q\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n  verbosity: 1\n"+
		"  interface: 127.0.0.1\n  port: %d\n  num-threads: 1\n  do-ip6: no\n  do-not-query-localhost: no\n  unblock-lan-zones: yes\n  insecure-lan-zones: yes\n"+
		"  ede: yes\n  outbound-msg-retry: 1\n  module-config: %q\n", dir, port, modules)
	for _, anchor := range o.Anchors {
		fmt.Fprintf(&c, "  trust-anchor: \"%s\"\n", strings.ReplaceAll(anchor, "\t", " "))
	}
	var zones []string
	for zone := range o.Servers {
		zones = append(zones, zone)
	}
	slices.Sort(zones)
	for _, zone := range zones {
		fmt.Fprintf(&c, "  local-zone: %q nodefault\n", zone)
	}
	for _, zone := range zones {
		fmt.Fprintf(&c, "stub-zone:\n  name: %q\n  stub-addr: %s\n", zone, strings.Replace(o.Servers[zone], ":", "@", 1))
	}
	fmt.Fprintf(&c, "remote-control:\n  control-enable: no\n")
	return c.String()
}
