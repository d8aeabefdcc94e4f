package journal

import (
	"context"
	"fmt"
	"math"
)

// seal sums up the day of a file that is done with, from its hours: a question about
// many days then reads one row for each key and day, in place of 24. The keys with most
// messages stay apart.
func (f *dayFile) seal() error {
	ctx := context.Background()
	day, _ := f.name.span()
	err := f.transact(ctx, func(ctx context.Context) error {
		if err := f.trim(ctx, math.MaxInt64); err != nil {
			return err
		}
		for dimension := range dimensions {
			totals, err := f.totals(ctx, "span = ? AND dimension = ?", anHour, dimension)
			if err != nil {
				return err
			}
			if err := f.writeSums(ctx, ranked(totals, keysADay, sumKey{span: aDay, dimension: dimension, start: day.Unix()})); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sum up %s: %w", f.path, err)
	}
	return nil
}

// ranked are sums under one span and dimension: so many keys apart, those with most
// messages, and the rest under Other.
func ranked(totals []Total, most int, under sumKey) added {
	sums := added{}
	apart := 0
	for _, t := range totals {
		if t.Key != Other {
			apart++
		}
		under.key = t.Key
		if apart > most {
			under.key = Other
		}
		s := sums[under]
		s.add(t.Sums)
		sums[under] = s
	}
	return sums
}

// trim leaves of the hours before a time the keys with most messages. While an hour
// lasts, more are told apart: nobody knows yet which of them will grow.
func (f *dayFile) trim(ctx context.Context, before int64) error {
	hours, err := f.crowded(ctx, before)
	if err != nil {
		return err
	}
	const one = "span = ? AND dimension = ? AND start = ?"
	for _, h := range hours {
		totals, err := f.totals(ctx, one, h.span, h.dimension, h.start)
		if err != nil {
			return err
		}
		if _, err := f.conn.ExecContext(ctx, "DELETE FROM sums WHERE "+one, h.span, h.dimension, h.start); err != nil {
			return err
		}
		if err := f.writeSums(ctx, ranked(totals, keysAPastHour, h)); err != nil {
			return err
		}
	}
	return nil
}

// crowded returns the hours and dimensions with more keys than a past hour keeps.
func (f *dayFile) crowded(ctx context.Context, before int64) ([]sumKey, error) {
	rows, err := f.conn.QueryContext(ctx, `SELECT dimension, start FROM sums WHERE span = ? AND start < ?
		GROUP BY dimension, start HAVING count(*) > ?`, anHour, before, keysAPastHour+1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var hours []sumKey
	for rows.Next() {
		h := sumKey{span: anHour}
		if err := rows.Scan(&h.dimension, &h.start); err != nil {
			return nil, err
		}
		hours = append(hours, h)
	}
	return hours, rows.Err()
}

// totals adds up sums by their keys, most messages first.
func (f *dayFile) totals(ctx context.Context, where string, args ...any) ([]Total, error) {
	rows, err := f.conn.QueryContext(ctx, "SELECT key, "+sumColumns+" FROM sums WHERE "+where+" GROUP BY key ORDER BY 2 DESC, 1", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var totals []Total
	for rows.Next() {
		var t Total
		if err := rows.Scan(&t.Key, &t.Messages, &t.Accepted, &t.Held, &t.Refused, &t.Tempfailed, &t.Recipients, &t.Bytes); err != nil {
			return nil, err
		}
		totals = append(totals, t)
	}
	return totals, rows.Err()
}

// sealBefore seals the file before one that was just begun, as far as that was not done.
func (s *store) sealBefore(current fileName) {
	names, err := list(s.dir)
	if err != nil {
		return // the next write meets it
	}
	for _, name := range names { // newest first
		if name == current || name.day > current.day {
			continue
		}
		if err := s.sealFile(name); err != nil {
			s.log.Warn("journal: a day could not be summed up; questions about it take longer", "file", name.in(s.dir), "error", err)
		}
		return
	}
}

func (s *store) sealFile(name fileName) error {
	file, err := openToRead(context.Background(), name, name.in(s.dir), false)
	if err != nil {
		return err
	}
	sealed, usable := file.sealed, file.usable
	if err := file.db.Close(); err != nil || sealed || !usable {
		return err
	}
	f, err := openDayFile(s.dir, name)
	if err != nil {
		return err
	}
	if err := f.seal(); err != nil {
		_ = f.close() // nothing was written
		return err
	}
	return f.close()
}
