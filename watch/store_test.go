package watch

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/watch/maillog"
)

func TestTidy(t *testing.T) {
	f := newFixture(t)
	f.sent(10, "a@example.org", "b@example.net")
	f.ingest(notice("a@example.org", "", "m1@example.org", "b@example.net", "failed", "5.1.1", ""))
	f.logs("AAAAAA1111: to=<c@example.net>, relay=mx[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (ok)")
	f.clock = f.clock.Add(time.Hour)
	f.sent(5, "a@example.org", "b@example.net")
	f.clock = f.clock.Add(10 * day)
	f.check(f.Tidy(t.Context(), 30*day))
	f.check(f.Tidy(t.Context(), 30*day))
	r, err := f.Report(t.Context(), f.clock.Add(-12*day))
	f.check(err)
	var rows int
	f.check(f.db.QueryRow("SELECT count(*) FROM sent WHERE dimension = 'total'").Scan(&rows))
	if r.Sent.Recipients != 15 || rows != 1 || r.Bounces.Unverified != 1 || r.Deliveries[0].Sent != 1 {
		t.Errorf("after ten days: %+v, %d rows", r, rows)
	}
	f.clock = f.clock.Add(30 * day)
	f.check(f.Tidy(t.Context(), 30*day))
	for _, table := range []string{"events", "sent", "attempts", "ingested", "hosts"} {
		f.check(f.db.QueryRow("SELECT count(*) FROM " + table).Scan(&rows))
		if rows != 0 {
			t.Errorf("%s has %d rows after 41 days", table, rows)
		}
	}
}

// What was sent, and what came back for it, is of the same span also where only whole
// days are told apart.
func TestReportBeginsWithADay(t *testing.T) {
	f := newFixture(t)
	f.left(Sent{MessageID: "m1@example.org", Sender: "news@example.org", Domains: []string{"example.net"}})
	f.sent(100, "news@example.org", "b@example.net")
	f.ingest(notice("news@example.org", "", "m1@example.org", "b@example.net", "failed", "5.1.1", "no such user"))
	sent := f.clock
	f.clock = f.clock.Add(5 * day)
	f.check(f.Tidy(t.Context(), 30*day))
	for name, since := range map[string]time.Time{"an hour before": sent.Add(-time.Hour), "an hour later, on the same day": sent.Add(time.Hour)} {
		r, err := f.Report(t.Context(), since)
		f.check(err)
		if r.Sent.Recipients != 100 || r.Bounces.Failed != 1 || r.From != "2026-11-28T00:00:00Z" {
			t.Errorf("%s: since %s %d bounces of %d", name, r.From, r.Bounces.Failed, r.Sent.Recipients)
		}
	}
	if r := f.report(); r.From != "2026-12-02T14:00:00Z" {
		t.Errorf("of the last day: since %s", r.From)
	}
}

// What is kept outlives a restart, a damaged file does not, and a lost key is said.
func TestOpen(t *testing.T) {
	f := newFixture(t)
	f.ingest(notice("a@example.org", "", "m1@example.org", "b@example.net", "failed", "5.1.1", ""))
	f.check(f.Deliveries(t.Context(), nil, "/log", nil, maillog.Position{Inode: 1, Offset: 2}))
	f.reopen()
	pos, err := f.Position(t.Context(), "/log")
	f.check(err)
	if pos != (maillog.Position{Inode: 1, Offset: 2}) || f.report().Bounces.Unverified != 1 {
		t.Errorf("after a restart: %+v, %s", pos, f.all())
	}
	reader, err := OpenReader(t.Context(), f.dir, f.now)
	f.check(err)
	r, err := reader.Report(t.Context(), f.clock.Add(-day))
	if err != nil || r.Bounces.Unverified != 1 {
		t.Errorf("a reader: %+v, %v", r, err)
	}
	if _, err := reader.Ingest(t.Context(), nil, []byte("x")); err == nil {
		t.Error("a reader writes")
	}
	f.check(reader.Close())
	f.check(f.Store.Close())
	f.Store = nil

	path := filepath.Join(f.dir, fileName)
	f.check(os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600))
	f.reopen()
	if f.all() != "" {
		t.Errorf("after damage: %s", f.all())
	}
	aside, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(aside) == 0 {
		t.Errorf("nothing was set aside: %v", err)
	}
	f.check(os.WriteFile(filepath.Join(f.dir, keyName), []byte("short"), 0o600))
	if _, err := Open(t.Context(), f.dir, f.now, nil); err == nil || !strings.Contains(err.Error(), "5 octets") {
		t.Errorf("a damaged key: %v", err)
	}
}

// A file of the first version is brought up to date, with what is in it.
func TestOpenOld(t *testing.T) {
	f := newFixture(t)
	f.ingest(notice("a@example.org", "", "m1@example.org", "b@example.net", "failed", "5.1.1", ""))
	was := f.all()
	for _, step := range []string{"DROP INDEX events_dead", "DROP INDEX events_queue_id", "ALTER TABLE events DROP COLUMN dead", "ALTER TABLE events DROP COLUMN proven",
		"DROP TABLE envelopes", "DROP INDEX dmarc_source", "DROP INDEX tls_failure", "ALTER TABLE events DROP COLUMN dead_domain", "PRAGMA user_version = 1"} {
		_, err := f.db.Exec(step)
		f.check(err)
	}
	f.reopen()
	f.expect(was)
	f.leftTo(Sent{QueueID: "AAAAAA1111", Domains: []string{"example.net"}}, "gone@example.net")
	f.logs("AAAAAA1111: to=<gone@example.net>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host said: 550 5.1.1 no such user)")
	var gone Gone
	f.check(gone.Load(t.Context(), f.Store, day))
	if gone.Size() != 1 {
		t.Errorf("%d are gone", gone.Size())
	}
}
