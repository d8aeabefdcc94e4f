package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/mail"
	"time"

	"pratique/configs"
	"pratique/journal"
	"pratique/message"
	"pratique/rates"
	"pratique/telemetry/alerts"
	"pratique/watch"
)

// whyFile plays a stored message through the checks that serve would have, and tells
// what would become of it. Nothing is sent or counted.
func whyFile(e *env, cfg *configs.Config, o *whyOptions) (int, error) {
	file, err := e.open(o.eml)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, message.MaxHeaderBytes)
	m, err := o.envelope(e, in)
	if err != nil {
		return 0, err
	}
	record, err := playWhole(e, cfg, m, in)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", o.eml, err)
	}
	status := exitClean
	if record.Verdict != message.Accepted.String() && record.Verdict != message.Passed.String() {
		status = exitFindings
	}
	if o.asJSON {
		return status, printRecords(e.stdout, []journal.Record{*record})
	}
	fmt.Fprintf(e.stdout, "It would be %s\n(played: neither sent nor counted; limits are judged by what is counted so far)\n\n", record.Headline())
	return status, record.WriteDetails(e.stdout, time.Local)
}

// envelope is the message as it would come from the MTA, without what is in the
// file. A sender that was not named is the first address in From.
func (o *whyOptions) envelope(e *env, in *bufio.Reader) (*message.Message, error) {
	addr, err := o.address()
	if err != nil {
		return nil, err
	}
	m := &message.Message{
		Client: message.Client{Addr: addr, Name: "[" + addr.String() + "]", Helo: "why.invalid", Login: o.query.Login, Local: o.query.Client == "local"},
		Sender: o.query.Sender, Began: e.now(),
	}
	switch m.Sender {
	case "":
		m.Sender = fromOf(in)
	case "<>":
		m.Sender = ""
	}
	if o.rcpt != "" {
		m.Recipients = []message.Recipient{{Addr: o.rcpt}}
	}
	return m, nil
}

// fromOf looks ahead at the From field of a message; "" if there is none that can be read.
func fromOf(in *bufio.Reader) string {
	head, _ := in.Peek(message.MaxHeaderBytes) // a message that is shorter gives what there is
	parsed, err := mail.ReadMessage(bytes.NewReader(head))
	if err != nil {
		return ""
	}
	from, err := parsed.Header.AddressList("From")
	if err != nil {
		return ""
	}
	return from[0].Address
}

// playWhole plays a message as it stands in the envelope through gate and checks.
func playWhole(e *env, cfg *configs.Config, m *message.Message, in io.Reader) (*journal.Record, error) {
	ctx := context.Background()
	quiet := slog.New(slog.DiscardHandler) // what there is to say is in the record
	counts, err := rates.OpenCopy(ctx, cfg.State, e.now, quiet)
	if err != nil {
		return nil, err
	}
	defer counts.Close()
	full, _, err := withStoredKeys(cfg, openKeys(e, cfg))
	if err != nil {
		return nil, err
	}
	opts := full.Journal
	opts.Recipients, opts.Subject = "addresses", true // nothing of it is kept
	observer := &recorder{opts: opts, now: e.now}
	a, err := assemble(full, linting(full, e.now), counts, nil, []message.Observer{observer}, alerts.NewOwn(alerts.NewSeal("", e.now)), new(watch.Gone), quiet, e.now)
	if err != nil {
		return nil, err
	}
	answer := a.pipeline.Admit(ctx, m)
	if answer == nil {
		answer = message.Play(ctx, a.pipeline.Checks, m, in, nil)
	}
	var refusal *message.Refusal
	var discard *message.Discard
	if answer != nil && !errors.As(answer, &refusal) && !errors.As(answer, &discard) && !errors.Is(answer, message.ErrPass) {
		return nil, answer // the file could not be read
	}
	a.pipeline.Tell(m, message.OutcomeOf(m, answer))
	return observer.record, nil
}

// recorder is an observer that makes a record and keeps it.
type recorder struct {
	opts   journal.Options
	now    func() time.Time
	record *journal.Record
}

func (r *recorder) Observe(m *message.Message, o message.Outcome) {
	r.record = journal.NewRecord(m, o, r.now(), r.opts)
}
