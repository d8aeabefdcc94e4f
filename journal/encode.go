package journal

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// story is what the checks said of a message, as far as it is the same for many.
type story struct {
	DecidedBy  string      `json:"by,omitempty"`
	Stage      string      `json:"stage,omitempty"`
	Checks     [][2]string `json:"checks,omitempty"` // name and verdict
	Signatures []Signature `json:"signed,omitempty"`
	Unsigned   *Unsigned   `json:"unsigned,omitempty"`
	Scan       *Scan       `json:"scan,omitempty"`
	Notes      []Note      `json:"notes,omitempty"`
	Fixes      []string    `json:"fixes,omitempty"`
	Rules      []string    `json:"rules,omitempty"` // of the findings, to search by
}

// detail is what a message has for itself. It stands in every row, so its keys are short.
type detail struct {
	Recipients int       `json:"n,omitempty"`
	Domains    []string  `json:"d,omitempty"`
	Counts     []int     `json:"dn,omitempty"` // recipients in them, unless it is one in each
	Addresses  []string  `json:"a,omitempty"`
	Size       int64     `json:"z,omitempty"`
	Subject    string    `json:"s,omitempty"`
	Reason     string    `json:"r,omitempty"`
	Reply      *Reply    `json:"p,omitempty"`
	Took       int64     `json:"t"`           // microseconds, as the next
	Spent      []int64   `json:"c,omitempty"` // by check
	Findings   []Finding `json:"f,omitempty"`
	Notes      []Note    `json:"l,omitempty"`
	Failures   []Failure `json:"e,omitempty"`
}

// checkRates is the check whose notes hold counts, which are never the same.
const checkRates = "rates"

// encode returns the three texts of a record.
func (r *Record) encode() (client, told, own string, err error) {
	s := story{
		DecidedBy: r.DecidedBy, Stage: r.Stage, Signatures: r.Signatures, Unsigned: r.Unsigned, Scan: r.Scan, Fixes: r.Fixes, Rules: r.rules(),
	}
	d := detail{
		Recipients: r.Recipients, Addresses: r.Addresses, Size: r.Size, Subject: r.Subject, Reason: r.Reason, Reply: r.Reply,
		Took: r.Took.Microseconds(), Findings: r.Findings, Failures: r.Failures,
	}
	for _, c := range r.Checks {
		s.Checks = append(s.Checks, [2]string{c.Name, c.Verdict})
		d.Spent = append(d.Spent, c.Took.Microseconds())
	}
	for _, n := range r.Notes {
		if n.Check == checkRates {
			d.Notes = append(d.Notes, n)
		} else {
			s.Notes = append(s.Notes, n)
		}
	}
	for _, domain := range r.Domains {
		d.Domains = append(d.Domains, domain.Name)
		d.Counts = append(d.Counts, domain.Recipients)
	}
	if !slices.ContainsFunc(d.Counts, func(n int) bool { return n != 1 }) {
		d.Counts = nil
	}
	for _, part := range []struct {
		value any
		into  *string
	}{{r.Client, &client}, {s, &told}, {d, &own}} {
		text, err := json.Marshal(part.value)
		if err != nil {
			return "", "", "", fmt.Errorf("encode a record: %w", err)
		}
		*part.into = string(text)
	}
	return client, told, own, nil
}

// rules returns the rules of the findings, each once.
func (r *Record) rules() []string {
	var rules []string
	for _, f := range r.Findings {
		if !slices.Contains(rules, f.Rule) {
			rules = append(rules, f.Rule)
		}
	}
	return rules
}

// decode fills in what encode gave.
func (r *Record) decode(client, told, own string) error {
	var s story
	var d detail
	for _, part := range []struct {
		text string
		into any
	}{{client, &r.Client}, {told, &s}, {own, &d}} {
		if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
			return fmt.Errorf("decode record %d: %w", r.ID, err)
		}
	}
	r.DecidedBy, r.Stage, r.Signatures, r.Unsigned, r.Scan, r.Fixes = s.DecidedBy, s.Stage, s.Signatures, s.Unsigned, s.Scan, s.Fixes
	r.Recipients, r.Addresses, r.Size, r.Subject, r.Reason, r.Reply = d.Recipients, d.Addresses, d.Size, d.Subject, d.Reason, d.Reply
	r.Took, r.Findings, r.Failures = time.Duration(d.Took)*time.Microsecond, d.Findings, d.Failures
	r.Notes = append(s.Notes, d.Notes...)
	for i, c := range s.Checks {
		check := Check{Name: c[0], Verdict: c[1]}
		if i < len(d.Spent) {
			check.Took = time.Duration(d.Spent[i]) * time.Microsecond
		}
		r.Checks = append(r.Checks, check)
	}
	r.Domains = []Domain{}
	for i, name := range d.Domains {
		domain := Domain{Name: name, Recipients: 1}
		if i < len(d.Counts) {
			domain.Recipients = d.Counts[i]
		}
		r.Domains = append(r.Domains, domain)
	}
	r.explain()
	return nil
}
