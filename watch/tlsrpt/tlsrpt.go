// Package tlsrpt reads reports of SMTP TLS reporting (RFC 8460): whether other
// servers reached our mail servers over TLS, and why not.
package tlsrpt

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Bounds.
const (
	maxPolicies = 1000
	maxFailures = 1000 // of a policy
	maxText     = 500
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

var errNone = errors.New("it has no policies")

// Parse reads the JSON of a report.
func Parse(data []byte) (*Report, error) {
	var in report
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("read a TLS report: %w", err)
	}
	if len(in.Policies) == 0 {
		return nil, fmt.Errorf("read a TLS report: %w", errNone)
	}
	r := &Report{Org: short(in.Org), Contact: short(in.Contact), ID: short(in.ID), Begin: in.Range.Start, End: in.Range.End}
	for _, p := range in.Policies[:min(len(in.Policies), maxPolicies)] {
		policy := Policy{Type: short(p.Policy.Type), Domain: short(p.Policy.Domain), MX: p.Policy.MX,
			Succeeded: max(0, p.Summary.Succeeded), Failed: max(0, p.Summary.Failed)}
		for _, f := range p.Failures[:min(len(p.Failures), maxFailures)] {
			info := f.Code
			if info == "" {
				info = f.Info
			}
			policy.Failures = append(policy.Failures, Failure{short(f.Result), short(f.MX), max(0, f.Sessions), short(info)})
		}
		r.Policies = append(r.Policies, policy)
	}
	return r, nil
}

func short(text string) string { return text[:min(len(text), maxText)] }

// report is the JSON of RFC 8460 4.4.
type report struct {
	Org   string `json:"organization-name"`
	Range struct {
		Start time.Time `json:"start-datetime"`
		End   time.Time `json:"end-datetime"`
	} `json:"date-range"`
	Contact  string `json:"contact-info"`
	ID       string `json:"report-id"`
	Policies []struct {
		Policy struct {
			Type   string `json:"policy-type"`
			Domain string `json:"policy-domain"`
			MX     texts  `json:"mx-host"`
		} `json:"policy"`
		Summary struct {
			Succeeded int `json:"total-successful-session-count"`
			Failed    int `json:"total-failure-session-count"`
		} `json:"summary"`
		Failures []struct {
			Result   string `json:"result-type"`
			MX       string `json:"receiving-mx-hostname"`
			Sessions int    `json:"failed-session-count"`
			Info     string `json:"additional-information"`
			Code     string `json:"failure-reason-code"`
		} `json:"failure-details"`
	} `json:"policies"`
}

// texts is a list of texts, or one, as some senders have it (RFC 8460 itself has
// both: the grammar a text, its example a list).
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		if one != "" {
			*t = texts{one}
		}
		return nil
	}
	var many []string
	err := json.Unmarshal(data, &many)
	*t = many[:min(len(many), maxPolicies)]
	return err
}
