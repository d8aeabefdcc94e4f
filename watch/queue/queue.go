// Package queue looks into the MTA's queue: Postfix's by its showq service or by
// postqueue(1), sendmail's by its qf files or by mailq. One look reads every
// message once and keeps counts only, in bounded memory. It judges nothing: what
// size is too much, and what is unusual, is for others.
package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The queues of a message.
const (
	Active   = "active"
	Deferred = "deferred"
	Hold     = "hold"
	Incoming = "incoming"
	Maildrop = "maildrop" // handed in by sendmail(1), not yet looked at
	Corrupt  = "corrupt"  // set aside by Postfix, because it can't be read
)

// Queues returns the names of all queues, in the order in which they are shown.
func Queues() []string { return []string{Active, Deferred, Hold, Incoming, Maildrop, Corrupt} }

// Entry is one message in a queue.
type Entry struct {
	Queue      string
	ID         string
	Arrived    time.Time
	Size       int64
	Sender     string // "" for the null sender
	Recipients []Recipient
}

// Recipient is one recipient that a message still waits for.
type Recipient struct {
	Address string
	Reason  string // why it was deferred, "" if it was not tried yet
}

// Source is a queue that can be looked at.
type Source interface {
	// Name says where it looks, such as "postfix, showq at /var/spool/postfix/public/showq".
	Name() string
	// Each calls visit for each message. An Entry is valid during the call only.
	Each(ctx context.Context, visit func(*Entry) error) error
}

// ErrNone is wrapped by the error of Open if there is no MTA to look at.
var ErrNone = errors.New("no queue of an MTA was found")

// first is the first source that can be read. What the earlier ones lacked is told
// if none can.
type first []Source

func (f first) Name() string { return f[0].Name() }

// Each tries the sources in turn. One that broke after it gave something is not
// followed by another: messages would count twice.
func (f first) Each(ctx context.Context, visit func(*Entry) error) error {
	_, err := f.each(ctx, visit)
	return err
}

func (f first) each(ctx context.Context, visit func(*Entry) error) (used Source, err error) {
	var failed error
	for _, source := range f {
		began := false
		err := source.Each(ctx, func(e *Entry) error {
			began = true
			return visit(e)
		})
		if err == nil || began || ctx.Err() != nil {
			return source, err
		}
		failed = errors.Join(failed, fmt.Errorf("%s: %w", source.Name(), err))
	}
	return f[0], failed
}
