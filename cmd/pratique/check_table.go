package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pratique/configs"
	"pratique/signing"
)

const (
	tablePatience = 30 * time.Second // bounds the look-ups for a table, so that clamd and milter get their turn
	tableLookups  = 16               // at a time
	tableNamed    = 20               // findings that are printed of a table, for each topic
)

// tableCheck collects what there is to say of the domains of a table. They may be
// very many: what is well is counted, and of what is not the first ones are named.
type tableCheck struct {
	file    string
	domains int
	keys    map[string]loadedKey // by file: many lines may name one
	records map[string]tableRecord
	bad     []finding
}

type loadedKey struct {
	key *signing.PrivateKey
	err error
}

type tableRecord struct {
	domain signing.Domain
	key    signing.Key
}

// checkTable looks at the table of domains, every key in it, and their records.
func checkTable(ctx context.Context, e *env, cfg *configs.Config, dns bool) []finding {
	file := cfg.Signing.Table
	if file == "" {
		return nil
	}
	// The signer knows what is wrong with the table beside the rest of the configuration.
	if _, err := signing.New(cfg.Signing, e.now, nil); err != nil {
		var found []finding
		for line := range strings.SplitSeq(err.Error(), "\n") {
			found = append(found, finding{"table", file, "failed", line})
		}
		return found
	}
	t := &tableCheck{file: file, keys: map[string]loadedKey{}, records: map[string]tableRecord{}}
	if err := signing.ReadTable(file, t.add); err != nil { // it has changed since
		return []finding{{"table", file, "failed", err.Error()}}
	}
	found := append(firstOf(t.bad, "key", file),
		finding{"table", file, "ok", fmt.Sprintf("%d domains, %d key files", t.domains, len(t.keys))})
	if dns {
		found = append(found, t.lookUp(ctx, signing.Resolver(cfg.DNS.Resolver))...)
	}
	return found
}

func (t *tableCheck) add(line int, d signing.Domain) error {
	t.domains++
	for _, k := range d.Keys {
		l, ok := t.keys[k.File]
		if !ok {
			l.key, l.err = signing.LoadKey(k.File)
			t.keys[k.File] = l
		}
		if l.err != nil {
			t.bad = append(t.bad, finding{"key", k.Selector + " of " + d.Domain, "failed", fmt.Sprintf("%s:%d: %v", t.file, line, l.err)})
			continue
		}
		if f := describeKey(d, k, l.key); f.State != "ok" {
			t.bad = append(t.bad, f)
		}
		t.records[d.RecordName(k.Selector)] = tableRecord{d, k}
	}
	return nil
}

// lookUp compares the keys with what is published, for as long as there is patience.
func (t *tableCheck) lookUp(ctx context.Context, lookup signing.LookupTXT) []finding {
	ctx, cancel := context.WithTimeout(ctx, tablePatience)
	defer cancel()
	records := make(chan tableRecord)
	go func() {
		defer close(records)
		for _, r := range t.records {
			records <- r
		}
	}()
	var mu sync.Mutex
	var bad []finding
	good, missed := 0, 0
	var group sync.WaitGroup
	for range tableLookups {
		group.Go(func() {
			for r := range records {
				var f finding
				if ctx.Err() == nil {
					f = checkRecord(ctx, lookup, r.domain, r.key, t.keys[r.key.File].key)
				}
				mu.Lock()
				switch {
				case ctx.Err() != nil:
					missed++
				case f.State == "ok":
					good++
				default:
					bad = append(bad, f)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	found := firstOf(bad, "dns", t.file)
	if missed > 0 {
		found = append(found, finding{"dns", t.file, "warning", fmt.Sprintf("%d records were not looked at: no more time", missed)})
	}
	return append(found, finding{"dns", t.file, "ok", fmt.Sprintf("%d of %d records are published and fit their keys", good, len(t.records))})
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
