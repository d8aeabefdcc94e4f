package rates

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Report is what was sent, by whom and to where.
type Report struct {
	At    time.Time `json:"at"`
	Saved time.Time `json:"saved"` // the latest mail that is in the file; zero if there is none
	Rows  []Row     `json:"rows"`  // by kind, and in a kind by recipients in the last 24 hours, most first
}

// Row is one key.
type Row struct {
	Kind string `json:"kind"` // client, login, sender, sender_domain, recipient_domain or total
	Key  string `json:"key"`
	Hour Sums   `json:"hour"` // the last hour
	Day  Sums   `json:"day"`  // the last 24 hours
}

// Sums are what one key did in a span of time, and up to a twelfth of it earlier.
type Sums struct {
	Messages   int64 `json:"messages"`   // that left
	Recipients int64 `json:"recipients"` // of those
	Bytes      int64 `json:"bytes"`      // of those
	Refused    int64 `json:"refused"`    // messages refused for good, or discarded
	Tempfailed int64 `json:"tempfailed"` // messages that the client may try again
}

// Read reports from the file in the state folder, whether or not a daemon is
// writing it. If there is no file yet, the error is fs.ErrNotExist.
func Read(stateDir string) (Report, error) { return read(stateDir, time.Now()) }

func read(stateDir string, now time.Time) (Report, error) {
	path, err := filepath.Abs(filepath.Join(stateDir, fileName))
	if err != nil {
		return Report{}, fmt.Errorf("find the state folder: %w", err)
	}
	db, err := openReadOnly(path)
	if err != nil {
		return Report{}, fmt.Errorf("read the counts: %w", err)
	}
	report, err := query(context.Background(), db, now)
	if err = errors.Join(err, db.Close()); err != nil {
		return Report{}, fmt.Errorf("read the counts in %s: %w", path, err)
	}
	return report, nil
}

// openReadOnly opens the file without ever writing. After a clean stop there is
// no write-ahead log, and SQLite can't read a file in WAL mode without making
// one unless it is told that nobody is going to write.
func openReadOnly(path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	parameters := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(1000)"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		parameters.Set("immutable", "1")
	}
	db, err := sql.Open("sqlite", dsn(path, parameters))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// sums is one span of time in the report: what is not older than the parameter.
const sums = `
	sum(iif(second >= ?1, messages, 0)), sum(iif(second >= ?1, recipients, 0)), sum(iif(second >= ?1, bytes, 0)),
	sum(iif(second >= ?1, refused, 0)), sum(iif(second >= ?1, tempfailed, 0)),
	sum(messages), sum(recipients), sum(bytes), sum(refused), sum(tempfailed)`

func query(ctx context.Context, db *sql.DB, now time.Time) (Report, error) {
	report := Report{At: now.UTC().Truncate(time.Second), Rows: []Row{}}
	rows, err := db.QueryContext(ctx, `SELECT kind, key, max(second), `+sums+` FROM counts WHERE second >= ?2 GROUP BY kind, key`,
		now.Unix()-hour, now.Unix()-day)
	if err != nil {
		return Report{}, err
	}
	defer rows.Close()
	var latest int64
	for rows.Next() {
		var r Row
		var at int64
		h, d := &r.Hour, &r.Day
		err := rows.Scan(&r.Kind, &r.Key, &at, &h.Messages, &h.Recipients, &h.Bytes, &h.Refused, &h.Tempfailed,
			&d.Messages, &d.Recipients, &d.Bytes, &d.Refused, &d.Tempfailed)
		if err != nil {
			return Report{}, err
		}
		latest = max(latest, at)
		report.Rows = append(report.Rows, r)
	}
	if latest > 0 {
		report.Saved = time.Unix(latest, 0).UTC()
	}
	slices.SortFunc(report.Rows, compareRows)
	return report, rows.Err()
}

func compareRows(a, b Row) int {
	if a.Kind != b.Kind {
		return index(kindNames[:], a.Kind) - index(kindNames[:], b.Kind)
	}
	if c := cmp.Compare(b.Day.Recipients, a.Day.Recipients); c != 0 {
		return c
	}
	return strings.Compare(a.Key, b.Key)
}

// Write writes the report as a table.
func (r Report) Write(w io.Writer) error {
	if len(r.Rows) == 0 {
		_, err := fmt.Fprintln(w, "nothing was sent or refused in the last 24 hours")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "messages 1h\t24h\trecipients 1h\t24h\tbytes 1h\t24h\trefused 24h\ttempfailed 24h\t  per")
	for _, row := range r.Rows {
		h, d := row.Hour, row.Day
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%s\t%s\t%d\t%d\t  %s %s\n", h.Messages, d.Messages, h.Recipients, d.Recipients,
			octets(h.Bytes), octets(d.Bytes), d.Refused, d.Tempfailed, row.Kind, Printable(row.Key))
	}
	fmt.Fprintf(table, "latest mail: %s\n", r.Saved.Format(time.DateTime+" MST"))
	return table.Flush()
}

// Printable keeps a key from doing things to a terminal.
func Printable(key string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, key)
}

// octets writes a number of octets for people, in powers of 1000.
func octets(n int64) string {
	value, units := float64(n), []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	for value >= 999.95 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	if units[0] == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}
