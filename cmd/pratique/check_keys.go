package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"pratique/configs"
	"pratique/signing"
)

// checkKeys loads every key and compares it with its published record.
func checkKeys(ctx context.Context, cfg *configs.Config, dns bool) []finding {
	if len(cfg.Signing.Domains) == 0 {
		if cfg.Signing.Table != "" {
			return nil
		}
		return []finding{{"key", "signing.domains", "off", "no keys are configured: messages leave unsigned"}}
	}
	var found []finding
	lookup := signing.Resolver(cfg.DNS.Resolver)
	for i, d := range cfg.Signing.Domains {
		for j, k := range d.Keys {
			key, err := signing.LoadKey(k.File)
			if err != nil {
				at := cfg.Problem(fmt.Sprintf("signing.domains[%d].keys[%d].file", i, j), err.Error())
				found = append(found, finding{"key", k.Selector + " of " + d.Domain, "failed", at.String()})
				continue
			}
			found = append(found, describeKey(d, k, key))
			if dns {
				found = append(found, checkRecord(ctx, lookup, d, k, key))
			}
		}
	}
	return found
}

func describeKey(d signing.Domain, k signing.Key, key *signing.PrivateKey) finding {
	f := finding{"key", k.Selector + " of " + d.Domain, "ok", key.Algorithm() + ", " + k.File}
	if w := key.Weakness(); w != "" {
		f.State, f.Text = "warning", w
	}
	return f
}

// checkRecord compares a key with what the DNS has under its selector.
func checkRecord(ctx context.Context, lookup signing.LookupTXT, d signing.Domain, k signing.Key, key *signing.PrivateKey) finding {
	name := d.RecordName(k.Selector)
	f := finding{"dns", name, "ok", "the record is published and fits the key"}
	records, err := lookup(ctx, name)
	var notFound *net.DNSError
	switch {
	case errors.As(err, &notFound) && notFound.IsNotFound:
		f.State, f.Text = "failed", "there is no record: receivers can't verify. Publish: "+key.Record()
	case err != nil:
		f.State, f.Text = "warning", "not known: "+err.Error()
	case len(records) != 1:
		f.State, f.Text = "failed", fmt.Sprintf("there are %d records instead of one", len(records))
	case publicKey(records[0]) != publicKey(key.Record()):
		f.State, f.Text = "failed", "the record has another key. Publish: "+key.Record()
	}
	return f
}

// publicKey returns the p= of a key record, without white space (RFC 6376 3.6.1).
func publicKey(record string) string {
	for tag := range strings.SplitSeq(record, ";") {
		name, value, _ := strings.Cut(tag, "=")
		if strings.TrimSpace(name) == "p" {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}
