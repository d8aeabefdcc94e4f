package rates

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// reader makes a Report of the file.
type reader struct {
	db     *sql.DB
	now    int64
	query  Query
	only   *matcher[struct{}]
	fresh  string // the column of new recipients, which older files do not have
	report Report
	at     map[string]map[string]int // kind, key: index of the row
}

func (r *reader) read(ctx context.Context, stateDir string) error {
	var version int
	if err := r.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("it has version %d, of a newer pratique; this one knows up to %d", version, len(migrations))
	}
	r.fresh = "new_recipients"
	if version < 2 { // until a daemon of this version opens it
		r.fresh = "0"
	}
	if err := r.sums(ctx); err != nil {
		return err
	}
	r.cut()
	if err := r.hourly(ctx); err != nil {
		return err
	}
	blocks, orders, _, err := ReadOrders(stateDir, time.Unix(r.now, 0))
	if err != nil {
		return err
	}
	r.report.Blocks = append([]Block{}, blocks...)
	return r.levels(ctx, newStanding(orders, time.Unix(r.now, 0)))
}

func (r *reader) wanted(key string) bool {
	if r.only == nil {
		return true
	}
	_, ok := r.only.find(key)
	return ok
}

// sums reads the rows, without hours and limits.
func (r *reader) sums(ctx context.Context) error {
	span := func(from string) string {
		return fmt.Sprintf(`sum(iif(second >= %[1]s, messages, 0)), sum(iif(second >= %[1]s, recipients, 0)), sum(iif(second >= %[1]s, %[2]s, 0)),
			sum(iif(second >= %[1]s, bytes, 0)), sum(iif(second >= %[1]s, refused, 0)), sum(iif(second >= %[1]s, tempfailed, 0))`, from, r.fresh)
	}
	rows, err := r.db.QueryContext(ctx, "SELECT kind, key, max(second), "+span("?1")+", "+span("?2")+
		" FROM counts WHERE second >= ?2 AND (?3 = '' OR kind = ?3) GROUP BY kind, key", r.now-hour, r.now-day, r.query.Kind)
	if err != nil {
		return err
	}
	defer rows.Close()
	var latest int64
	for rows.Next() {
		var row Row
		var at int64
		h, d := &row.Hour, &row.Day
		err := rows.Scan(&row.Kind, &row.Key, &at, &h.Messages, &h.Recipients, &h.NewRecipients, &h.Bytes, &h.Refused, &h.Tempfailed,
			&d.Messages, &d.Recipients, &d.NewRecipients, &d.Bytes, &d.Refused, &d.Tempfailed)
		if err != nil {
			return err
		}
		latest = max(latest, at)
		if r.wanted(row.Key) {
			r.report.Rows = append(r.report.Rows, row)
		}
	}
	if latest > 0 {
		r.report.Saved = time.Unix(latest, 0).UTC()
	}
	slices.SortFunc(r.report.Rows, compareRows)
	return rows.Err()
}

// cut leaves the first rows of each kind, and notes where they are.
func (r *reader) cut() {
	r.at = map[string]map[string]int{}
	kept := r.report.Rows[:0]
	for _, row := range r.report.Rows {
		of := r.at[row.Kind]
		if of == nil {
			of = map[string]int{}
			r.at[row.Kind] = of
		}
		if r.query.Top > 0 && len(of) == r.query.Top {
			if r.report.LeftOut == nil {
				r.report.LeftOut = map[string]int{}
			}
			r.report.LeftOut[row.Kind]++
			continue
		}
		of[row.Key] = len(kept)
		kept = append(kept, row)
	}
	r.report.Rows = kept
}

func (r *reader) hourly(ctx context.Context) error {
	current := r.now / hour
	rows, err := r.db.QueryContext(ctx, `SELECT kind, key, second / 3600, sum(messages), sum(recipients), sum(refused + tempfailed)
		FROM counts WHERE second >= ?1 AND (?2 = '' OR kind = ?2) GROUP BY kind, key, second / 3600`, (current-hours+1)*hour, r.query.Kind)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind, key string
		var at, messages, recipients, refused int64
		if err := rows.Scan(&kind, &key, &at, &messages, &recipients, &refused); err != nil {
			return err
		}
		i, ok := r.at[kind][key]
		if ago := current - at; ok && ago >= 0 && ago < hours {
			h := &r.report.Rows[i].Hourly
			h.Messages[hours-1-ago], h.Recipients[hours-1-ago], h.Refused[hours-1-ago] = messages, recipients, refused
		}
	}
	return rows.Err()
}

// levels holds every key against its limits.
func (r *reader) levels(ctx context.Context, st *standing) error {
	for k, l := range limitsOf(r.query.Limits) {
		if r.query.Kind != "" && r.query.Kind != kindNames[k] {
			continue
		}
		var lengths []int64
		for _, b := range l.bounds {
			if !slices.Contains(lengths, b.Every) {
				lengths = append(lengths, b.Every)
			}
		}
		for _, length := range lengths {
			if err := r.window(ctx, Kind(k), length, &l, st.resets[k]); err != nil {
				return err
			}
		}
	}
	r.report.Near = fullestOf(r.report.Near, len(r.report.Near))
	return nil
}

// window holds every key of a kind against its limits of one length.
func (r *reader) window(ctx context.Context, k Kind, length int64, l *limits, resets map[string]reset) error {
	rows, err := r.db.QueryContext(ctx, "SELECT key, sum(messages), sum(recipients), sum("+r.fresh+`), sum(bytes)
		FROM counts WHERE second >= ? AND kind = ? GROUP BY key`, r.now-length, k.String())
	if err != nil {
		return err
	}
	var full []Level // with when they free still to be told
	for rows.Next() {
		var key string
		var messages, recipients, fresh, bytes int64
		if err := rows.Scan(&key, &messages, &recipients, &fresh, &bytes); err != nil {
			return closing(rows, err)
		}
		b := bucket{messages: clamp(messages), recipients: clamp(recipients), newRecipients: clamp(fresh), bytes: uint64(max(bytes, 0))}
		i, shown := r.at[k.String()][key]
		if !shown && !r.wanted(key) {
			continue
		}
		reset := resets[key].since >= r.now-length
		for _, bound := range l.of(key) {
			if bound.Every != length {
				continue
			}
			v := level(&bound, key, b.of(bound.Count), 0, r.now)
			if reset || v.Share >= nearShare {
				full = append(full, v)
			} else if shown && v.Used > 0 {
				r.report.Rows[i].fuller(v)
			}
		}
	}
	if err := closing(rows, rows.Err()); err != nil {
		return err
	}
	for _, v := range full {
		if err := r.look(ctx, v, resets[v.Key].since); err != nil {
			return err
		}
	}
	return nil
}

func closing(rows *sql.Rows, err error) error {
	if closed := rows.Close(); err == nil {
		err = closed
	}
	return err
}

// fuller notes a level if it is the fullest of a row.
func (row *Row) fuller(v Level) {
	if row.Fullest == nil || v.Share > row.Fullest.Share {
		row.Fullest = &v
	}
}

// look reads what one key sent in a window, to tell a reset and when room comes.
func (r *reader) look(ctx context.Context, v Level, since int64) error {
	from := max(r.now-v.Every, since+1)
	rows, err := r.db.QueryContext(ctx, "SELECT second, messages, recipients, "+r.fresh+`, bytes
		FROM counts WHERE second >= ? AND kind = ? AND key = ? ORDER BY second`, from, v.Kind, v.Key)
	if err != nil {
		return err
	}
	var s series
	for rows.Next() {
		var at, messages, recipients, fresh, bytes int64
		if err := rows.Scan(&at, &messages, &recipients, &fresh, &bytes); err != nil {
			return closing(rows, err)
		}
		s = append(s, bucket{last: second(at), messages: clamp(messages), recipients: clamp(recipients), newRecipients: clamp(fresh),
			bytes: uint64(max(bytes, 0))})
	}
	if err := closing(rows, rows.Err()); err != nil {
		return err
	}
	b := Bound{Count: Count(index(countNames[:], v.Count)), Every: v.Every, Max: v.Max}
	v.Used = s.sum(b.Count, from)
	v.Share = float64(v.Used) / float64(v.Max)
	if oldest := s.frees(b.Count, from, excessOf(&b, v.Used)); oldest > 0 {
		v.Frees = oldest + v.Every + 1 - r.now
	}
	if i, ok := r.at[v.Kind][v.Key]; ok && v.Used > 0 {
		r.report.Rows[i].fuller(v)
	}
	if v.Share >= nearShare {
		r.report.Near = append(r.report.Near, v)
	}
	return nil
}
