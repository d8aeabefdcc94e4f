// Package tlsrpt reads reports of SMTP TLS reporting (RFC 8460): whether other
// servers reached our mail servers over TLS, and why not.
package tlsrpt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Bounds.
const (
	maxInList = 1000 // policies of a report, failures and hosts of a policy
	maxText   = 500  // octets
)

// Report is one report.
type Report struct {
	Org, Contact, ID string
	Begin, End       time.Time
	Policies         []Policy
}

// Policy is what happened under one policy.
type Policy struct {
	Type      string // sts, tlsa or no-policy-found
	Domain    string
	MX        []string
	Succeeded int // sessions
	Failed    int
	Failures  []Failure
}

// Failure is sessions that failed for one reason (RFC 8460 4.3).
type Failure struct {
	Result   string // such as "certificate-expired"
	MX       string // receiving-mx-hostname
	Sessions int
	Info     string // failure-reason-code, or additional-information
}

// mark is the byte order mark, which JSON should not have (RFC 8259 8.1).
var mark = []byte("\xef\xbb\xbf")

var errNone = errors.New("it has no policies")

// Recognise reports whether data begins as a report does: JSON with one of its members.
func Recognise(data []byte) bool {
	data = bytes.TrimPrefix(data, mark)
	head := bytes.TrimLeft(data[:min(len(data), maxHead)], " \t\r\n")
	if !bytes.HasPrefix(head, []byte("{")) {
		return false
	}
	for _, member := range []string{`"organization-name"`, `"policies"`, `"report-id"`} {
		if bytes.Contains(head, []byte(member)) {
			return true
		}
	}
	return false
}

const maxHead = 4 << 10

// Parse reads the JSON of a report.
func Parse(data []byte) (*Report, error) {
	var in report
	if err := json.Unmarshal(bytes.TrimPrefix(data, mark), &in); err != nil {
		return nil, fmt.Errorf("read a TLS report: %w", err)
	}
	if len(in.Policies) == 0 {
		return nil, fmt.Errorf("read a TLS report: %w", errNone)
	}
	r := &Report{Org: short(in.Org), Contact: short(in.Contact), ID: short(in.ID), Begin: time.Time(in.Range.Start), End: time.Time(in.Range.End)}
	for _, p := range in.Policies {
		policy := Policy{Type: short(p.Policy.Type), Domain: short(p.Policy.Domain), MX: p.Policy.MX,
			Succeeded: int(p.Summary.Succeeded), Failed: int(p.Summary.Failed)}
		for _, f := range p.Failures {
			info := f.Code
			if info == "" {
				info = f.Info
			}
			policy.Failures = append(policy.Failures, Failure{short(f.Result), short(f.MX), int(f.Sessions), short(info)})
		}
		r.Policies = append(r.Policies, policy)
	}
	return r, nil
}
