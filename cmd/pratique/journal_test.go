package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/journal"
	"pratique/message"
)

// Every message has a record, also in the file of JSON lines that a reload named.
func TestTheDaemonKeepsAJournal(t *testing.T) {
	dir := t.TempDir()
	lines := filepath.Join(dir, "journal.json")
	makeKey(t, dir, "a.pem")
	makeKey(t, dir, "b.pem")
	s := stand(t, fmt.Sprintf(twoDomains, dir))
	s.told("<first@example.org>")

	config := filepath.Join(s.dir, "p.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	more := fmt.Sprintf("[journal]\njson = %q\nstore = \"\"\n", lines)
	if err := os.WriteFile(config, append(text, more...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	s.says(`msg="this change takes effect at the next start" key=journal.store`)
	s.told("<second@example.org>")
	if err := s.closeJournal(); err != nil {
		t.Fatal(err)
	}
	s.measures(`pratique_journal_records_written_total{store="sqlite"} 2`)
	s.measures(`pratique_journal_records_written_total{store="json"} 1`)
	s.measures(`pratique_journal_records_lost_total{store="sqlite"} 0`)

	written, err := os.ReadFile(lines)
	if err != nil || strings.Count(string(written), "\n") != 1 || !strings.Contains(string(written), `"message_id":"second@example.org"`) {
		t.Errorf("%s has %q, error %v", lines, written, err)
	}
	reader, err := journal.OpenReader(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	found, err := reader.Find(context.Background(), "second@example.org")
	if err != nil || len(found) != 1 || found[0].Verdict != "accepted" || len(found[0].Signatures) != 1 || found[0].Time.Sub(s.at).Abs() > time.Hour {
		t.Errorf("found %+v, error %v", found, err)
	}
}

// told plays a message through the daemon's pipeline, and tells how it ended.
func (s *standing) told(id string) {
	s.Helper()
	letter := "From: a@example.org\r\nTo: b@example.net\r\nSubject: x\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: " + id + "\r\n\r\nHello.\r\n"
	m := &message.Message{
		Client: message.Client{Addr: netip.MustParseAddr("127.0.0.1"), Name: "localhost"}, Sender: "a@example.org",
		Recipients: []message.Recipient{{Addr: "b@example.net"}}, Began: s.now(),
	}
	pipeline := s.current.Load()
	err := pipeline.Admit(s.Context(), m)
	if err == nil {
		err = message.Play(s.Context(), pipeline.Checks, m, strings.NewReader(letter), nil)
	}
	pipeline.Tell(m, message.OutcomeOf(m, err))
}
