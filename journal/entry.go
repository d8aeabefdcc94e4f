package journal

import (
	"slices"
	"strings"
	"time"

	"pratique/message"
)

// Bounds of one record.
const (
	mostDomains   = 50
	mostAddresses = 100
	mostFindings  = 50
	mostNotes     = 50
	mostFixes     = 50
)

// entry is what is taken from a message on its way out, at little cost: what is
// immutable is shared, and made into a Record elsewhere. It does not hold on to the
// message, whose header may be large.
type entry struct {
	at, began time.Time
	outcome   message.Outcome
	client    message.Client
	queueID   string
	messageID string
	sender    string
	subject   string
	size      int64

	recipients int
	domains    []Domain
	addresses  []string

	findings []message.Finding
	notes    []message.Note
	failures []message.Failure
	checks   []message.CheckRun
	edits    []message.Edit
	newBody  int // octets of the body that took the place of the one that came; -1: none did
}

// NewRecord returns the record of a message that has ended at a time, as a Journal
// with these options would keep it.
func NewRecord(m *message.Message, o message.Outcome, at time.Time, opts Options) *Record {
	return take(m, o, at, &opts).record()
}

// take takes an entry from a message that has ended.
func take(m *message.Message, o message.Outcome, at time.Time, opts *Options) *entry {
	e := &entry{
		at: at, began: m.Began, outcome: o, client: m.Client, queueID: m.QueueID, sender: m.Sender, size: m.Size(),
		recipients: len(m.Recipients), domains: domainsOf(m.Recipients),
		findings: first(m.Findings, mostFindings), notes: first(m.Notes, mostNotes), failures: first(m.Failures, mostNotes),
		checks: m.Checks, newBody: -1,
	}
	if f, ok := m.Header.First("Message-ID"); ok {
		e.messageID = bareID(f.Unfolded())
	}
	if opts.Subject {
		if f, ok := m.Header.First("Subject"); ok {
			e.subject = clean(f.Unfolded(), longText)
		}
	}
	if opts.Recipients == byAddress {
		for _, r := range first(m.Recipients, mostAddresses) {
			e.addresses = append(e.addresses, clean(r.Addr, longName))
		}
	}
	if o.Verdict.Leaves() {
		e.edits = first(m.Header.Edits(), mostFixes)
		if m.NewBody != nil {
			e.newBody = len(m.NewBody)
		}
	}
	return e
}

func first[T any](all []T, most int) []T { return all[:min(len(all), most)] }

// bareID returns a Message-ID as it is kept and asked for: without angle brackets.
func bareID(id string) string {
	if strings.ContainsAny(id, "\r\n") { // folded
		id = strings.NewReplacer("\r", "", "\n", "").Replace(id)
	}
	id = strings.TrimSpace(id)
	if inner, ok := strings.CutPrefix(id, "<"); ok {
		id = strings.TrimSuffix(inner, ">")
	}
	return clean(id, longName)
}

// domainsOf counts recipients by domain, most first.
func domainsOf(recipients []message.Recipient) []Domain {
	var all []Domain
	for _, r := range recipients {
		name := message.Domain(r.Addr)
		i := slices.IndexFunc(all, func(d Domain) bool { return d.Name == name })
		switch {
		case i >= 0:
			all[i].Recipients++
		case len(all) < mostDomains:
			all = append(all, Domain{Name: name, Recipients: 1})
		}
	}
	for i := range all {
		all[i].Name = clean(all[i].Name, longName)
	}
	slices.SortStableFunc(all, func(a, b Domain) int { return b.Recipients - a.Recipients })
	return all
}

// weight is about how many octets an entry takes up in memory.
func (e *entry) weight() int {
	n := 1500 + len(e.client.Name) + len(e.client.Helo) + len(e.client.Login) + len(e.sender) + len(e.messageID) + len(e.subject)
	for _, a := range e.addresses {
		n += len(a)
	}
	for i := range e.findings {
		n += len(e.findings[i].Detail)
	}
	for i := range e.notes {
		n += len(e.notes[i].Text)
	}
	for i := range e.edits {
		n += len(e.edits[i].Value)
	}
	return n
}

// record makes the record of an entry.
func (e *entry) record() *Record {
	r := &Record{
		Time: e.at.UTC(), QueueID: clean(e.queueID, longName), MessageID: e.messageID,
		Client: clientOf(e.client), Sender: clean(e.sender, longName),
		Recipients: e.recipients, Domains: e.domains, Addresses: e.addresses, Size: e.size, Subject: e.subject,
		Verdict: e.outcome.Verdict.String(), DecidedBy: e.outcome.Check, Reason: clean(e.outcome.Reason, longText),
		Took: max(e.at.Sub(e.began), 0).Truncate(time.Microsecond), // as it is stored
	}
	if r.DecidedBy != "" || !e.outcome.Verdict.Leaves() {
		r.Stage = e.outcome.Stage.String()
	}
	if refusal := e.outcome.Refusal; refusal != nil {
		r.Reply = &Reply{Code: refusal.Code, Enhanced: refusal.Enhanced, Text: clean(refusal.Text, longText)}
	}
	for _, f := range e.findings {
		r.Findings = append(r.Findings, Finding{f.Check, clean(f.Rule, longName), f.Action, clean(f.Where, longName), clean(f.Detail, longText)})
	}
	for _, f := range e.failures {
		r.Failures = append(r.Failures, Failure{f.Check, f.Stage.String(), clean(f.Err.Error(), longText), f.Policy.String()})
	}
	e.takeNotes(r)
	r.Fixes = e.fixes()
	for i := range e.checks {
		run := &e.checks[i]
		r.Checks = append(r.Checks, Check{Name: run.Check, Verdict: r.verdictOf(run), Took: run.Spent.Truncate(time.Microsecond)})
	}
	r.addGate()
	r.scanned()
	r.explain()
	return r
}

func clientOf(c message.Client) Client {
	client := Client{Name: clean(c.Name, longName), Helo: clean(c.Helo, longName), Login: clean(c.Login, longName), TLS: clean(c.TLS, longName), Local: c.Local}
	if c.Addr.IsValid() {
		client.Addr = c.Addr.String()
	}
	return client
}

// fixes says what was changed of the message, in words. Signatures have a place of their own.
func (e *entry) fixes() []string {
	var fixes []string
	for _, edit := range e.edits {
		name := clean(edit.Name, longName)
		switch edit.Op {
		case message.EditChange:
			fixes = append(fixes, "changed "+name)
		case message.EditRemove:
			fixes = append(fixes, "removed "+name)
		default:
			if !strings.EqualFold(edit.Name, "DKIM-Signature") {
				fixes = append(fixes, "added "+name)
			}
		}
	}
	if e.newBody >= 0 {
		fixes = append(fixes, "encoded the body anew")
	}
	return fixes
}

// The notes that have a place of their own in a record.
const (
	checkAccess   = "access"
	checkSigning  = "signing"
	checkScanning = "scanning"
	noteSigned    = "signed"
	noteUnsigned  = "unsigned"
	noteVerdict   = "verdict"
)

func (e *entry) takeNotes(r *Record) {
	for _, n := range e.notes {
		text := clean(n.Text, longText)
		switch {
		case n.Check == checkSigning && n.Key == noteSigned:
			r.Signatures = append(r.Signatures, parseSignature(text))
		case n.Check == checkSigning && n.Key == noteUnsigned:
			r.Unsigned = &Unsigned{Reason: n.Code, Text: text}
		case n.Check == checkScanning && n.Key == noteVerdict:
			r.Scan = parseScan(text)
		default:
			r.Notes = append(r.Notes, Note{n.Check, clean(n.Key, longName), n.Code, text})
		}
	}
}

// parseSignature reads "d=example.org s=2026a a=rsa-sha256".
func parseSignature(text string) Signature {
	var s Signature
	for field := range strings.FieldsSeq(text) {
		switch tag, value, _ := strings.Cut(field, "="); tag {
		case "d":
			s.Domain = value
		case "s":
			s.Selector = value
		case "a":
			s.Algorithm = value
		}
	}
	return s
}

// parseScan reads "clean", "infected with NAME" or "not scanned: REASON".
func parseScan(text string) *Scan {
	if name, ok := strings.CutPrefix(text, "infected with "); ok {
		return &Scan{Result: ScanInfected, Detail: name}
	}
	result, detail, _ := strings.Cut(text, ": ")
	return &Scan{Result: result, Detail: detail}
}
