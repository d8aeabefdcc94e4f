package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"pratique/configs"
	"pratique/posture"
	"pratique/signing"
	"pratique/signing/keystore"
	"pratique/signing/records"
)

func isHelp(err error) bool { return errors.Is(err, flag.ErrHelp) }

// auditResolver asks the resolver of the configuration, or the system's.
func auditResolver(cfg *configs.Config) *records.Resolver {
	return records.NewResolver(records.Options{Resolver: cfg.DNS.Resolver})
}

// fetchPatience bounds the fetching of one policy.
const fetchPatience = 15 * time.Second

// policyClient fetches policies of MTA-STS. It finds hosts as the rest of the audit does.
func policyClient(cfg *configs.Config) *http.Client {
	dialer := &net.Dialer{Timeout: fetchPatience / 2}
	if addr := cfg.DNS.Resolver; addr != "" {
		dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}}
	}
	return &http.Client{Timeout: fetchPatience, Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchPatience / 2, DisableKeepAlives: true,
	}}
}

// auditSubject puts together what is audited: the addresses, the names and the domains
// that mail leaves with, and the keys.
func auditSubject(ctx context.Context, e *env, cfg *configs.Config, f auditFlags) (posture.Subject, error) {
	store := openKeys(e, cfg)
	full, _, err := withStoredKeys(cfg, store)
	if err != nil {
		return posture.Subject{}, err
	}
	s := posture.Subject{Ports: auditPorts(cfg)}
	routes, err := routesOf(ctx, f.postfix)
	if err != nil {
		return s, err
	}
	auditAddresses(&s, cfg, routes)
	auditHostname(&s, cfg, routes)
	auditRoutes(&s, cfg, routes)
	kept, err := store.Keys()
	if err != nil {
		return s, keysHint(err, store)
	}
	if err := auditDomains(&s, full, kept, f.domains); err != nil {
		return s, err
	}
	s.Keys, err = auditKeys(cfg, store, kept, s.Pairs)
	return s, err
}

// auditPorts are the mail server's ports. One that the configuration does not name need not be there.
func auditPorts(cfg *configs.Config) []posture.Port {
	var ports []posture.Port
	for _, addr := range cfg.Audit.Ports {
		ports = append(ports, posture.Port{Addr: addr, Expected: !slices.Contains(posture.DefaultPorts(), addr)})
	}
	return ports
}

// auditDomains are the domains of From: those that sign, those whose keys are on their
// way to it, and those that are named.
func auditDomains(s *posture.Subject, full *configs.Config, kept []keystore.Key, only []string) error {
	var entries []signing.Domain
	entries = append(entries, full.Signing.Domains...)
	if full.Signing.Table != "" {
		if err := signing.ReadTable(full.Signing.Table, func(_ int, d signing.Domain) error { entries = append(entries, d); return nil }); err != nil {
			return err
		}
	}
	signed := map[string][]string{} // d= by the domain of From, which may begin with "*."
	var froms []string
	for _, d := range entries {
		name := strings.ToLower(d.Domain)
		signed[name] = append(signed[name], d.SigningDomain())
		top, wild := strings.CutPrefix(name, "*.")
		froms = append(froms, top)
		if wild && len(only) == 0 {
			s.Notes = append(s.Notes, posture.Finding{Topic: "domains", Subject: name, Code: "subdomains_not_named", Status: posture.Info,
				Found: "mail of all subdomains is signed, and which of them send is not known: only " + top + " is looked at, and what is named",
				Do:    `name those that send: [audit] domains = ["news.` + top + `"]`})
		}
	}
	for _, k := range kept {
		if k.State != keystore.Done {
			froms = append(froms, k.Domain)
		}
	}
	if len(only) > 0 {
		froms = only
	} else {
		for _, d := range full.Audit.Domains {
			name, _ := posture.DomainName(d) // valid, or it would not have been loaded
			froms = append(froms, name)
		}
	}
	seen := map[string]bool{}
	for _, from := range froms {
		if seen[from] {
			continue
		}
		seen[from] = true
		if len(s.Pairs) == full.Audit.MaxDomains {
			s.Left++
			continue
		}
		s.Pairs = append(s.Pairs, posture.Pair{From: from, Envelope: full.Audit.EnvelopeOf(from), Signed: signers(signed, from)})
	}
	return nil
}

// signers returns the d= of the signatures of mail from a domain: those of its own
// entry, or of the nearest one that is for what lies below it.
func signers(signed map[string][]string, from string) []string {
	if own := signed[from]; own != nil {
		return own
	}
	for name := from; name != ""; {
		if below := signed["*."+name]; below != nil {
			return below // a domain of "*.example.org" that is not below it is its top
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return nil
}

// auditKeys are the keys of the domains that are looked at.
func auditKeys(cfg *configs.Config, store *keystore.Store, kept []keystore.Key, pairs []posture.Pair) ([]posture.Key, error) {
	all, err := everyKey(cfg, store)
	if err != nil {
		return nil, err
	}
	awaited := map[string]bool{}
	for _, k := range kept {
		awaited[k.Record()] = k.Awaited()
	}
	wanted := map[string]bool{}
	for _, p := range pairs {
		wanted[p.From] = true
		for _, d := range p.Signed {
			wanted[d] = true
		}
	}
	var keys []posture.Key
	for _, k := range all {
		if d := k.domain.SigningDomain(); wanted[d] {
			keys = append(keys, posture.Key{Record: k.record(), Domain: d, Selector: k.selector, Private: k.private, Err: k.err, Awaited: awaited[k.record()]})
		}
	}
	slices.SortStableFunc(keys, func(a, b posture.Key) int { return cmp.Compare(a.Record, b.Record) })
	return keys, nil
}
