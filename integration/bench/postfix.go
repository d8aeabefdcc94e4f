package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"pratique/integration/harness"
	"pratique/milter/miltertest"
)

// postfixed is a private Postfix before a milter, or before none: itself a
// thing to be measured, by SMTP. CPU time and memory are the milter's alone.
func postfixed(ctx context.Context, s *site, sink *harness.Sink, behind *running) (*running, error) {
	dir, err := os.MkdirTemp(s.dir, "p")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	o := harness.PostfixOptions{Relay: sink.Addr(), Set: map[string]string{"message_size_limit": "0"}}
	if behind != nil {
		o.Milter = behind.postfixAddr()
	}
	p, err := harness.StartPostfix(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	r := &running{name: "no milter", addr: p.Addr(), close: p.Close, open: openSMTP(p)}
	if behind != nil {
		r.name, r.root = behind.name, behind.root
	}
	return r, nil
}

// postfixAddr is the address as smtpd_milters has it.
func (r *running) postfixAddr() string {
	if r.network == "tcp" {
		return "inet:" + r.addr
	}
	return "unix:" + r.addr
}

// smtpSession sends each letter on an SMTP session of its own, as smtp-source(1) does.
type smtpSession struct{ postfix *harness.Postfix }

func openSMTP(p *harness.Postfix) func(*running) (session, error) {
	return func(*running) (session, error) { return smtpSession{p}, nil }
}

func (s smtpSession) send(m miltertest.Mail) (time.Duration, error) {
	began := time.Now()
	answer, err := harness.Send(context.Background(), s.postfix.Addr(), "", harness.Mail{
		From: m.From, To: []string{m.Recipients[0].Addr}, Data: raw(m),
	})
	if err == nil && !answer.Accepted() {
		err = fmt.Errorf("the letter was answered %s", answer)
	}
	return time.Since(began), err
}

// close waits until the queue is empty, so that nobody works off another's mail.
func (s smtpSession) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		queued, err := s.postfix.Queue(ctx)
		if err != nil || len(queued) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// musterPostfix puts a Postfix before each of the subjects, and one before none.
func musterPostfix(ctx context.Context, s *site, sink *harness.Sink, subjects []*running) ([]*running, error) {
	var all []*running
	for _, behind := range append([]*running{nil}, subjects...) {
		r, err := postfixed(ctx, s, sink, behind)
		if err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
		all = append(all, r)
	}
	return all, nil
}
