package journal

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bucket is the traffic of a span of time.
type Bucket struct {
	Start time.Time `json:"start"`
	Sums
	Outcomes map[string]int64 `json:"outcomes"` // messages by the keys of ByOutcome
}

// Traffic returns the traffic between two times in buckets of so much each, oldest
// first and without gaps. A step is a multiple of five minutes that divides a day,
// and buckets begin at multiples of it (UTC); the first one is that in which since
// lies.
func (r *Reader) Traffic(ctx context.Context, since, until time.Time, step time.Duration) ([]Bucket, error) {
	if err := checkStep(since, until, step); err != nil {
		return nil, err
	}
	width := int64(step / time.Second)
	span := int64(fiveMinutes)
	if width%anHour == 0 {
		span = anHour
	}
	from := floor(since.Unix(), width)
	buckets := make([]Bucket, 0, (until.Unix()-from)/width+1)
	for at := from; at < until.Unix(); at += width {
		buckets = append(buckets, Bucket{Start: time.Unix(at, 0).UTC(), Outcomes: map[string]int64{}})
	}
	query := "SELECT start / ?1 * ?1, key, " + sumColumns + ` FROM sums
		WHERE span = ?2 AND dimension = ?3 AND start >= ?4 AND start < ?5 GROUP BY 1, 2`
	err := r.each(ctx, time.Unix(from, 0), until, func(f *readFile) (bool, error) {
		return false, eachSum(ctx, f.db, query, []any{width, span, indexOf(ByOutcome), from, until.Unix()}, func(start int64, key string, s Sums) {
			b := &buckets[(start-from)/width]
			b.add(s)
			b.Outcomes[key] += s.Messages
		})
	})
	return buckets, err
}

// mostBuckets bounds what one question may ask for.
const mostBuckets = 20_000

func checkStep(since, until time.Time, step time.Duration) error {
	switch {
	case step < fiveMinutes*time.Second || step%(fiveMinutes*time.Second) != 0 || (aDay*time.Second)%step != 0:
		return fmt.Errorf("traffic in steps of %v: a step is a multiple of 5m that divides a day", step)
	case until.Sub(since)/step > mostBuckets:
		return fmt.Errorf("traffic in steps of %v over %v: that is more than %d buckets", step, until.Sub(since), mostBuckets)
	}
	return nil
}

const sumColumns = "sum(messages), sum(accepted), sum(held), sum(refused), sum(tempfailed), sum(recipients), sum(bytes)"

func eachSum(ctx context.Context, db *sql.DB, query string, args []any, each func(start int64, key string, s Sums)) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var start int64
		var key string
		var s Sums
		if err := rows.Scan(&start, &key, &s.Messages, &s.Accepted, &s.Held, &s.Refused, &s.Tempfailed, &s.Recipients, &s.Bytes); err != nil {
			return err
		}
		each(start, key, s)
	}
	return rows.Err()
}

// Total is what the messages of one key sum up to.
type Total struct {
	Key string `json:"key"`
	Sums
}

// Top returns the keys of a dimension with most messages between two times, at most
// n, or all of them with n 0. The times are rounded down and up to whole hours of
// UTC. Under Other is what came when there were too many keys to tell apart: 1,000
// in the hour that lasts, and of those before the 250 with most messages.
func (r *Reader) Top(ctx context.Context, d Dimension, since, until time.Time, n int) ([]Total, error) {
	dimension := indexOf(d)
	if dimension < 0 {
		return nil, fmt.Errorf("%q is none of the dimensions of the journal", d)
	}
	from, to := floor(since.Unix(), anHour), floor(until.Unix()+anHour-1, anHour)
	sums := map[string]Sums{}
	query := "SELECT 0, key, " + sumColumns + " FROM sums WHERE span = ? AND dimension = ? AND start >= ? AND start < ? GROUP BY key"
	err := r.each(ctx, time.Unix(from, 0), time.Unix(to, 0), func(f *readFile) (bool, error) {
		args := []any{f.spanFor(from, to), dimension, from, to}
		return false, eachSum(ctx, f.db, query, args, func(_ int64, key string, s Sums) {
			total := sums[key]
			total.add(s)
			sums[key] = total
		})
	})
	totals := make([]Total, 0, len(sums))
	for key, s := range sums {
		totals = append(totals, Total{key, s})
	}
	slices.SortFunc(totals, compareTotals)
	if n > 0 {
		totals = first(totals, n)
	}
	return totals, err
}

// spanFor returns which sums of the file are to be added up for a span of time:
// those of its day, if that lies in it and is over.
func (f *readFile) spanFor(from, to int64) int64 {
	since, until := f.name.span()
	if f.sealed && since.Unix() >= from && until.Unix() <= to {
		return aDay
	}
	return anHour
}

// compareTotals sorts by messages, most first, and what has no key of its own last.
func compareTotals(a, b Total) int {
	if (a.Key == Other) != (b.Key == Other) {
		if a.Key == Other {
			return 1
		}
		return -1
	}
	if c := cmp.Compare(b.Messages, a.Messages); c != 0 {
		return c
	}
	return strings.Compare(a.Key, b.Key)
}
