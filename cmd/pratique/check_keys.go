package main

import (
	"context"
	"fmt"
	"strings"

	"pratique/configs"
)

// checkSigner says what keeps the daemon from starting that shows only when table
// and keys are put together.
func checkSigner(e *env, path string, cfg *configs.Config) []finding {
	_, err := buildSigner(cfg, e.now, nil)
	if err == nil {
		return nil
	}
	var found []finding
	for line := range strings.SplitSeq(err.Error(), "\n") {
		found = append(found, finding{"signing", path, "failed", line})
	}
	return found
}

// checkKeys loads the keys that the configuration names and compares them with
// their published records.
func checkKeys(ctx context.Context, cfg *configs.Config, dns bool) []finding {
	if len(cfg.Signing.Domains) == 0 {
		if cfg.Signing.Table != "" {
			return nil
		}
		if cfg.Signing.Awaited {
			return []finding{{"key", "signing.domains", "warning",
				"the keys that were made wait for their records in the DNS: messages leave unsigned until then (pratique keys list)"}}
		}
		return []finding{{"key", "signing.domains", "off", "no keys are configured: messages leave unsigned"}}
	}
	loader := keyLoader{}
	var keys []configuredKey
	var found []finding
	for i, d := range cfg.Signing.Domains {
		for j, k := range d.Keys {
			key := loader.load(d, k)
			f := describeKey(key)
			if key.private == nil {
				f.Text = cfg.Problem(fmt.Sprintf("signing.domains[%d].keys[%d].file", i, j), f.Text).String()
			}
			keys, found = append(keys, key), append(found, f)
		}
	}
	if !dns {
		return found
	}
	surveys := survey(ctx, cfg, keys)
	var withRecords []finding
	for i, k := range keys {
		withRecords = append(withRecords, found[i])
		if k.private != nil {
			withRecords = append(withRecords, describeRecord(k, surveys))
		}
	}
	return withRecords
}
