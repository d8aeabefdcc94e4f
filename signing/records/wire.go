package records

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// wire asks one server one question.
type wire struct{ timeout time.Duration }

// tries is how often a question is put: a datagram may get lost.
const tries = 2

// udpSize is the largest answer that is asked for by UDP: it passes everywhere in
// one piece (DNS Flag Day 2020). What is larger comes by TCP.
const udpSize = 1232

// ask returns a server's answer, whatever it says. The error says in words why
// there is none.
func (w wire) ask(ctx context.Context, addr, name string, kind uint16, recurse bool) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(name, kind)
	question.RecursionDesired = recurse
	question.SetEdns0(udpSize, false)
	return w.put(ctx, addr, question)
}

// put is ask for a question in all its details.
func (w wire) put(ctx context.Context, addr string, question *dns.Msg) (*dns.Msg, error) {
	var answer *dns.Msg
	var err error
	for range tries {
		answer, err = w.exchange(ctx, addr, question)
		if err == nil || noRoute(err) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, w.inWords(err)
	}
	return answer, nil
}

// exchange puts a question once: by UDP, by TCP if the answer was too long for
// that, and without EDNS if the server does not know it (RFC 6891 7).
func (w wire) exchange(ctx context.Context, addr string, question *dns.Msg) (*dns.Msg, error) {
	answer, err := w.send(ctx, "udp", addr, question)
	if err == nil && answer.Rcode == dns.RcodeFormatError && question.IsEdns0() != nil {
		question = question.Copy()
		question.Extra = nil
		answer, err = w.send(ctx, "udp", addr, question)
	}
	if err == nil && answer.Truncated {
		if answer, err = w.send(ctx, "tcp", addr, question); err != nil {
			return nil, fmt.Errorf("its answer is too long for UDP, and by TCP: %w", w.inWords(err))
		}
		if answer.Truncated {
			return nil, errors.New("its answer is truncated even by TCP")
		}
	}
	return answer, err
}

func (w wire) send(ctx context.Context, network, addr string, question *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	client := dns.Client{Net: network, Timeout: w.timeout}
	answer, _, err := client.ExchangeContext(ctx, question, addr)
	if answer != nil && answer.Truncated && network == "udp" {
		return answer, nil // that it can't be read to its end is no wonder
	}
	if err != nil {
		return nil, err
	}
	if !answer.Response || !answers(answer, question) {
		return nil, errors.New("it answers another question than the one that was put")
	}
	return answer, nil
}

// answers holds an answer to its question. A server that could not read the
// question need not repeat it.
func answers(answer, question *dns.Msg) bool {
	if len(answer.Question) != 1 {
		return len(answer.Question) == 0 && answer.Rcode == dns.RcodeFormatError
	}
	a, b := answer.Question[0], question.Question[0]
	return strings.EqualFold(a.Name, b.Name) && a.Qtype == b.Qtype && a.Qclass == b.Qclass
}

// noRoute reports that this machine has no way to an address of that kind.
func noRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// worded is an error in our words, that stands for another one.
type worded struct {
	text  string
	cause error
}

func (w *worded) Error() string { return w.text }
func (w *worded) Unwrap() error { return w.cause }

// inWords says what an administrator wants to know of a failed exchange: which
// server it was with is said elsewhere, and our own ports are of no interest.
func (w wire) inWords(err error) error {
	var timeout net.Error
	var broken *dns.Error
	switch {
	case errors.As(err, new(*worded)), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &worded{fmt.Sprintf("no answer in time (%d tries of %v)", tries, w.timeout), err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &worded{"nothing listens there", err}
	case noRoute(err):
		return &worded{"this machine has no route to it", err}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return &worded{"it closed the connection", err}
	case errors.As(err, &broken):
		return &worded{"its answer can't be read: " + broken.Error(), err}
	}
	return err
}
