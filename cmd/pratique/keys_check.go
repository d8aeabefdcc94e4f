package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"pratique/signing/records"
)

// checkedKey is what keys check says of one key.
type checkedKey struct {
	Domain    string        `json:"domain"`
	Selector  string        `json:"selector"`
	File      string        `json:"file"`
	Algorithm string        `json:"algorithm,omitempty"`
	Record    string        `json:"record"` // its name
	State     records.State `json:"state"`
	Text      string        `json:"text"`
	Warnings  []string      `json:"warnings,omitempty"`
	Publish   string        `json:"publish,omitempty"` // what should be there
	Servers   []serverSays  `json:"servers,omitempty"`
}

type serverSays struct {
	Server string        `json:"server"`
	State  records.State `json:"state"`
	Text   string        `json:"text"`
}

// The states that are not of the DNS.
const (
	unusable    records.State = "unusable"      // the private key can't be used
	notLookedAt records.State = "not_looked_at" // there was no more time
)

// keysCheck compares every private key with its published record, at all
// authoritative servers.
func keysCheck(e *env, args []string) (int, error) {
	fs := e.flags("keys check")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	names, err := e.parseNames(fs, args, 0, "DOMAIN")
	if err != nil {
		return 0, err
	}
	cfg, store, err := loadKeys(e, *path)
	if err != nil {
		return 0, err
	}
	keys, err := everyKey(cfg, store)
	if err != nil {
		return 0, err
	}
	if names[0] != "" {
		keys = keysOf(keys, names[0])
	}
	if len(keys) == 0 {
		return 0, hint(fmt.Errorf("there is no key to check"), "pratique keys new DOMAIN makes the first ones")
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkPatience)
	defer cancel()
	surveys := survey(ctx, cfg, keys)
	print := printCheckedKey
	if *asJSON {
		print = func(w io.Writer, c checkedKey) error { return json.NewEncoder(w).Encode(c) }
	}
	status := exitClean
	for _, k := range keys {
		c := k.checked(surveys)
		if c.State != records.Match {
			status = exitFindings
		}
		if err := print(e.stdout, c); err != nil {
			return 0, err
		}
	}
	return status, nil
}

// keysOf returns the keys that sign mail from a domain, or as it.
func keysOf(keys []configuredKey, domain string) []configuredKey {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	var of []configuredKey
	for _, k := range keys {
		if strings.EqualFold(k.domain.Domain, domain) || k.domain.SigningDomain() == domain {
			of = append(of, k)
		}
	}
	return of
}

// checked says of the key what was found out.
func (k configuredKey) checked(surveys map[string]records.Survey) checkedKey {
	c := checkedKey{Domain: k.domain.Domain, Selector: k.selector, File: k.file, Record: k.record()}
	if k.private == nil {
		c.State, c.Text = unusable, k.err.Error()
		return c
	}
	c.Algorithm = k.private.Algorithm()
	s, ok := surveys[k.record()]
	if !ok {
		c.State, c.Text = notLookedAt, "there was no more time"
		return c
	}
	c.State, c.Text, c.Warnings = s.State, s.Text, s.Warnings
	for _, seen := range s.Servers {
		c.Servers = append(c.Servers, serverSays(seen))
	}
	if c.State != records.Match && c.State != records.Unknown {
		c.Publish = k.private.Record()
	}
	return c
}

func printCheckedKey(w io.Writer, c checkedKey) error {
	text := strings.Join(append([]string{c.Text}, c.Warnings...), "; ")
	about := strings.TrimRight(c.Record+"  "+c.Algorithm, " ")
	if _, err := fmt.Fprintf(w, "%-13s %s: %s\n", c.State, about, text); err != nil || c.Publish == "" {
		return err
	}
	_, err := fmt.Fprintf(w, "              publish: %s\n", c.Publish)
	return err
}

// describeKey says whether a private key can be used.
func describeKey(k configuredKey) finding {
	f := finding{"key", k.selector + " of " + k.domain.Domain, "ok", ""}
	if k.private == nil {
		f.State, f.Text = "failed", k.err.Error()
		return f
	}
	f.Text = k.private.Algorithm() + ", " + k.file
	if w := k.private.Weakness(); w != "" {
		f.State, f.Text = "warning", w
	}
	return f
}

// describeRecord says whether receivers can verify what a key signs.
func describeRecord(k configuredKey, surveys map[string]records.Survey) finding {
	c := k.checked(surveys)
	f := finding{"dns", c.Record, "ok", strings.Join(append([]string{c.Text}, c.Warnings...), "; ")}
	switch {
	case c.State == records.Match && len(c.Warnings) == 0:
	case c.State == records.Match, c.State == records.Unknown, c.State == notLookedAt:
		f.State = "warning"
	default:
		f.State = "failed"
		f.Text += ". Publish: " + c.Publish
	}
	if c.State == records.Unknown {
		f.Text = "not known: " + f.Text
	}
	return f
}
