package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pratique/access"
	"pratique/configs"
	"pratique/lint"
	"pratique/message"
)

// TestSenderRuleFiles plays the files of A09, which access judges by, as a client that
// is bound to some senders sends them: their envelope sender is in X-Sender.
func TestSenderRuleFiles(t *testing.T) {
	opts := access.DefaultOptions()
	opts.Senders = []access.SenderRule{{Logins: []string{"shop"}, Allow: []string{"shop.example", "*.shop.example", "info@example.org"}}}
	who, err := access.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../../lint/testdata/rules/A09/*.eml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files, %v", err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := bytes.Cut(content, []byte("\nX-Sender: "))
		sender, _, _ := bytes.Cut(rest, []byte("\n"))
		m := &message.Message{Sender: string(sender), Client: message.Client{Login: "shop"}}
		err = who.Admit(context.Background(), m)
		if err == nil {
			err = message.Play(context.Background(), who, m, bytes.NewReader(content), io.Discard)
		}
		found := slices.ContainsFunc(m.Findings, func(f message.Finding) bool { return f.Rule == "A09" && f.Action == "reject" && f.Where != "" })
		if bad := strings.HasPrefix(filepath.Base(path), "bad-"); (err != nil) != bad || found != bad {
			t.Errorf("%s: %v, %+v", filepath.Base(path), err, m.Findings)
		}
	}
}

// TestSenderRuleActions: what access does by A09 is set where all rules are.
func TestSenderRuleActions(t *testing.T) {
	for action, refused := range map[string]bool{"": true, "reject": true, "warn": false, "observe": false, "off": false} {
		cfg := configs.Default()
		cfg.Access.Senders = []access.SenderRule{{Networks: []string{"127.0.0.0/8"}, Allow: []string{"shop.example"}}}
		if action != "" {
			cfg.Lint.Rules = map[string]string{"A09": action}
		}
		if got := lint.Action(actions(cfg.Lint)["A09"]); action != "" && got != lint.Action(action) || action == "" && got != lint.Reject {
			t.Errorf("%q: the rule is at %q", action, got)
		}
		who, err := gate(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		m := &message.Message{Sender: "ceo@bank.example", Client: message.Client{Local: true}}
		if err := who.Admit(context.Background(), m); (err != nil) != refused {
			t.Errorf("%q: %v", action, err)
		}
	}
}
