package journal

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkScale asks a journal of many days what the command line and the page ask
// it. By itself it is small; the figures of docs/journal.md come from
//
//	JOURNAL_SCALE=30x1000000 JOURNAL_DIR=/var/tmp/scale go test ./journal -run '^$' -bench Scale -benchtime 10x -timeout 3h
//
// which makes 12 GB in JOURNAL_DIR, once: what is there already is used again.
func BenchmarkScale(b *testing.B) {
	days, perDay := 3, 10_000
	if scale := os.Getenv("JOURNAL_SCALE"); scale != "" {
		if n, err := fmt.Sscanf(scale, "%dx%d", &days, &perDay); n != 2 {
			b.Fatalf("JOURNAL_SCALE=%s: %v", scale, err)
		}
	}
	dir := os.Getenv("JOURNAL_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	end := start.Truncate(24 * time.Hour)
	for day := range days {
		makeDay(b, dir, end.AddDate(0, 0, day-days), perDay)
	}
	known := someIDs(b, dir, end.AddDate(0, 0, -1))
	oldest := someIDs(b, dir, end.AddDate(0, 0, -days))
	ctx, now := context.Background(), end.Add(-9*time.Hour) // days that are cut take longer than whole ones
	for _, q := range []struct {
		name string
		ask  func(r *Reader) (int, error)
	}{
		{"why, of yesterday", func(r *Reader) (int, error) { return finds(r.Find(ctx, known[0])) }},
		{"why, of the oldest day", func(r *Reader) (int, error) { return finds(r.Find(ctx, oldest[0])) }},
		{"why, by Message-ID", func(r *Reader) (int, error) { return finds(r.Find(ctx, oldest[1])) }},
		{"why, unknown", func(r *Reader) (int, error) { _, err := r.Find(ctx, "ABCDEF"); return 1, err }},
		{"how far it goes", func(r *Reader) (int, error) { e, err := r.Extent(ctx); return int(e.Bytes >> 20), err }},
		{"last 50", func(r *Reader) (int, error) { return finds(r.Search(ctx, Query{})) }},
		{"last 50 refused", func(r *Reader) (int, error) { return finds(r.Search(ctx, Query{Verdicts: []string{Refused}})) }},
		{"last 50 of a client", func(r *Reader) (int, error) { return finds(r.Search(ctx, Query{Client: "10.1.0.3"})) }},
		{"last 50 of a rare login", func(r *Reader) (int, error) { return finds(r.Search(ctx, Query{Login: "login1999"})) }},
		{"last 50 to a rare domain", func(r *Reader) (int, error) {
			return finds(r.Search(ctx, Query{RecipientDomain: "receiver9876.example"}))
		}},
		{"last 50 refused of a client", func(r *Reader) (int, error) {
			return finds(r.Search(ctx, Query{Client: "10.1.0.3", Verdicts: []string{Refused}}))
		}},
		{"last 50 with a rule", func(r *Reader) (int, error) { return finds(r.Search(ctx, Query{Rule: "H07"})) }},
		{"last 50 with a text", func(r *Reader) (int, error) { return finds(r.Search(ctx, Query{Text: "room again in 7 min"})) }},
		{"the page: 24 h", func(r *Reader) (int, error) { return page(ctx, r, now.AddDate(0, 0, -1), now, 5*time.Minute) }},
		{"the page: 7 days", func(r *Reader) (int, error) { return page(ctx, r, now.AddDate(0, 0, -7), now, time.Hour) }},
		{"the page: 30 days", func(r *Reader) (int, error) { return page(ctx, r, now.AddDate(0, 0, -30), now, 24*time.Hour) }},
	} {
		b.Run(q.name, func(b *testing.B) {
			for _, how := range []string{"opened anew", "kept open"} {
				b.Run(how, func(b *testing.B) { askAgain(b, dir, how == "kept open", q.ask) })
			}
		})
	}
}

func finds(records []Record, err error) (int, error) { return len(records), err }

// page asks all that one page shows.
func page(ctx context.Context, r *Reader, since, until time.Time, step time.Duration) (int, error) {
	buckets, err := r.Traffic(ctx, since, until, step)
	n := 0
	for _, b := range buckets {
		n += int(b.Messages)
	}
	for _, d := range dimensions {
		if err == nil {
			_, err = r.Top(ctx, d, since, until, 10)
		}
	}
	return n, err
}

func askAgain(b *testing.B, dir string, keep bool, ask func(*Reader) (int, error)) {
	var worst time.Duration
	var n int
	r := reader(b, dir)
	for b.Loop() {
		if !keep {
			r.Close()
			r = reader(b, dir)
		}
		began := time.Now()
		var err error
		if n, err = ask(r); err != nil {
			b.Fatal(err)
		}
		worst = max(worst, time.Since(began))
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
	b.ReportMetric(float64(n), "found")
	if n == 0 {
		b.Error("found nothing")
	}
}

// makeDay writes a day of messages, if it is not there.
func makeDay(b *testing.B, dir string, day time.Time, n int) {
	b.Helper()
	name := fileName{day: dayOf(day)}
	if _, err := os.Stat(name.in(folder(dir))); err == nil {
		return
	}
	if err := os.MkdirAll(folder(dir), dirMode); err != nil {
		b.Fatal(err)
	}
	f, err := openDayFile(folder(dir), name)
	if err != nil {
		b.Fatal(err)
	}
	for _, hurry := range []string{"synchronous = OFF", "journal_mode = DELETE", "journal_mode = OFF", "cache_size = -200000"} {
		if _, err := f.conn.ExecContext(context.Background(), "PRAGMA "+hurry); err != nil {
			b.Fatal(err)
		}
	}
	opts := DefaultOptions()
	g := newTraffic(uint64(day.Unix()))
	at, began := day, time.Now()
	for done := 0; done < n; {
		var batch []*Record
		for range min(20_000, n-done) { // many at once take less time, and the file is the same
			at = at.Add(24 * time.Hour / time.Duration(n))
			m, o := g.next(at)
			batch = append(batch, take(m, o, at.Add(-time.Millisecond), &opts).record())
		}
		if err := f.write(batch, nil); err != nil {
			b.Fatal(err)
		}
		done += len(batch)
	}
	if _, err := f.conn.ExecContext(context.Background(), "PRAGMA journal_mode = WAL"); err != nil {
		b.Fatal(err)
	}
	if err := f.close(); err != nil {
		b.Fatal(err)
	}
	b.Logf("%s: %d records in %v, %.1f octets each", name, n, time.Since(began).Round(time.Millisecond), float64(f.size())/float64(n))
}

// someIDs returns a queue id and a Message-ID of a day.
func someIDs(b *testing.B, dir string, day time.Time) []string {
	b.Helper()
	var ids [2]string
	f, err := openToRead(context.Background(), fileName{day: dayOf(day)}, fileName{day: dayOf(day)}.in(folder(dir)), true)
	if err != nil {
		b.Fatal(err)
	}
	defer f.db.Close()
	err = f.db.QueryRow("SELECT queue_id, message_id FROM records WHERE id > ? ORDER BY id LIMIT 1", day.Add(12*time.Hour).UnixMicro()).Scan(&ids[0], &ids[1])
	if err != nil {
		b.Fatal(err)
	}
	return ids[:]
}

// BenchmarkSustained observes 2,000 messages a second for JOURNAL_SECONDS, 1 unless
// set, and fails if a record is lost.
func BenchmarkSustained(b *testing.B) {
	seconds, _ := strconv.Atoi(os.Getenv("JOURNAL_SECONDS"))
	for b.Loop() {
		sustain(b, 2000, max(seconds, 1))
	}
}

// sustain observes so many messages a second, and holds that each is written.
func sustain(t testing.TB, perSecond, seconds int) {
	t.Helper()
	messages, outcomes := sample(1000)
	dir := t.TempDir()
	opts := DefaultOptions()
	j := New(opts, dir, time.Now, quiet(), nil)
	began, most := time.Now(), 0
	var waits []time.Duration
	for n := range perSecond * seconds {
		if ahead := time.Duration(n)*time.Second/time.Duration(perSecond) - time.Since(began); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
		at := time.Now()
		j.Observe(messages[n%1000], outcomes[n%1000])
		waits = append(waits, time.Since(at))
		most = max(most, len(j.store.entries))
	}
	closeJournal(t, j)
	stats := j.Stats()[storeSQLite]
	if stats.Lost > 0 || stats.Written != int64(perSecond*seconds) {
		t.Errorf("written %d of %d, lost %d", stats.Written, perSecond*seconds, stats.Lost)
	}
	slices.Sort(waits)
	t.Logf("%d records in %v; at most %d waited; Observe took %v at the median, %v at most", stats.Written,
		time.Since(began).Round(time.Millisecond), most, waits[len(waits)/2], waits[len(waits)-1])
	var stored int
	if err := countRecords(dir, &stored); err != nil || stored != perSecond*seconds {
		t.Errorf("%d records are stored, error %v", stored, err)
	}
}

func countRecords(dir string, n *int) error {
	names, err := list(folder(dir))
	for _, name := range names {
		db, openErr := sql.Open("sqlite", name.in(folder(dir)))
		if openErr != nil {
			return openErr
		}
		var in int
		if err = db.QueryRow("SELECT count(*) FROM records").Scan(&in); err != nil {
			return err
		}
		*n += in
		db.Close()
	}
	return err
}
