// Package lint judges the form of a message as it streams by: whether a big
// receiver would refuse it, whether it would break its own signature, whether it
// leaks or hides something. What it can mend without changing what was said, it
// mends before the message is signed.
//
// Every rule is one row of the table in rules.go, and a family of rules is one
// file. To add one: a row, its function, and in testdata/rules/ID a good message
// and a bad one that breaks this rule alone. The body is read by a push parser
// (parser.go) whose memory does not depend on the size of the message, and html by
// a scanner that keeps a window of it (html_scan.go). What asks the DNS or
// remembers other messages is handed in.
//
// A finding says where it is. "From[2]" is the second From field, and "From" one
// that is missing. "1.2" is a MIME entity: the second part of the first part, as
// in IMAP, but that the message inside a message/rfc822 counts as its only part;
// the message itself is "body". "1.2 line 7" is line 7 of the body of the whole
// message, counted from 1, and an "html line" in a detail is one of the decoded
// document; "1.2 Content-Type[2]" is a field of the entity. "header" and "message"
// are all of it, and "envelope" is what MAIL and RCPT said.
package lint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"pratique/message"
)

// checkName is the configuration key, log attribute and metric label of the check.
const checkName = "lint"

// Env is what a Lint takes from its surroundings.
type Env struct {
	Clock    func() time.Time // for Date fields that are added
	Hostname string           // right side of Message-IDs that are added
	Random   io.Reader        // left side of these; safe for concurrent use, e.g. crypto/rand.Reader

	Domains    Domains     // for the rules that ask the DNS; nil: they find nothing
	MessageIDs *MessageIDs // for the rule on reused Message-IDs; nil: it finds nothing
	Signatures Signatures  // for the rules on our own signatures; nil: they find nothing
}

// Lint is a message.Check. It is immutable and safe for concurrent use.
type Lint struct {
	env        Env
	maxSize    int64
	bulk       []string // senders of bulk mail
	rules      []Rule
	actions    []Action // by index in rules
	header     []int    // rules with work to do at each step, none of them off
	part       []int
	ended      []int
	end        []int
	documents  bool            // one of the rules is on html
	lacked     *lackedFeatures // nil: no clients are configured
	wayOut     *phraseSet      // nil: nobody looks for a way out of bulk mail
	asksDNS    bool            // one of the rules that are on asks the DNS
	octets     bool            // one of them looks at every octet of encoded data or text
	overrides  []overriding    // the first one that covers a message judges it
	collecting bool
}

// New returns the check for these options. The error joins all problems of the options.
func New(opts Options, env Env) (*Lint, error) {
	var problems []error
	opts.Problems(func(key, problem string) {
		problems = append(problems, fmt.Errorf("%s: %s", key, problem))
	})
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	l := &Lint{env: env, maxSize: opts.MaxSize, bulk: opts.Bulk, rules: table()}
	if len(opts.Bulk) > 0 {
		l.wayOut = newPhraseSet(unsubscribeWords)
	}
	lacked, err := newLackedFeatures(opts.Clients)
	if err != nil {
		return nil, err
	}
	l.lacked = lacked
	defaults := make([]Action, len(l.rules))
	for i := range l.rules {
		defaults[i] = l.rules[i].Default
	}
	base := *l
	base.act(opts.Rules, defaults)
	for _, o := range opts.Overrides {
		base.overrides = append(base.overrides, l.newOverriding(o, base.actions))
	}
	return &base, nil
}

// act gives the rules their actions: those that are set, and otherwise the others.
func (l *Lint) act(set map[string]string, otherwise []Action) {
	l.actions = make([]Action, len(l.rules))
	for i := range l.rules {
		l.actions[i] = otherwise[i]
		if action, ok := set[l.rules[i].ID]; ok {
			l.actions[i] = Action(action)
		}
		if l.actions[i] != Off {
			l.schedule(i)
		}
	}
	if l.action("L06") == Off {
		l.wayOut = nil
	}
	if l.action("T07") == Off {
		l.lacked = nil
	}
}

func (l *Lint) schedule(i int) {
	rule := &l.rules[i]
	l.asksDNS = l.asksDNS || rule.dns
	l.octets = l.octets || rule.octets
	if rule.header != nil {
		l.header = append(l.header, i)
	}
	if rule.part != nil {
		l.part = append(l.part, i)
	}
	if rule.ended != nil {
		l.ended = append(l.ended, i)
	}
	if rule.end != nil {
		l.end = append(l.end, i)
	}
	l.documents = l.documents || rule.document
}

// readsBody reports whether a rule that is on has anything to do with the body.
func (l *Lint) readsBody() bool { return len(l.part)+len(l.ended)+len(l.end) > 0 }

// Collecting returns a Lint that refuses nothing: every finding of header and
// body is reported with the action that it would have, and ActionOf tells what
// would have become of the message. It is meant for stored messages, which have
// no envelope: a message that shows by its own addresses, by its type or by its
// trace fields that it is internationalized (RFC 6532) counts as sent with
// SMTPUTF8. The sender must not be "", which is the null sender here too.
func (l *Lint) Collecting() *Lint {
	c := *l
	c.collecting = true
	c.overrides = nil
	for _, o := range l.overrides {
		o.lint = o.lint.Collecting()
		c.overrides = append(c.overrides, o)
	}
	return &c
}

// Name returns "lint".
func (l *Lint) Name() string { return checkName }

// Begin is interested in every message.
func (l *Lint) Begin(ctx context.Context, m *message.Message) (message.Inspector, error) {
	return &inspector{ctx: ctx, lint: l, m: m, findings: newFindings(l, m)}, nil
}

// action returns the configured action of a rule by its id.
func (l *Lint) action(id string) Action {
	for i := range l.rules {
		if l.rules[i].ID == id {
			return l.actions[i]
		}
	}
	return Off
}

// inspector is one message's way through the rules.
type inspector struct {
	ctx      context.Context // of the message: what waits at its end ends with it
	lint     *Lint
	m        *message.Message
	findings *findings
	body     *body
	domains  DomainReport // nil: nobody was asked
}

// Header judges and mends the header. The error is a *message.Refusal, or what
// the source of random octets failed with.
func (i *inspector) Header() error {
	h := newHeader(i.lint, i.m, i.findings)
	if l := i.lint.forMessage(h); l != i.lint {
		i.findings = newFindings(l, i.m)
		h = newHeader(l, i.m, i.findings)
	}
	if err := h.judge(); err != nil {
		return err
	}
	if h.lint.readsBody() {
		i.body = newBody(h)
		i.body.from, i.domains = h.fromDomain(), h.askDNS()
	}
	return i.findings.settle()
}

// Idle reports whether the body is of no interest.
func (i *inspector) Idle() bool { return i.body == nil }

// Write judges a chunk of the body. It never fails.
func (i *inspector) Write(p []byte) (int, error) {
	if i.body != nil {
		i.body.parser.write(p)
	}
	return len(p), nil
}

// End reports what was found in the body. The error is a *message.Refusal.
func (i *inspector) End() error {
	if i.body == nil {
		return nil
	}
	if i.domains != nil {
		i.body.domains = i.domains(i.ctx)
	}
	i.body.finish()
	return i.findings.settle()
}

// Close has nothing to give back.
func (i *inspector) Close() error { return nil }
