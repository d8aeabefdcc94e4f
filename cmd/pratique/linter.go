package main

import (
	"crypto/rand"
	"net/netip"
	"time"

	"pratique/access"
	"pratique/configs"
	"pratique/lint"
	"pratique/lint/domains"
	"pratique/signing"
)

// newLinter returns the rules for stored messages. Without dns the rules that
// need it find nothing, and the result does not depend on the network.
func newLinter(cfg *configs.Config, now func() time.Time, dns bool) (*lint.Lint, error) {
	env := lintEnv(cfg, now)
	if dns {
		env.Domains = askingDomains(cfg, now)
	}
	return lint.New(cfg.Lint, env)
}

// gate returns the access control. What it does by its rule of the catalogue (A09) is
// set where that of all rules is.
func gate(cfg *configs.Config) (*access.Access, error) {
	who, err := access.New(cfg.Access)
	if err != nil {
		return nil, err
	}
	return who.Acting(string(actions(cfg.Lint)["A09"])), nil
}

// linting is what the rules take from the daemon.
func (d *daemon) linting(cfg *configs.Config) lint.Env {
	env := linting(cfg, d.env.now)
	env.MessageIDs = d.sent
	return env
}

// linting is what the rules take from the daemon, but for what it remembers.
func linting(cfg *configs.Config, now func() time.Time) lint.Env {
	env := lintEnv(cfg, now)
	if cfg.Lint.DNSWait > 0 {
		env.Domains = askingDomains(cfg, now)
	}
	return env
}

func lintEnv(cfg *configs.Config, now func() time.Time) lint.Env {
	return lint.Env{Clock: now, Hostname: hostname(cfg), Random: rand.Reader}
}

func askingDomains(cfg *configs.Config, now func() time.Time) *domains.Domains {
	var egress []netip.Addr
	for _, text := range cfg.Egress {
		if addr, err := netip.ParseAddr(text); err == nil { // the configuration was validated
			egress = append(egress, addr)
		}
	}
	return domains.New(domains.Options{
		Resolver: signing.NetResolver(cfg.DNS.Resolver), Egress: egress, Hostname: hostname(cfg), Wait: cfg.Lint.DNSWait, Clock: now,
	})
}
