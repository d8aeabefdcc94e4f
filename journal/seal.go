package journal

import (
	"context"
	"fmt"
)

// seal sums up the day of a file that is done with, from its hours: a question about
// many days then reads one row for each key and day, in place of 24. The keys with most
// messages stay apart.
func (f *dayFile) seal() error {
	ctx := context.Background()
	day, _ := f.name.span()
	err := f.transact(ctx, func(ctx context.Context) error {
		for dimension := range dimensions {
			totals, err := f.total(ctx, dimension)
			if err != nil {
				return err
			}
			sums := added{}
			apart := 0
			for _, t := range totals {
				if t.Key != Other {
					apart++
				}
				if apart > keysADay {
					t.Key = Other
				}
				k := sumKey{aDay, dimension, t.Key, day.Unix()}
				s := sums[k]
				s.add(t.Sums)
				sums[k] = s
			}
			if err := f.writeSums(ctx, sums); err != nil {
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

// total adds up the hours of the file, most messages first.
func (f *dayFile) total(ctx context.Context, dimension int) ([]Total, error) {
	rows, err := f.conn.QueryContext(ctx, "SELECT key, "+sumColumns+` FROM sums WHERE span = ? AND dimension = ?
		GROUP BY key ORDER BY 2 DESC`, anHour, dimension)
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
