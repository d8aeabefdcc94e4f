package harness

import (
	"context"
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
	u.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	var err error
	u.Process, err = startDNS(ctx, exec.Command(program, "-d", "-p", "-c", config), log, u.addr, "start of service")
	return err
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
