package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"pratique/signing"
	"pratique/signing/explain"
)

// verifyPatience bounds the look-ups of keys, in all.
const verifyPatience = 30 * time.Second

// maxVerified is the largest message that is read, in octets: it is held against
// the original as a whole.
const maxVerified = 256 << 20

// verify verifies the DKIM signatures of a message and explains the result. It is
// clean if there is one and every one is valid.
func verify(e *env, args []string) (int, error) {
	fs := e.flags("verify")
	server := fs.String("dns", "", "DNS server `host:port` (default: the system's)")
	original := fs.String("original", "", "`file` with the message as it was signed, to say where this one differs")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := e.parse(fs, args, 1, 1); err != nil {
		return 0, err
	}
	options := explain.Options{Lookup: signing.Resolver(*server), Clock: e.now}
	source, err := e.readMessage(fs.Arg(0))
	if err != nil {
		return 0, err
	}
	if *original != "" {
		if options.Original, err = e.readMessage(*original); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), verifyPatience)
	defer cancel()
	signatures, err := explain.Explain(ctx, source, options)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", fs.Arg(0), err)
	}
	print := printSignature
	if *asJSON {
		print = func(w io.Writer, s signature) error { return json.NewEncoder(w).Encode(s) }
	}
	status := exitClean
	for _, found := range signatures {
		s := describeSignature(found)
		if s.Result != "pass" {
			status = exitFindings
		}
		if err := print(e.stdout, s); err != nil {
			return 0, err
		}
	}
	if len(signatures) == 0 {
		fmt.Fprintf(e.stderr, "pratique: %s bears no DKIM signature\n", fs.Arg(0))
		status = exitFindings
	}
	return status, nil
}

// readMessage reads a whole message.
func (e *env) readMessage(name string) ([]byte, error) {
	in, err := e.open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	source, err := io.ReadAll(io.LimitReader(in, maxVerified+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(source) > maxVerified {
		return nil, fmt.Errorf("%s: is larger than %d octets", name, maxVerified)
	}
	return source, nil
}

// signature is what verify --json prints.
type signature struct {
	Domain    string   `json:"domain"`
	Selector  string   `json:"selector"`
	Algorithm string   `json:"algorithm"`
	Result    string   `json:"result"` // pass or fail
	Reason    string   `json:"reason,omitempty"`
	Form      string   `json:"canonicalization,omitempty"`
	Identity  string   `json:"identity,omitempty"`
	Signed    string   `json:"signed,omitempty"`
	Expires   string   `json:"expires,omitempty"`
	Covered   []string `json:"covered"`
	Uncovered []string `json:"uncovered,omitempty"`
	Unsealed  []string `json:"unsealed,omitempty"`
	Name      string   `json:"record_name"`
	Record    string   `json:"record,omitempty"`
	KeyType   string   `json:"key_type,omitempty"`
	KeyBits   int      `json:"key_bits,omitempty"`
	Body      string   `json:"body"`   // same, differs or unknown
	Header    string   `json:"header"` // the same
	Reasons   []string `json:"reasons,omitempty"`
}

func describeSignature(x explain.Signature) signature {
	s := signature{
		Domain: x.Domain, Selector: x.Selector, Algorithm: x.Algorithm, Result: "pass",
		Form: x.Form, Identity: x.Identity, Signed: timeOrNone(x.Signed), Expires: timeOrNone(x.Expires),
		Covered: x.Covered, Uncovered: x.Uncovered, Unsealed: x.Unsealed,
		Name: x.RecordName, Record: x.Record, KeyType: x.KeyType, KeyBits: x.KeyBits,
		Body: string(x.Body), Header: string(x.Header), Reasons: x.Reasons,
	}
	if x.Err != nil {
		s.Result, s.Reason = "fail", x.Err.Error()
	}
	return s
}

func timeOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// printSignature writes the verdict in a line, and the explanation below it.
func printSignature(w io.Writer, s signature) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s d=%s s=%s a=%s", s.Result, s.Domain, s.Selector, s.Algorithm)
	if s.Reason != "" {
		b.WriteString(": " + s.Reason)
	}
	b.WriteByte('\n')
	line := func(about, text string) {
		if text != "" {
			fmt.Fprintf(&b, "     %-15s %s\n", about, text)
		}
	}
	for _, reason := range s.Reasons {
		line("because", reason)
	}
	line("body, header", fmt.Sprintf("%s, %s", s.Body, s.Header))
	line("signed", s.Signed)
	line("expires", s.Expires)
	line("form", s.Form)
	line("identity", s.Identity)
	line("covers", strings.Join(s.Covered, " "))
	line("does not cover", strings.Join(s.Uncovered, " "))
	line("not sealed", strings.Join(s.Unsealed, " "))
	if s.KeyBits > 0 {
		line("key", fmt.Sprintf("%s, %d bits, at %s", s.KeyType, s.KeyBits, s.Name))
	} else {
		line("key", s.Name)
	}
	line("record", s.Record)
	_, err := io.WriteString(w, b.String())
	return err
}
