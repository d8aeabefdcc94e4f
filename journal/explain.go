package journal

import (
	"slices"
	"strings"

	"pratique/message"
)

// verdictOf says what a check said, by the strongest of what it did.
func (r *Record) verdictOf(run *message.CheckRun) string {
	switch run.State {
	case message.CheckUnreached:
		return Unreached
	case message.CheckSkipped:
		if r.admitted(run.Check) {
			return Passed
		}
		return Skipped
	case message.CheckBroke:
		return Failed
	case message.CheckDecided:
		return r.decision()
	}
	switch {
	case r.heldBy(run.Check):
		return Held
	case slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == run.Check && f.Action == "fix" }):
		return Fixed
	case slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == run.Check }):
		return Warned
	}
	return Passed
}

// addGate puts what decided without being a check of the chain in front of the
// checks: the gate, or the bound of the header.
func (r *Record) addGate() {
	if r.DecidedBy == "" || slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Name == r.DecidedBy }) {
		return
	}
	r.Checks = slices.Insert(r.Checks, 0, Check{Name: r.DecidedBy, Verdict: r.decision()})
}

// admitted reports whether the check is the gate's, and the gate said why it let the
// message in: there was no more to look at.
func (r *Record) admitted(check string) bool {
	return check == checkAccess && slices.ContainsFunc(r.Notes, func(n Note) bool { return n.Check == check })
}

func (r *Record) decision() string {
	switch r.Verdict {
	case Passed:
		return Passed
	case Discarded:
		return Discarded
	case Tempfailed:
		return Tempfailed
	}
	return Refused // also of one that the MTA gave up before it heard so
}

// heldBy reports whether the reasons of a held message name the check, or one of its findings does.
func (r *Record) heldBy(check string) bool {
	if r.Verdict != Held {
		return false
	}
	for reason := range strings.SplitSeq(r.Reason, "; ") {
		if rest, ok := strings.CutPrefix(reason, check); ok && (rest == "" || rest[0] == ' ' || rest[0] == ':') {
			return true
		}
	}
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == check && f.Action == "hold" })
}

// scanned says what became of a scan that gave no verdict.
func (r *Record) scanned() {
	i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == checkScanning })
	if i < 0 || r.Scan != nil {
		return
	}
	switch r.Checks[i].Verdict {
	case Failed:
		r.Scan = &Scan{Result: ScanFailed}
	case Skipped:
		r.Scan = &Scan{Result: ScanOff}
	}
}

// explain gives each check the reason for its verdict. It is made of the rest of
// the record, so it need not be stored.
func (r *Record) explain() {
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Reason = strings.Join(r.reasons(c), "; ")
	}
}

func (r *Record) reasons(c *Check) []string {
	var all []string
	if c.Verdict == Skipped || c.Verdict == Unreached {
		return nil // what there is under its name is of another check with the same one
	}
	if c.Name == r.DecidedBy && (c.Verdict == Refused || c.Verdict == Tempfailed) && r.Reply != nil {
		all = append(all, r.Reply.Text)
	}
	if (c.Verdict == Discarded || c.Verdict == Held) && r.Reason != "" {
		all = append(all, r.Reason)
	}
	for _, f := range r.Failures {
		if f.Check == c.Name {
			all = append(all, f.Error)
		}
	}
	for _, f := range r.Findings {
		if f.Check == c.Name {
			all = append(all, f.String())
		}
	}
	for _, n := range r.Notes {
		if n.Check == c.Name {
			all = append(all, n.String())
		}
	}
	switch c.Name {
	case checkSigning:
		for _, s := range r.Signatures {
			all = append(all, "signed "+s.String())
		}
		if r.Unsigned != nil {
			all = append(all, r.Unsigned.Text)
		}
	case checkScanning:
		if r.Scan != nil && r.Scan.Result != ScanOff {
			all = append(all, strings.TrimSpace(r.Scan.Result+" "+r.Scan.Detail))
		}
	}
	return all
}

func (f Finding) String() string {
	text := f.Rule
	for _, part := range []string{f.Where, f.Detail} {
		if part != "" {
			text += " " + part
		}
	}
	return text + " (" + f.Action + ")"
}

func (n Note) String() string { return n.Key + ": " + n.Text }
