package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pratique/configs"
	"pratique/signing"
)

const (
	tablePatience = 30 * time.Second // bounds the look-ups for a table, so that clamd and milter get their turn
	tableNamed    = 20               // findings that are printed of a table, for each topic
)

// tableCheck collects what there is to say of the domains of a table. They may be
// very many: what is well is counted, and of what is not the first ones are named.
type tableCheck struct {
	file    string
	domains int
	loader  keyLoader
	keys    map[string]configuredKey // by the names of their records: many lines may share one
	bad     []finding
}

// checkTable looks at the table of domains, every key in it, and their records.
func checkTable(ctx context.Context, cfg *configs.Config, dns bool) []finding {
	file := cfg.Signing.Table
	if file == "" {
		return nil
	}
	t := &tableCheck{file: file, loader: keyLoader{}, keys: map[string]configuredKey{}}
	if err := signing.ReadTable(file, t.add); err != nil {
		return nil // checkSigner says it
	}
	found := append(firstOf(t.bad, "key", file),
		finding{"table", file, "ok", fmt.Sprintf("%d domains, %d key files", t.domains, len(t.loader))})
	if dns {
		found = append(found, t.lookUp(ctx, cfg)...)
	}
	return found
}

func (t *tableCheck) add(line int, d signing.Domain) error {
	t.domains++
	for _, k := range d.Keys {
		key := t.loader.load(d, k)
		f := describeKey(key)
		if key.private != nil {
			t.keys[key.record()] = key
		} else {
			f.Text = fmt.Sprintf("%s:%d: %s", t.file, line, f.Text)
		}
		if f.State != "ok" {
			t.bad = append(t.bad, f)
		}
	}
	return nil
}

// lookUp compares the keys with what is published, for as long as there is patience.
func (t *tableCheck) lookUp(ctx context.Context, cfg *configs.Config) []finding {
	ctx, cancel := context.WithTimeout(ctx, tablePatience)
	defer cancel()
	surveys := survey(ctx, cfg, slices.Collect(maps.Values(t.keys)))
	var bad []finding
	good, missed := 0, 0
	for name, k := range t.keys {
		f := describeRecord(k, surveys)
		switch _, looked := surveys[name]; {
		case !looked:
			missed++
		case f.State == "ok":
			good++
		default:
			bad = append(bad, f)
		}
	}
	found := firstOf(bad, "dns", t.file)
	if missed > 0 {
		found = append(found, finding{"dns", t.file, "warning", fmt.Sprintf("%d records were not looked at: no more time", missed)})
	}
	return append(found, finding{"dns", t.file, "ok", fmt.Sprintf("%d of %d records are published and fit their keys", good, len(t.keys))})
}

// firstOf returns the first findings, by their subjects, and how many there are beyond them.
func firstOf(found []finding, topic, subject string) []finding {
	slices.SortStableFunc(found, func(a, b finding) int { return strings.Compare(a.Subject, b.Subject) })
	if len(found) <= tableNamed {
		return found
	}
	more := fmt.Sprintf("and %d more", len(found)-tableNamed)
	return append(found[:tableNamed:tableNamed], finding{topic, subject, "failed", more})
}
