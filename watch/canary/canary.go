// Package canary sends a marked message through the MTA as any other mail goes,
// takes it in where it arrives, and judges what became of it: whether its
// signatures verify and are aligned, what its header gives away, how long it took.
//
// What does not live here: when it is sent, what is done about a bad one, and
// where the configuration is read.
package canary

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"pratique/signing"
)

// Status is how one thing stands.
type Status string

// The statuses, from the best to the worst.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is what was found about one thing.
type Finding struct {
	Code   string `json:"code"` // sent, arrived, delay, signature, alignment, content or leak
	Status Status `json:"status"`
	Text   string `json:"text"`
}

// Result is what became of one canary.
type Result struct {
	Token    string        `json:"token"`
	Sent     time.Time     `json:"sent"`
	Reply    string        `json:"reply,omitempty"` // of the MTA, which names its queue id
	Delay    time.Duration `json:"delay"`           // until it arrived; 0: it did not
	Findings []Finding     `json:"findings"`
}

// Status is the worst of the findings.
func (r *Result) Status() Status {
	worst := OK
	for _, f := range r.Findings {
		if f.Status == Fail || f.Status == Warn && worst == OK {
			worst = f.Status
		}
	}
	return worst
}

func (r *Result) add(code string, status Status, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{code, status, fmt.Sprintf(format, args...)})
}

// Env is what a canary has of the world.
type Env struct {
	Now    func() time.Time
	Lookup signing.LookupTXT
	// Leaks names what the header of a message, as it arrived, gives away; nil: not looked at.
	Leaks func(message []byte) []string
	Helo  string // name of this host
}

// tokenOctets make a token that nobody guesses, so that nobody plays a canary.
const tokenOctets = 16

// Fly sends a canary and waits for it. Whatever goes wrong with the message is in
// the Result; the error is one of taking part at all: the sink can't listen, or
// the Maildir can't be read.
func Fly(ctx context.Context, o Options, e Env) (*Result, error) {
	nest, err := o.nest()
	if err != nil {
		return nil, err
	}
	defer nest.close()
	var random [tokenOctets]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("make the mark of a canary: %w", err)
	}
	r := &Result{Token: hex.EncodeToString(random[:]), Sent: e.Now()}
	letter := compose(o, r.Token, e.Helo, r.Sent)
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if r.Reply, err = send(ctx, o, e.Helo, letter); err != nil {
		r.add("sent", Fail, "%s did not take it: %v", o.MTA, err)
		return r, nil
	}
	r.add("sent", OK, "%s took it: %s", o.MTA, r.Reply)
	arrived, err := nest.await(ctx, []byte(markField+": "+r.Token))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		r.add("arrived", Fail, "it did not arrive within %v", o.Timeout)
		return r, nil
	case err != nil:
		return nil, err
	}
	r.Delay = e.Now().Sub(r.Sent)
	r.judge(ctx, o, e, letter, arrived)
	return r, nil
}

// A nest is where canaries arrive.
type nest interface {
	// await returns the message whose header has the mark as a line. Others are left alone.
	await(ctx context.Context, mark []byte) ([]byte, error)
	close()
}

// bears reports whether the header of a message has a line that is the mark.
func bears(message, mark []byte) bool {
	for line := range bytes.Lines(message) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return false
		}
		if bytes.EqualFold(line, mark) {
			return true
		}
	}
	return false
}
