package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"pratique/configs"
	"pratique/scanning"
	"pratique/signing"
)

// checkPatience bounds what check waits for, in all.
const checkPatience = time.Minute

// finding is one thing that check looked at.
type finding struct {
	Topic   string `json:"topic"`   // configuration, key, dns, clamd or milter
	Subject string `json:"subject"` // what of it
	State   string `json:"state"`   // ok, off, warning or failed
	Text    string `json:"text"`
}

// check looks at everything that mail depends on, and plays a message through the running milter.
func check(e *env, args []string) (int, error) {
	fs := e.flags("check")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	noDNS := fs.Bool("no-dns", false, "do not look up the published keys")
	noMilter := fs.Bool("no-milter", false, "do not talk to the running milter")
	if err := e.parse(fs, args, 0, 0); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkPatience)
	defer cancel()
	found := []finding{{"configuration", nameOf(*path), "ok", "no problems"}}
	found = append(found, checkKeys(ctx, cfg, !*noDNS)...)
	found = append(found, checkClamd(ctx, cfg)...)
	if !*noMilter {
		found = append(found, checkMilter(ctx, e, cfg)...)
	}
	print := printFinding
	if *asJSON {
		print = func(w io.Writer, f finding) error { return json.NewEncoder(w).Encode(f) }
	}
	status := exitClean
	for _, f := range found {
		if err := print(e.stdout, f); err != nil {
			return 0, err
		}
		if f.State == "warning" || f.State == "failed" {
			status = exitFindings
		}
	}
	return status, nil
}

func printFinding(w io.Writer, f finding) error {
	_, err := fmt.Fprintf(w, "%-8s %-13s %s: %s\n", f.State, f.Topic, f.Subject, f.Text)
	return err
}

func nameOf(path string) string {
	if path == "" {
		return defaultConfig
	}
	return path
}

// checkKeys loads every key and compares it with its published record.
func checkKeys(ctx context.Context, cfg *configs.Config, dns bool) []finding {
	if len(cfg.Signing.Domains) == 0 {
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

// checkClamd asks clamd whether it is there, and whether it finds what it should
// in a small message and in the largest one that it is to see: beyond its own
// limits clamd calls clean what it did not look at.
func checkClamd(ctx context.Context, cfg *configs.Config) []finding {
	if cfg.Scanning.Clamd == "" {
		return []finding{{"clamd", "scanning.clamd", "off", "no clamd is configured: messages are not scanned"}}
	}
	about := func(state, text string) finding { return finding{"clamd", cfg.Scanning.Clamd, state, text} }
	scanner, _, err := newScanner(cfg, nil)
	if err != nil {
		return []finding{about("failed", err.Error())}
	}
	version, err := scanner.Version(ctx)
	if err != nil {
		return []finding{about("failed", err.Error())}
	}
	found := []finding{about("ok", version)}
	for _, size := range []int64{smallProbe, max(smallProbe, cfg.Scanning.MaxSize)} {
		f := about("ok", fmt.Sprintf("finds the EICAR test signature in a message of %d octets", size))
		if err := scanner.Probe(ctx, size); err != nil {
			f.State, f.Text = "failed", err.Error()
		}
		found = append(found, f)
	}
	return append(found, checkThreads(ctx, cfg, scanner)...)
}

// smallProbe is the size of a typical message.
const smallProbe = 1 << 10

// checkThreads compares our bound on scans with clamd's.
func checkThreads(ctx context.Context, cfg *configs.Config, scanner *scanning.Scanner) []finding {
	stats, err := scanner.Stats(ctx)
	if err != nil {
		return []finding{{"clamd", "scanning.max_scans", "warning", "not known whether it fits: " + err.Error()}}
	}
	if threads := stats.MaxThreads(); threads > 0 && cfg.Scanning.MaxScans > threads {
		return []finding{{"clamd", "scanning.max_scans", "warning",
			fmt.Sprintf("is %d, but clamd's MaxThreads is %d: the scans beyond it wait in clamd's queue", cfg.Scanning.MaxScans, threads)}}
	}
	return nil
}
