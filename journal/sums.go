package journal

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"pratique/message"
)

// Dimension is what messages are summed up by.
type Dimension string

// The dimensions, with what their keys are.
const (
	ByOutcome         Dimension = "outcome"          // verdict and the check that decided: "refused lint", "accepted"
	ByReason          Dimension = "reason"           // of what was refused, held or discarded: "lint M01", "scanning infected", "rates"
	ByClient          Dimension = "client"           // address, or "(local)"
	ByLogin           Dimension = "login"            // of messages with one
	BySender          Dimension = "sender"           // "<>" for the null sender
	BySenderDomain    Dimension = "sender_domain"    // of messages with one
	ByRecipientDomain Dimension = "recipient_domain" // a message counts in each, with all its recipients
	ByRule            Dimension = "rule"             // messages in which the rule found something: "M09"
	BySignature       Dimension = "signature"        // d= of messages that left signed
	ByUnsigned        Dimension = "unsigned"         // reason of messages that left unsigned: "no_key"
	ByScan            Dimension = "scan"             // result of the scan: "clean"
	ByFailure         Dimension = "failure"          // check of ours that broke
)

// dimensions are all of them, in the order in which they are stored: add behind.
var dimensions = [...]Dimension{
	ByOutcome, ByReason, ByClient, ByLogin, BySender, BySenderDomain, ByRecipientDomain,
	ByRule, BySignature, ByUnsigned, ByScan, ByFailure,
}

// Other is the key of what came when there were as many keys as are told apart.
const Other = "(other)"

// The keys of those that have no name.
const (
	localClient = "(local)"
	nullSender  = "<>"
)

// The spans over which sums are kept, in seconds, and how many keys each may have in a
// dimension. Those of a day are made of those of its hours when the day is over.
const (
	fiveMinutes = 300 // by outcome only
	anHour      = 3600
	aDay        = 86400

	keysAnHour    = 1000 // while it lasts: those that came first
	keysAPastHour = 250  // those with most messages
	keysADay      = 1000 // those with most messages
	longKey       = 120  // octets
)

// Sums is what messages sum up to.
type Sums struct {
	Messages   int64 `json:"messages"`   // all, those that the MTA gave up included
	Accepted   int64 `json:"accepted"`   // those that were let pass untouched included
	Held       int64 `json:"held"`       // in the MTA's hold queue
	Refused    int64 `json:"refused"`    // for good, or discarded
	Tempfailed int64 `json:"tempfailed"` // the client may try again
	Recipients int64 `json:"recipients"` // of those accepted or held
	Bytes      int64 `json:"bytes"`      // of those accepted or held
}

func (s *Sums) add(o Sums) {
	s.Messages += o.Messages
	s.Accepted += o.Accepted
	s.Held += o.Held
	s.Refused += o.Refused
	s.Tempfailed += o.Tempfailed
	s.Recipients += o.Recipients
	s.Bytes += o.Bytes
}

// sums is what one message counts as.
func (r *Record) sums() Sums {
	s := Sums{Messages: 1}
	switch r.Verdict {
	case "accepted", "passed":
		s.Accepted = 1
	case "held":
		s.Held = 1
	case "refused", "discarded":
		s.Refused = 1
	case "tempfailed":
		s.Tempfailed = 1
	}
	if r.Left() {
		s.Recipients, s.Bytes = int64(r.Recipients), r.Size
	}
	return s
}

// outcome is the key of a message in ByOutcome.
func (r *Record) outcome() string { return strings.TrimSpace(r.Verdict + " " + r.DecidedBy) }

// why is the key of a message in ByReason, "" if nobody objected to it.
func (r *Record) why() string {
	by := r.DecidedBy
	if r.Verdict == Held {
		i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Verdict == Held || c.Verdict == Failed })
		if i < 0 {
			return "held"
		}
		by = r.Checks[i].Name
	}
	if by == "" || r.Verdict == "passed" || r.Verdict == "accepted" {
		return ""
	}
	for _, c := range r.Checks {
		if c.Name == by && c.Verdict == Failed {
			return by + " failed"
		}
	}
	for _, f := range r.Findings {
		if f.Check == by && (f.Action == "reject" || f.Action == "hold" || f.Action == "discard" || f.Action == "tempfail") {
			return by + " " + f.Rule
		}
	}
	return by
}

// each hands every dimension and key of a message to add.
func (r *Record) each(add func(Dimension, string)) {
	some := func(d Dimension, key string) {
		if key != "" {
			add(d, clean(key, longKey))
		}
	}
	add(ByOutcome, r.outcome())
	some(ByReason, r.why())
	some(ByLogin, r.Client.Login)
	switch {
	case r.Client.Local:
		add(ByClient, localClient)
	case r.Client.Addr != "":
		add(ByClient, r.Client.Addr)
	default:
		some(ByClient, r.Client.Name)
	}
	if r.Sender == "" {
		add(BySender, nullSender)
	} else {
		some(BySender, strings.ToLower(r.Sender))
		some(BySenderDomain, message.Domain(r.Sender))
	}
	for _, d := range r.Domains {
		some(ByRecipientDomain, d.Name)
	}
	for _, rule := range r.rules() {
		some(ByRule, rule)
	}
	if r.Left() {
		var domains []string
		for _, s := range r.Signatures {
			if !slices.Contains(domains, s.Domain) {
				domains = append(domains, s.Domain)
				some(BySignature, s.Domain)
			}
		}
		if r.Unsigned != nil {
			some(ByUnsigned, r.Unsigned.Reason)
		}
	}
	if r.Scan != nil {
		some(ByScan, r.Scan.Result)
	}
	var broken []string
	for _, f := range r.Failures {
		if !slices.Contains(broken, f.Check) {
			broken = append(broken, f.Check)
			some(ByFailure, f.Check)
		}
	}
}

// sumKey is a row of the table of sums.
type sumKey struct {
	span      int64
	dimension int
	key       string
	start     int64
}

// compareSums sorts rows as the table does.
func compareSums(a, b sumKey) int {
	return cmp.Or(cmp.Compare(a.span, b.span), cmp.Compare(a.dimension, b.dimension), strings.Compare(a.key, b.key), cmp.Compare(a.start, b.start))
}

// added is what a batch adds to the sums.
type added map[sumKey]Sums

// record adds one message. The keys are those that admit says.
func (a added) record(r *Record, admit func(span, start int64, dimension int, key string) string) {
	sums, at := r.sums(), r.Time.Unix()
	put := func(span int64, dimension int, key string) {
		start := floor(at, span)
		k := sumKey{span, dimension, admit(span, start, dimension, key), start}
		total := a[k]
		total.add(sums)
		a[k] = total
	}
	r.each(func(d Dimension, key string) {
		i := indexOf(d)
		put(anHour, i, key)
		if d == ByOutcome {
			put(fiveMinutes, i, key)
		}
	})
}

// indexOf returns the place of a dimension, -1 if there is no such one.
func indexOf(d Dimension) int { return slices.Index(dimensions[:], d) }

func floor(at, span int64) int64 {
	if at < 0 { // before 1970: a clock that nobody has set
		at -= span - 1
	}
	return at / span * span
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }
