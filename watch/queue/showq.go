package queue

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// showq is the service of Postfix that lists the queue, at a Unix socket in the
// queue's folder "public", which the group postdrop may enter.
//
// What it writes was read off Postfix 3.7 (src/showq/showq.c, attr_print0(3)):
// attributes "name NUL value NUL"; an empty name ends a group. The first group
// names the protocol, each further one is a message with its recipients, and an
// empty group ends the list. Postfix before 3.1 wrote a text instead.
type showq struct{ socket string }

func (s showq) Name() string { return "postfix, showq at " + s.socket }

func (s showq) Each(ctx context.Context, visit func(*Entry) error) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", s.socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err = readShowq(conn, visit)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Bounds of what showq may write.
const (
	maxAttribute  = 64 << 10
	maxRecipients = 100_000 // of a message
)

var errShowq = errors.New("showq does not speak the protocol of Postfix 3.1 and later")

func readShowq(r io.Reader, visit func(*Entry) error) error {
	a := attributes{bufio.NewReaderSize(r, 64<<10)}
	greeted := false
	for {
		name, value, err := a.next()
		switch {
		case err != nil:
			return err
		case !greeted && (name != "protocol" || value != "mail_queue_list_protocol"):
			// Postfix before 3.6 did not name its protocol.
			if name != "queue_name" {
				return errShowq
			}
			greeted = true
		case !greeted:
			greeted = true
			if name, _, err = a.next(); err != nil || name != "" {
				return errors.Join(errShowq, err)
			}
			continue
		}
		if name == "" {
			return nil
		}
		if err := a.message(name, value, visit); err != nil {
			return err
		}
	}
}

type attributes struct{ r *bufio.Reader }

// next reads an attribute, or an empty name at the end of a group.
func (a attributes) next() (name, value string, err error) {
	if name, err = a.text(); err != nil || name == "" {
		return name, "", err
	}
	value, err = a.text()
	return name, value, err
}

// text reads up to a NUL. What is too long is cut.
func (a attributes) text() (string, error) {
	var long []byte
	for {
		part, err := a.r.ReadSlice(0)
		if err == nil && long == nil {
			return string(part[:len(part)-1]), nil
		}
		if len(long) < maxAttribute {
			long = append(long, part...)
		}
		switch {
		case err == nil:
			return string(long[:len(long)-1]), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return "", fmt.Errorf("the list of the queue is cut off: %w", io.ErrUnexpectedEOF)
		default:
			return "", err
		}
	}
}

// message reads the rest of a group that began with this attribute.
func (a attributes) message(name, value string, visit func(*Entry) error) error {
	var e Entry
	for name != "" {
		switch name {
		case "queue_name":
			e.Queue = value
		case "queue_id":
			e.ID = value
		case "time":
			seconds, _ := strconv.ParseInt(value, 10, 64)
			e.Arrived = time.Unix(seconds, 0)
		case "size":
			e.Size, _ = strconv.ParseInt(value, 10, 64)
		case "sender":
			e.Sender = fromPostfix(value)
		case "recipient":
			if len(e.Recipients) < maxRecipients {
				e.Recipients = append(e.Recipients, Recipient{Address: value})
			}
		case "reason":
			if n := len(e.Recipients); n > 0 {
				e.Recipients[n-1].Reason = value
			}
		}
		var err error
		if name, value, err = a.next(); err != nil {
			return err
		}
	}
	return visit(&e)
}

// fromPostfix returns a sender as an envelope has it: Postfix shows the null sender
// as MAILER-DAEMON (empty_address_recipient).
func fromPostfix(sender string) string {
	if sender == "MAILER-DAEMON" {
		return ""
	}
	return sender
}
