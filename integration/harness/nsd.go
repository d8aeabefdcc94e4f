package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// NSD is a running nsd, an authoritative server. It needs no rights.
type NSD struct {
	*Process
	dir  string
	addr string
}

// NSDOptions is what an nsd serves, and where.
type NSDOptions struct {
	// Host is a loopback address: several servers of one zone have one port and
	// an address each; "": 127.0.0.1.
	Host string
	Port int // 0: any free one
	// Zones are zone files by the zone's name. Without $ORIGIN, names in them are
	// relative to the zone.
	Zones map[string]string
}

// StartNSD starts an nsd in an empty folder and returns when it serves.
func StartNSD(ctx context.Context, dir string, o NSDOptions) (*NSD, error) {
	program, err := program("nsd")
	if err != nil {
		return nil, err
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	n := &NSD{dir: dir}
	if err := n.writeZones(o.Zones); err != nil {
		return nil, err
	}
	if o.Port != 0 {
		return n, n.start(ctx, program, o)
	}
	return n, withFreePort(func(port int) error {
		o.Port = port
		return n.start(ctx, program, o)
	})
}

// Addr returns where it answers, host:port, by UDP and TCP.
func (n *NSD) Addr() string { return n.addr }

// Port returns the port of Addr.
func (n *NSD) Port() int {
	_, port, _ := net.SplitHostPort(n.addr)
	number, _ := strconv.Atoi(port) // we wrote it
	return number
}

// Publish gives the running server other zone files, of the zones that it has. It
// serves them a moment later.
func (n *NSD) Publish(zones map[string]string) error {
	if err := n.writeZones(zones); err != nil {
		return err
	}
	return n.Signal(syscall.SIGHUP)
}

func (n *NSD) writeZones(zones map[string]string) error {
	files := map[string]string{}
	for name, text := range zones {
		files[name+".zone"] = text
	}
	return writeFiles(n.dir, files)
}

func (n *NSD) start(ctx context.Context, program string, o NSDOptions) error {
	config, log := filepath.Join(n.dir, "nsd.conf"), filepath.Join(n.dir, "nsd.log")
	if err := writeFiles(n.dir, map[string]string{"nsd.conf": n.config(o), "nsd.log": ""}); err != nil {
		return err
	}
	n.addr = net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
	var err error
	n.Process, err = startDNS(ctx, exec.Command(program, "-d", "-c", config), log, n.addr, "nsd started")
	return err
}

// startDNS starts a DNS server and waits until this very server, not another one at its
// port, says that it has started, and takes connections.
func startDNS(ctx context.Context, cmd *exec.Cmd, log, addr, says string) (*Process, error) {
	process, err := startProcess(cmd, log)
	if err != nil {
		return nil, err
	}
	err = process.untilReady(ctx, func() error {
		if strings.Contains(process.Log(), "in use") {
			return errPortTaken
		}
		if !strings.Contains(process.Log(), says) {
			return fmt.Errorf("%s does not say that it has started", filepath.Base(cmd.Path))
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		if strings.Contains(process.Log(), "in use") {
			err = errPortTaken
		}
		return nil, errors.Join(err, process.Close())
	}
	return process, nil
}

// config keeps everything in the folder and the user as it is. Response rate
// limiting is off: all questions of a test come from one address.
func (n *NSD) config(o NSDOptions) string {
	var c strings.Builder
	fmt.Fprintf(&c, "server:\n")
	for name, value := range map[string]string{
		"ip-address": fmt.Sprintf("%s@%d", o.Host, o.Port), "username": `""`, "zonesdir": n.dir, "database": `""`,
		"pidfile": filepath.Join(n.dir, "nsd.pid"), "xfrdfile": filepath.Join(n.dir, "xfrd.state"), "xfrdir": n.dir,
		"zonelistfile": filepath.Join(n.dir, "zone.list"), "cookie-secret-file": filepath.Join(n.dir, "cookies"),
		"server-count": "1", "verbosity": "1", "rrl-ratelimit": "0",
	} {
		fmt.Fprintf(&c, "  %s: %s\n", name, value)
	}
	fmt.Fprintf(&c, "remote-control:\n  control-enable: no\n")
	for name := range o.Zones {
		fmt.Fprintf(&c, "zone:\n  name: %s\n  zonefile: %s.zone\n", name, name)
	}
	return c.String()
}
