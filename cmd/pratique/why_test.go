package main

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pratique/journal"
	"pratique/message"
	"pratique/signing"
)

// recordMail writes a journal of four messages into a state folder: one that was
// signed, one refused by lint, one left unsigned, and one for which clamd was away.
func recordMail(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: record DIR")
	}
	at := time.Date(2026, 11, 28, 13, 0, 0, 0, time.UTC)
	j := journal.New(journal.DefaultOptions(), ts.MkAbs(args[0]), func() time.Time { return at }, slog.New(slog.DiscardHandler), nil)
	tell := func(queueID, sender string, o message.Outcome, change func(*message.Message)) {
		m := &message.Message{
			Client:  message.Client{Name: "app1.example.org", Addr: netip.MustParseAddr("10.0.0.7"), Helo: "app1", Login: "shop", TLS: "TLSv1.3"},
			QueueID: queueID, Sender: sender, Recipients: []message.Recipient{{Addr: "a@example.net"}}, BodySize: 1000, Began: at.Add(-20 * time.Millisecond),
			Notes: []message.Note{{Check: "access", Key: "admitted", Text: "network 10.0.0.0/8"}},
		}
		ts.Check(m.Header.Receive(message.NewField("Message-ID", " <"+queueID+"@example.org>")))
		for _, name := range []string{"access", "lint", "scanning", "signing"} {
			m.Checks = append(m.Checks, message.CheckRun{Check: name, State: message.CheckRan, Spent: time.Millisecond})
		}
		change(m)
		j.Observe(m, o)
		at = at.Add(time.Minute)
	}
	clean := message.Note{Check: "scanning", Key: "verdict", Text: "clean"}
	tell("4F0000001", "news@example.org", message.Outcome{}, func(m *message.Message) {
		m.Notes = append(m.Notes, clean, message.Note{Check: "signing", Key: "signed", Text: "d=example.org s=2026a a=rsa-sha256"})
	})
	tell("4F0000002", "shop@example.org", message.Outcome{Verdict: message.Refused, Check: "lint", Stage: message.StageHeader,
		Refusal: &message.Refusal{Code: 550, Enhanced: "5.6.0", Text: "M01 multipart without its boundary"}}, func(m *message.Message) {
		m.Checks[1].State, m.Checks[2].State, m.Checks[3].State = message.CheckDecided, message.CheckUnreached, message.CheckUnreached
		m.Report(message.Finding{Check: "lint", Rule: "M01", Action: "reject", Where: "body", Detail: "multipart/mixed without a boundary parameter"})
	})
	tell("4F0000003", "x\x1b[31m@shop.example", message.Outcome{}, func(m *message.Message) {
		m.Notes = append(m.Notes, clean, message.Note{Check: "signing", Key: "unsigned", Code: "no_key", Text: `no key for "shop.example"`})
	})
	tell("4F0000004", "", message.Outcome{Verdict: message.Tempfailed, Check: "scanning", Stage: message.StageEnd,
		Refusal: &message.Refusal{Code: 451, Enhanced: "4.3.0", Text: "scanning is temporarily unavailable, please try again later"}}, func(m *message.Message) {
		m.Checks[2].State, m.Checks[3].State = message.CheckBroke, message.CheckUnreached
		m.Failures = append(m.Failures, message.Failure{Check: "scanning", Stage: message.StageEnd, Err: errors.New("dial 127.0.0.1:3310: connection refused")})
	})
	ts.Check(j.Close(context.Background()))
}

// Each reason for which mail leaves unsigned has a hint of its own.
func TestEveryReasonHasAHint(t *testing.T) {
	hints := map[string]signing.Reason{}
	for _, reason := range signing.Reasons() {
		r := journal.Record{Verdict: "accepted", Unsigned: &journal.Unsigned{Reason: string(reason), Text: `no key for "shop.example"`}}
		hint := strings.Join(r.Hints(), " ")
		if hint == "" && reason != signing.NotPermitted {
			t.Errorf("%s has no hint", reason)
		}
		if other, ok := hints[hint]; ok && reason != signing.SignFailed {
			t.Errorf("%s has the hint of %s", reason, other)
		}
		hints[hint] = reason
	}
}
