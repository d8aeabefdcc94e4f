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
	"regexp"
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
	Undecided Outcome = "undecided" // accepted, but it may be for a mailbox of its own; or refused as all else is
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
	Target   string `json:"target"`
	Peer     string `json:"peer"` // the address that was reached
	From     string `json:"from"` // the address that it was reached from
	Greeting string `json:"greeting"`
	TLS      bool   `json:"tls,omitempty"`     // it wants STARTTLS first, and got it
	Trouble  string `json:"trouble,omitempty"` // why no form, or not all of them, could be tried
	// Control is what it does about its own postmaster, whom every server must take
	// (RFC 5321 4.5.1): if it refuses him in the same words, it refuses for another reason
	// than relaying, and may relay for others.
	Control  Attempt   `json:"control"`
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

// Probe tries all forms, one after the other.
func Probe(ctx context.Context, o Options) Result {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	p := &probe{Options: o, ctx: ctx}
	defer p.close()
	r := Result{Target: o.Target}
	if err := p.connect(); err != nil {
		r.Trouble = fmt.Sprintf("connect to %s: %v", o.Target, err)
		return r
	}
	r.Peer, r.From, r.Greeting = p.session.peer(), p.session.local(), p.session.greeting
	r.Control = p.control()
	r.TLS = p.tls
	for _, a := range p.forms(r.Peer) {
		if over(ctx) {
			a.Outcome, a.Reply, r.Trouble = Failed, "not tried", "not all forms were tried: the time was up"
		} else {
			p.try(&a)
		}
		if a.Outcome == Refused && r.Control.Outcome == Refused && alike(a.Reply, r.Control.Reply) && !wantsLogin(a.Reply) {
			a.Outcome = Undecided
		}
		r.Attempts = append(r.Attempts, a)
	}
	return r
}

// over reports whether the time is up; the timers of connections may be ahead of that of
// the context.
func over(ctx context.Context) bool {
	until, bounded := ctx.Deadline()
	return ctx.Err() != nil || bounded && !time.Now().Before(until)
}

type probe struct {
	Options
	ctx     context.Context
	session *session
	name    string // what the server calls itself
	tls     bool   // it wants STARTTLS first
	tried   int    // in this session
}

func (p *probe) connect() error {
	p.close()
	s, err := dial(p.ctx, p.Options, p.tls)
	if err != nil {
		return err
	}
	p.session, p.name, p.tried = s, s.name, 0
	return nil
}

func (p *probe) close() {
	if p.session != nil {
		p.session.quit()
		p.session = nil
	}
}

// control tries the server's own postmaster, and finds out whether TLS is wanted first.
func (p *probe) control() Attempt {
	a := Attempt{Form: "its own postmaster", Mail: "<" + p.Sender + ">", Rcpt: "<postmaster>"}
	if len(p.Own) > 0 { // Postfix takes the other one from everybody, whom it refuses besides
		a.Rcpt = "<postmaster@" + p.Own[0] + ">"
	}
	p.try(&a)
	if a.Outcome == Refused && wantsTLS(a.Reply) && !p.tls {
		p.tls = true
		p.close()
		p.try(&a)
	}
	return a
}

// wantsTLS reports whether a server refuses all but STARTTLS (RFC 3207 4).
func wantsTLS(reply string) bool {
	return strings.Contains(reply, "530 ") && strings.Contains(strings.ToUpper(reply), "STARTTLS")
}

// wantsLogin reports whether a server refuses whoever has not logged in (RFC 4954 6),
// which strangers can't.
func wantsLogin(reply string) bool {
	return strings.Contains(reply, "530 ") && !wantsTLS(reply) && strings.Contains(strings.ToLower(reply), "auth")
}

// addressed is an address within a reply.
var addressed = regexp.MustCompile(`<[^>]*>`)

// alike reports whether two replies say the same, but for the addresses that they repeat.
func alike(a, b string) bool {
	return addressed.ReplaceAllString(a, "<>") == addressed.ReplaceAllString(b, "<>")
}

// try tries a form, in a new session if this one is worn out. A session that ends before
// its time, for the forms before this one as a rule, is not the end of the form.
func (p *probe) try(a *Attempt) {
	for again := false; ; again = true {
		fresh := p.session == nil || p.tried >= perSession
		if fresh {
			if err := p.connect(); err != nil {
				a.Outcome, a.Reply = Failed, err.Error()
				return
			}
		}
		p.tried++
		code, reply, err := p.session.offer(a.Mail, a.Rcpt)
		if err != nil || code == 421 {
			p.close()
			if p.tried > 1 && !again && !fresh {
				continue
			}
		}
		a.Outcome, a.Reply = p.judge(a.Rcpt, code, reply, err)
		return
	}
}

// judge says what an answer to RCPT means.
func (p *probe) judge(rcpt string, code int, reply string, err error) (Outcome, string) {
	switch {
	case err != nil:
		return Failed, err.Error()
	case code/100 == 2 && p.takesAny(rcpt):
		return Undecided, reply
	case code/100 == 2:
		return Accepted, reply
	case code/100 == 4:
		return Deferred, reply
	}
	return Refused, reply
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
