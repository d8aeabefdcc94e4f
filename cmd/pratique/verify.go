package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"pratique/signing"
)

// verifyPatience bounds the look-ups of keys, in all.
const verifyPatience = 30 * time.Second

// verify verifies the DKIM signatures of a message. It is clean if there is one and every one is valid.
func verify(e *env, args []string) (int, error) {
	fs := e.flags("verify")
	server := fs.String("dns", "", "DNS server `host:port` (default: the system's)")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := e.parse(fs, args, 1, 1); err != nil {
		return 0, err
	}
	in, err := e.open(fs.Arg(0))
	if err != nil {
		return 0, err
	}
	defer in.Close()
	ctx, cancel := context.WithTimeout(context.Background(), verifyPatience)
	defer cancel()
	results, err := signing.Verify(ctx, in, signing.Resolver(*server))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", fs.Arg(0), err)
	}
	print := printSignature
	if *asJSON {
		print = func(w io.Writer, s signature) error { return json.NewEncoder(w).Encode(s) }
	}
	status := exitClean
	for _, r := range results {
		s := describeSignature(r)
		if s.Result != "pass" {
			status = exitFindings
		}
		if err := print(e.stdout, s); err != nil {
			return 0, err
		}
	}
	if len(results) == 0 {
		fmt.Fprintf(e.stderr, "pratique: %s bears no DKIM signature\n", fs.Arg(0))
		status = exitFindings
	}
	return status, nil
}

// signature is what verify --json prints.
type signature struct {
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	Result    string `json:"result"` // pass or fail
	Reason    string `json:"reason,omitempty"`
}

func describeSignature(r signing.Result) signature {
	s := signature{Domain: r.Domain, Selector: r.Selector, Algorithm: r.Algorithm, Result: "pass"}
	if r.Err != nil {
		s.Result, s.Reason = "fail", r.Err.Error()
	}
	return s
}

func printSignature(w io.Writer, s signature) error {
	reason := ""
	if s.Reason != "" {
		reason = ": " + s.Reason
	}
	_, err := fmt.Fprintf(w, "%s d=%s s=%s a=%s%s\n", s.Result, s.Domain, s.Selector, s.Algorithm, reason)
	return err
}
