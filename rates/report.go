package rates

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"pratique/state"
)

// Report is what was sent, by whom and to where.
type Report struct {
	At      time.Time      `json:"at"`
	Saved   time.Time      `json:"saved"`              // the latest mail that is in the file; zero if there is none
	Rows    []Row          `json:"rows"`               // by kind, and in a kind by recipients in the last 24 hours, most first
	LeftOut map[string]int `json:"left_out,omitempty"` // rows of a kind that are not in Rows, because of Top
	Near    []Level        `json:"near"`               // limits of which any key has used four fifths, the fullest first
	Blocks  []Block        `json:"blocks"`             // keys whose mail is refused
}

// Row is one key.
type Row struct {
	Kind    string `json:"kind"` // client, login, sender, sender_domain, recipient_domain or total
	Key     string `json:"key"`
	Hour    Sums   `json:"hour"`    // the last hour
	Day     Sums   `json:"day"`     // the last 24 hours
	Hourly  Hourly `json:"hourly"`  // the last 24 hours of the clock
	Fullest *Level `json:"fullest"` // the limit of which the key has used most; nil: it has none, or has used nothing
}

// Sums are what one key did in a span of time, and up to a twelfth of it earlier.
type Sums struct {
	Messages      int64 `json:"messages"`       // that left
	Recipients    int64 `json:"recipients"`     // of those
	NewRecipients int64 `json:"new_recipients"` // of those, that the key had not written to; counted per login, sender and total, and where a limit does
	Bytes         int64 `json:"bytes"`          // of those
	Refused       int64 `json:"refused"`        // messages refused for good, or discarded
	Tempfailed    int64 `json:"tempfailed"`     // messages that the client may try again
}

// Hourly are sums by the hour, the oldest first; the last hour is not over yet.
type Hourly struct {
	Messages   [hours]int64 `json:"messages"`
	Recipients [hours]int64 `json:"recipients"`
	Refused    [hours]int64 `json:"refused"` // and tempfailed
}

// Query says what is to be reported. The zero Query is everything, without limits.
type Query struct {
	Kind   string  // "": all
	Key    string  // a pattern such as "10.0.0.0/8"; "": all. It takes a Kind
	Top    int     // so many rows of a kind; 0: all
	Limits Options // against which keys are held
}

// nearShare is how much of a limit is used when it is near.
const nearShare = 0.8

// Read reports from the file in the state folder, whether or not a daemon is
// writing it. If there is no file yet, the error is fs.ErrNotExist.
func Read(stateDir string, q Query) (Report, error) { return read(stateDir, time.Now(), q) }

func read(stateDir string, now time.Time, q Query) (Report, error) {
	only, err := q.matcher()
	if err != nil {
		return Report{}, err
	}
	path, err := filepath.Abs(filepath.Join(stateDir, fileName))
	if err != nil {
		return Report{}, fmt.Errorf("find the state folder: %w", err)
	}
	db, err := state.ReadDatabase(path, state.Quiet(path), "busy_timeout(1000)")
	if err != nil {
		return Report{}, fmt.Errorf("read the counts: %w", err)
	}
	r := reader{db: db, now: now.Unix(), query: q, only: only, report: Report{At: now.UTC().Truncate(time.Second), Rows: []Row{}, Near: []Level{}}}
	if err = errors.Join(r.read(context.Background(), stateDir), db.Close()); err != nil {
		return Report{}, fmt.Errorf("read the counts in %s: %w", path, err)
	}
	return r.report, nil
}

// matcher returns what keys of which kind are asked for; nil: all.
func (q Query) matcher() (*matcher[struct{}], error) {
	k := index(kindNames[:], q.Kind)
	if q.Kind != "" && k < 0 {
		return nil, fmt.Errorf("%q is none of %s", q.Kind, strings.Join(kindNames[:], ", "))
	}
	if q.Key == "" {
		return nil, nil
	}
	p, err := parsePattern(Kind(max(k, 0)), q.Key, longestIPv6)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", q.Kind, q.Key, err)
	}
	if one, ok := p.counted(max(q.Limits.IPv6Prefix, shortestIPv6)); ok {
		p = one
	}
	m := newMatcher[struct{}](Kind(max(k, 0)))
	m.add(p, struct{}{})
	return m, nil
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
