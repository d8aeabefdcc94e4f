package main

import (
	"context"
	"log/slog"
	"net/netip"
	"os/exec"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pratique/message"
	"pratique/rates"
)

// statusOf is the command "status N COMMAND ARGS…": the command ends with that status.
func statusOf(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// countMail is the command "countmail DIR": mail is counted in a state folder.
func countMail(ts *testscript.TestScript, _ bool, args []string) {
	store, err := rates.Open(context.Background(), ts.MkAbs(args[0]), time.Now, slog.New(slog.DiscardHandler))
	ts.Check(err)
	counted, err := rates.New(store, nil, rates.DefaultOptions())
	ts.Check(err)
	for client, sends := range map[string][]int{"10.0.0.1": {2, 2, 2, 2, 2, 2}, "10.0.0.2": {3, 3}, "10.0.0.3": {1}} {
		for _, recipients := range sends {
			m := &message.Message{Client: message.Client{Addr: netip.MustParseAddr(client)}, Sender: "a@example.org", BodySize: 100}
			for range recipients {
				m.Recipients = append(m.Recipients, message.Recipient{Addr: "x@example.net"})
			}
			counted.Observe(m, message.Outcome{Verdict: message.Accepted})
		}
	}
	ts.Check(store.Close())
}
