package main

import (
	"context"
	"fmt"
	"strings"

	"pratique/integration/harness"
	"pratique/lint"
)

// The configurations of Pratique that are measured.
type pratiqueConfig struct {
	name      string
	lints     bool
	scans     bool
	unwritten bool // no journal
}

// tables writes the configuration. All of them admit, count and sign.
func (c pratiqueConfig) tables(s *site) string {
	var b strings.Builder
	b.WriteString("[milter]\nsocket_mode = \"0666\"\n[access]\nnetworks = [\"127.0.0.0/8\"]\n")
	fmt.Fprintf(&b, "[signing]\n[[signing.domains]]\ndomain = \"example.org\"\nkeys = [ { selector = %q, file = %q } ]\n",
		harness.RSASelector, s.keys.RSAFile)
	if c.scans {
		fmt.Fprintf(&b, "[scanning]\nclamd = \"unix:%s\"\nmax_size = \"100MB\"\n", s.clamd.socket)
	}
	if c.unwritten {
		b.WriteString("[journal]\nstore = \"\"\n")
	}
	b.WriteString("[lint]\nmax_size = \"100MB\"\n")
	if !c.lints {
		b.WriteString("[lint.rules]\n")
		for _, rule := range lint.Rules() {
			fmt.Fprintf(&b, "%s = \"off\"\n", rule.ID)
		}
	}
	return b.String()
}

func pratique(c pratiqueConfig) subject {
	return subject{c.name, duty{signs: true, scans: c.scans}, func(ctx context.Context, s *site, at place) (*running, error) {
		if c.scans && s.clamd == nil {
			return nil, errNoClamd
		}
		listen := "unix:" + at.addr
		if at.network == "tcp" {
			listen = "inet:" + at.addr
		}
		p, err := harness.StartPratique(ctx, s.binary, at.dir, []string{listen}, c.tables(s))
		if err != nil {
			return nil, err
		}
		return &running{root: p.Pid(), close: p.Close}, nil
	}}
}

func pratiqueSigning() subject { return pratique(pratiqueConfig{name: "Pratique: signing"}) }

// pratiqueUnwritten shows what the journal costs.
func pratiqueUnwritten() subject {
	return pratique(pratiqueConfig{name: "Pratique: signing, no journal", unwritten: true})
}

func pratiqueLinting() subject {
	return pratique(pratiqueConfig{name: "Pratique: lint + signing", lints: true})
}

func pratiqueScanning() subject {
	return pratique(pratiqueConfig{name: "Pratique: lint + clamd + signing", lints: true, scans: true})
}
