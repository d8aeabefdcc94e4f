package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"pratique/integration/harness"
)

// subject is a program, in one configuration, that is measured.
type subject struct {
	name  string
	duty  duty
	start func(ctx context.Context, s *site, at place) (*running, error)
}

// place is where a subject is to be started: a folder of its own and an address.
type place struct{ dir, network, addr string }

// duty is what a subject must be seen to do before it is measured.
type duty struct{ signs, scans bool }

// running is a subject that serves.
type running struct {
	name    string
	network string // "unix" or "tcp"
	addr    string
	root    int // the process whose family is measured
	open    func(*running) (session, error)
	close   func() error
}

// site is what the subjects share.
type site struct {
	dir    string
	binary string // of pratique
	keys   harness.Keys
	clamd  *clamd // nil if it is not installed
}

// omission is what was left out, and why.
type omission struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// muster starts subjects, listening on "unix" or "tcp", and sees that they do
// their duty. Those that are not installed are returned as left out.
func muster(ctx context.Context, s *site, network string, subjects []subject) (all []*running, out []omission, err error) {
	for _, sub := range subjects {
		r, err := s.launch(ctx, network, sub)
		if errors.Is(err, harness.ErrMissing) {
			out = append(out, omission{sub.name, err.Error()})
			continue
		}
		if err != nil {
			return all, out, fmt.Errorf("%s: %w", sub.name, err)
		}
		all = append(all, r)
		if err := sub.duty.verify(r, s.keys); err != nil {
			return all, out, fmt.Errorf("%s does not do its duty: %w", sub.name, err)
		}
	}
	return all, out, nil
}

func (s *site) launch(ctx context.Context, network string, sub subject) (*running, error) {
	at, err := s.place(network)
	if err != nil {
		return nil, err
	}
	r, err := sub.start(ctx, s, at)
	if err != nil {
		return nil, err
	}
	r.name, r.network, r.addr = sub.name, at.network, at.addr
	if r.open == nil {
		r.open = openMilter
	}
	return r, nil
}

// place finds room for one more subject.
func (s *site) place(network string) (place, error) {
	dir, err := os.MkdirTemp(s.dir, "s")
	if err != nil {
		return place{}, err
	}
	at := place{dir: dir, network: network, addr: filepath.Join(dir, "milter")}
	if network == "tcp" {
		if at.addr, err = freeAddr(); err != nil {
			return place{}, err
		}
	}
	return at, os.Chmod(dir, 0o755) // Postfix's daemons pass through
}

// freeAddr returns a loopback address that was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func closeAll(all []*running) error {
	var errs []error
	for _, r := range all {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

// peer is a milter of others that is started by a configuration file.
type peer struct {
	program string
	args    func(config string) []string
	config  string
}

// start starts a peer and waits until it negotiates.
func (p peer) start(ctx context.Context, at place) (*running, error) {
	config := filepath.Join(at.dir, "config")
	if err := os.WriteFile(config, []byte(p.config), 0o644); err != nil {
		return nil, err
	}
	proc, err := spawn(at.dir, p.program, p.args(config)...)
	if err != nil {
		return nil, err
	}
	r := &running{network: at.network, addr: at.addr, root: proc.pid(), close: proc.close}
	if err := proc.untilReady(ctx, func() error { return answers(r) }); err != nil {
		return nil, errors.Join(err, proc.close())
	}
	return r, nil
}

// answers sees whether a milter negotiates.
func answers(r *running) error {
	c, err := openMilter(r)
	if err != nil {
		return err
	}
	return c.close()
}
