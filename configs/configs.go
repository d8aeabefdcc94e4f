// Package configs reads the configuration: one struct composed of each room's
// Options, loaded from TOML and validated with positions. The example file, which
// is the reference manual of every key, and what is deployed beside it live here.
// What a value means, and whether it can be meant, is the business of the room
// that owns it.
package configs

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"pratique/access"
	"pratique/dashboard"
	"pratique/journal"
	"pratique/lint"
	"pratique/milter"
	"pratique/posture"
	"pratique/rates"
	"pratique/rates/baseline"
	"pratique/rates/bulk"
	"pratique/scanning"
	"pratique/signing"
	"pratique/signing/keystore"
	"pratique/signing/survival"
	"pratique/telemetry"
	"pratique/telemetry/alerts"
	"pratique/watch"
	"pratique/watch/canary"
)

// Example is the example file: the reference manual of the configuration. As it
// stands it sets every key to its default.
//
//go:embed pratique.example.toml
var Example string

// Config is the whole configuration.
type Config struct {
	// Listen is where MTAs reach the milter: "inet:host:port", "inet6:[host]:port" or "unix:/path".
	Listen []string `toml:"listen"`
	// State is the folder of what is kept between runs.
	State string `toml:"state"`
	// HTTP is where metrics and the health check are served, host:port; "": nowhere.
	HTTP string `toml:"http"`
	// Hostname is the name of this host in what we write; "": the system's.
	Hostname string `toml:"hostname"`
	// Egress are the addresses from which mail leaves to the world.
	Egress    []string `toml:"egress"`
	LogLevel  string   `toml:"log_level"`  // debug, info, warn or error
	LogFormat string   `toml:"log_format"` // text or json

	Milter    milter.Options    `toml:"milter"`
	Access    access.Options    `toml:"access"`
	Lint      lint.Options      `toml:"lint"`
	Scanning  scanning.Options  `toml:"scanning"`
	Signing   signing.Options   `toml:"signing"`
	Survival  survival.Options  `toml:"survival"`
	Keys      keystore.Options  `toml:"keys"`
	Rates     rates.Options     `toml:"rates"`
	Alerts    alerts.Options    `toml:"alerts"`
	Journal   journal.Options   `toml:"journal"`
	Audit     posture.Options   `toml:"audit"`
	Canary    canary.Options    `toml:"canary"`
	Dashboard dashboard.Options `toml:"dashboard"`
	Watch     watch.Options     `toml:"watch"`
	DNS       DNS               `toml:"dns"`
	Baseline  baseline.Options  `toml:"baseline"`
	Bulk      bulk.Options      `toml:"bulk"`

	// Telemetry is where figures are sent.
	Telemetry telemetry.Options `toml:"telemetry"`

	file string
	root *value
}

// DNS is the [dns] table.
type DNS struct {
	Resolver string `toml:"resolver"` // host:port; "": the system's
	// Authoritative are the servers, host:port, that hold the zones of the keys, in
	// place of those that the DNS names.
	Authoritative []string `toml:"authoritative"`
}

// Default returns the configuration that is in force without a file.
func Default() Config {
	return Config{
		Listen:    []string{"inet:127.0.0.1:8891"},
		State:     "/var/lib/pratique",
		HTTP:      "127.0.0.1:8892",
		LogLevel:  "info",
		LogFormat: "text",
		Milter:    milter.DefaultOptions(),
		Access:    access.DefaultOptions(),
		Lint:      lint.DefaultOptions(),
		Scanning:  scanning.DefaultOptions(),
		Signing:   signing.DefaultOptions(),
		Survival:  survival.DefaultOptions(),
		Keys:      keystore.DefaultOptions(),
		Rates:     rates.DefaultOptions(),
		Telemetry: telemetry.DefaultOptions(),
		Canary:    canary.DefaultOptions(),
		Baseline:  baseline.DefaultOptions(),
		Bulk:      bulk.DefaultOptions(),
		Alerts:    alerts.DefaultOptions(),
		Journal:   journal.DefaultOptions(),
		Audit:     posture.DefaultOptions(),
		Watch:     watch.DefaultOptions(),
	}
}

// Load reads a configuration file. The error is Problems if the file could be
// read but not understood. Load changes nothing outside.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a configuration from memory; name stands for it in Problems, which
// the error is. What the data does not set keeps its default.
func Parse(name string, data []byte) (*Config, error) {
	var problems Problems
	cfg := parse(data, func(line int, key, text string) {
		problems = append(problems, Problem{File: name, Line: line, Key: key, Text: text})
	})
	cfg.file = name
	if problems != nil {
		slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, problems
	}
	return cfg, nil
}

// reporter is told every problem: its line, 0 if it has none, and its key.
type reporter func(line int, key, text string)

// parse reads and validates. What it returns is of use only if nothing was reported.
func parse(data []byte, report reporter) *Config {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // some editors put a byte order mark
	cfg := Default()
	clean := true
	root, whole := parseTree(data, func(line int, key, text string) {
		clean = false
		report(line, key, text)
	})
	cfg.root = root
	d := decoder{report: report, failed: failures{at: map[string]bool{}, below: map[string]bool{}}}
	d.table(root, reflect.ValueOf(&cfg).Elem(), "")
	if !whole {
		return &cfg // what is missing from it may be in the rest of the file
	}
	if clean && len(d.failed.at) == 0 {
		conform(data, report)
	}
	cfg.problems(func(key, problem string) {
		if !d.failed.explain(key) {
			report(root.lineOf(key), key, problem)
		}
	})
	return &cfg
}

// Problem puts a problem that showed only when the configuration was used, such
// as a key file that can't be read, to the place where it was configured.
func (c *Config) Problem(key, text string) Problem {
	p := Problem{File: c.file, Key: key, Text: text}
	if c.root != nil {
		p.Line = c.root.lineOf(key)
	}
	return p
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string
	Line int    // from 1; 0: nothing in the file is near it
	Key  string // such as "signing.domains[1].keys[0].file"; "": none
	Text string
}

func (p Problem) String() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, p.Line)
	}
	if p.Key != "" {
		where += ": " + p.Key
	}
	return where + ": " + p.Text
}

// Problems is everything that is wrong with a configuration, in the order of the file.
type Problems []Problem

// Error returns one line "file:line: key: problem" for each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}
