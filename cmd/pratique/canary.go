package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"pratique/configs"
	"pratique/lint"
	"pratique/message"
	"pratique/signing"
	"pratique/watch/canary"
)

// flyCanary sends a marked message through the MTA and judges what arrives.
func flyCanary(e *env, args []string) (int, error) {
	fs := e.flags("canary")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := fs.Bool("json", false, "print JSON")
	if err := e.parse(fs, args, 0, 0); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	if cfg.Canary.From == "" {
		return 0, hint(errors.New("no canary is set up"), "set from, to, and sink or maildir under [canary]")
	}
	world, err := canaryEnv(cfg, e.now)
	if err != nil {
		return 0, err
	}
	result, err := canary.Fly(context.Background(), cfg.Canary, world)
	if err != nil {
		return 0, err
	}
	status := exitClean
	if result.Status() != canary.OK {
		status = exitFindings
	}
	if *asJSON {
		return status, json.NewEncoder(e.stdout).Encode(result)
	}
	return status, printCanary(e.stdout, result)
}

func printCanary(w io.Writer, r *canary.Result) error {
	p := &printer{w: w}
	for _, f := range r.Findings {
		p.line("%-5s %-10s %s", f.Status, f.Code, f.Text)
	}
	return p.err
}

// canaryEnv is what a canary has of the world: the resolver, and the rules on what headers give away.
func canaryEnv(cfg *configs.Config, now func() time.Time) (canary.Env, error) {
	linter, err := newLinter(cfg, now, false)
	if err != nil {
		return canary.Env{}, err
	}
	return canary.Env{
		Now: now, Helo: hostname(cfg), Lookup: signing.Resolver(cfg.DNS.Resolver),
		Leaks: func(arrived []byte) []string { return leaks(linter, arrived) },
	}, nil
}

// leakRules are those on what a header tells that is nobody's business.
var leakRules = []string{"H13", "H25", "H33", "H34"}

// leaks judges the header of a message as it arrived.
func leaks(linter *lint.Lint, arrived []byte) []string {
	m := &message.Message{Client: message.Client{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}, Sender: "canary@localhost"}
	// What the other rules refuse is not of interest here, and nothing else can go wrong in memory.
	_ = message.Play(context.Background(), linter, m, bytes.NewReader(arrived), nil)
	var found []string
	for _, f := range m.Findings {
		if slices.Contains(leakRules, f.Rule) {
			found = append(found, fmt.Sprintf("%s %s: %s", f.Rule, f.Where, f.Detail))
		}
	}
	return found
}
