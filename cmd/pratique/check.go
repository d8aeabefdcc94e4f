package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"pratique/configs"
	"pratique/scanning"
)

// checkPatience bounds what check waits for, in all.
const checkPatience = time.Minute

// finding is one thing that check looked at.
type finding struct {
	Topic   string `json:"topic"`   // configuration, key, dns, clamd, redis or milter
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
	health := fs.Bool("health", false, "ask the running daemon how it is, and look at nothing else")
	if err := e.parse(fs, args, 0, 0); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkPatience)
	defer cancel()
	if *health {
		return checkHealth(ctx, e, cfg)
	}
	found := []finding{{"configuration", nameOf(*path), "ok", "no problems"}}
	cfg, stored := checkStore(e, cfg)
	found = append(found, stored...)
	found = append(found, checkSigner(e, nameOf(*path), cfg)...)
	found = append(found, checkKeys(ctx, cfg, !*noDNS)...)
	found = append(found, checkTable(ctx, cfg, !*noDNS)...)
	found = append(found, checkClamd(ctx, cfg)...)
	found = append(found, checkRedis(ctx, e, cfg)...)
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

// checkStore puts the active keys of the store behind those of the configuration.
func checkStore(e *env, cfg *configs.Config) (*configs.Config, []finding) {
	store := openKeys(e, cfg)
	full, clashes, err := withStoredKeys(cfg, store)
	if err != nil {
		return cfg, []finding{{"key", store.Folder(), "failed", err.Error()}}
	}
	var found []finding
	for _, clash := range clashes {
		found = append(found, finding{"key", store.Folder(), "warning", clash})
	}
	return full, found
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
