// Package relay tries whether a mail server relays for strangers, by the forms of
// addresses that have fooled servers before. It uses addresses that it is given and
// no others, and sends nothing: each try ends after RCPT, and nothing is delivered.
package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Options say what to try.
type Options struct {
	Target string // host:port of the server
	// Recipient is the address that is to be relayed to: one's own, for which the
	// server is not responsible.
	Recipient string
	Sender    string     // one's own as well
	Own       []string   // names and domains that the server is responsible for
	Helo      string     // what we call ourselves
	From      netip.Addr // the local address to connect from; zero: any
	Timeout   time.Duration
}

// Outcome is what a server did about a form.
type Outcome string

// The outcomes.
const (
	Refused   Outcome = "refused"
	Accepted  Outcome = "accepted"  // the server relays
	Undecided Outcome = "undecided" // accepted, but it may be for a mailbox of its own
	Deferred  Outcome = "deferred"  // a temporary refusal says nothing about the next try
	Failed    Outcome = "failed"    // the connection broke
)

// Attempt is a form that was tried.
type Attempt struct {
	Form    string  `json:"form"`
	Mail    string  `json:"mail"` // the argument of MAIL FROM:
	Rcpt    string  `json:"rcpt"` // and of RCPT TO:
	Outcome Outcome `json:"outcome"`
	Reply   string  `json:"reply"`
}

// Result is what came of it.
type Result struct {
	Target   string    `json:"target"`
	Peer     string    `json:"peer"` // the address that was reached
	From     string    `json:"from"` // the address that it was reached from
	Greeting string    `json:"greeting"`
	Attempts []Attempt `json:"attempts"`
}

// Count returns how many forms had an outcome.
func (r Result) Count(o Outcome) int {
	n := 0
	for _, a := range r.Attempts {
		if a.Outcome == o {
			n++
		}
	}
	return n
}

// perSession is how many forms are tried in a session: below the number of errors
// at which servers slow down or hang up (Postfix: smtpd_soft_error_limit, 10).
const perSession = 7

// defaultTimeout bounds the wait for a reply; a server may look the client up first.
const defaultTimeout = 30 * time.Second

// Probe tries all forms, one after the other. The error says why none could be tried.
func Probe(ctx context.Context, o Options) (Result, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	p := &probe{Options: o, ctx: ctx}
	defer p.close()
	if err := p.connect(); err != nil {
		return Result{}, fmt.Errorf("connect to %s: %w", o.Target, err)
	}
	r := Result{Target: o.Target, Peer: p.session.peer(), From: p.session.local(), Greeting: p.session.greeting}
	for _, a := range p.forms(r.Peer) {
		if ctx.Err() != nil {
			return r, fmt.Errorf("not all forms were tried: %w", context.Cause(ctx))
		}
		p.try(&a)
		r.Attempts = append(r.Attempts, a)
	}
	return r, nil
}

type probe struct {
	Options
	ctx     context.Context
	session *session
	tried   int // in this session
}

func (p *probe) connect() error {
	p.close()
	s, err := dial(p.ctx, p.Options)
	if err != nil {
		return err
	}
	p.session, p.tried = s, 0
	return nil
}

func (p *probe) close() {
	if p.session != nil {
		p.session.quit()
		p.session = nil
	}
}

// try tries a form, in a new session if this one is worn out.
func (p *probe) try(a *Attempt) {
	if p.session == nil || p.tried >= perSession {
		if err := p.connect(); err != nil {
			a.Outcome, a.Reply = Failed, err.Error()
			return
		}
	}
	p.tried++
	code, reply, err := p.session.offer(a.Mail, a.Rcpt)
	if err != nil {
		a.Outcome, a.Reply = Failed, err.Error()
		p.close()
		return
	}
	a.Reply = reply
	switch code / 100 {
	case 2:
		a.Outcome = Accepted
		if p.takesAny(a.Rcpt) {
			a.Outcome = Undecided
		}
	case 4:
		a.Outcome = Deferred
		if code == 421 {
			p.close()
		}
	default:
		a.Outcome = Refused
	}
}

// takesAny reports whether the server takes any mailbox in the domain that an address
// ends with, which is then one of its own: that it took this one says nothing.
func (p *probe) takesAny(rcpt string) bool {
	domain := p.ownEnd(rcpt)
	if domain == "" && strings.Contains(strings.Trim(rcpt, "<>"), "@") {
		return false
	}
	if domain != "" {
		domain = "@" + domain
	}
	if p.session == nil {
		return false
	}
	code, _, err := p.session.offer("<"+p.Sender+">", "<no-such-mailbox-7f3a91"+domain+">")
	if err != nil {
		p.close()
		return false
	}
	p.tried++
	return code/100 == 2
}

// ownEnd returns the name of the server's own that an address ends with, or "".
func (p *probe) ownEnd(rcpt string) string {
	address := strings.TrimSuffix(strings.ToLower(strings.Trim(rcpt, "<>")), ".")
	if strings.HasPrefix(address, "@") { // a source route, which servers leave out
		_, address, _ = strings.Cut(address, ":")
	}
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return ""
	}
	end := address[i+1:]
	if strings.HasPrefix(end, "[") {
		return end
	}
	for _, own := range p.Own {
		if strings.EqualFold(own, end) {
			return end
		}
	}
	return ""
}

// Check holds the addresses to what they are for.
func (o Options) Check() error {
	_, domain, _ := strings.Cut(o.Recipient, "@")
	for _, own := range o.Own {
		if strings.EqualFold(own, domain) {
			return fmt.Errorf("%s is in a domain of this server's own, so that taking it is no relaying", o.Recipient)
		}
	}
	if _, _, err := net.SplitHostPort(o.Target); err != nil {
		return errors.New("the server is wanted as HOST:PORT, such as mail.example.org:25")
	}
	return nil
}
