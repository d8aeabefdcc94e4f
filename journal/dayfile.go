package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pratique/state"
)

// dayFile is one file, open for writing.
type dayFile struct {
	name fileName
	path string
	info os.FileInfo
	db   *sql.DB
	conn *sql.Conn // the only one: statements are prepared on it

	insertRecord, insertText, insertGap *sql.Stmt
	insertKeys, addSums                 [2]*sql.Stmt // of many rows at once, of one

	lastID int64            // of records
	hour   int64            // the latest one; those before it are trimmed
	texts  map[string]int64 // the ids of texts that were written of late
	nextID int64            // of texts
	known  map[sumSpan][]map[string]bool
}

// sumSpan is a stretch of time whose keys are bounded.
type sumSpan struct{ span, start int64 }

const (
	mostTexts  = 4096 // remembered; one that is forgotten is written once more
	keysAtOnce = 50   // in a statement
	sumsAtOnce = 20   // in a statement
	pageSize   = 4096 // octets, SQLite's default
	mostSpans  = 6    // whose keys are remembered
	sameTime   = 1e6  // microseconds in which a clock may stand still, or go back a little
)

// errForeign is the error of a file that another version has made.
var errForeign = errors.New("it is no journal of this version")

// openDayFile opens a file or makes it.
func openDayFile(dir string, name fileName) (*dayFile, error) {
	path, err := filepath.Abs(name.in(dir))
	if err != nil {
		return nil, err
	}
	f := &dayFile{name: name, path: path, texts: map[string]int64{}, known: map[sumSpan][]map[string]bool{}}
	f.db, err = state.OpenDatabase(path, "busy_timeout(1000)", "synchronous(NORMAL)", "journal_size_limit(33554432)", "cache_size(-8192)")
	if err != nil {
		return nil, err
	}
	if f.info, err = os.Stat(path); err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	if err := f.prepare(context.Background()); err != nil {
		return f, fmt.Errorf("open %s: %w", path, err)
	}
	return f, nil
}

// prepare makes the tables, if there are none, and the statements.
func (f *dayFile) prepare(ctx context.Context) (err error) {
	if f.conn, err = f.db.Conn(ctx); err != nil {
		return err
	}
	if err := f.checkVersion(ctx); err != nil {
		return err
	}
	if _, err := f.conn.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	if err := f.transact(ctx, f.migrate); err != nil {
		return err
	}
	if err := f.conn.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) + 1 FROM texts").Scan(&f.nextID); err != nil {
		return err
	}
	for _, s := range []struct {
		into **sql.Stmt
		text string
	}{
		{&f.insertRecord, "INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)"},
		{&f.insertText, "INSERT INTO texts VALUES (?, ?)"},
		{&f.insertGap, "INSERT INTO gaps VALUES (?, ?, ?)"},
		{&f.insertKeys[0], insertKeys(keysAtOnce)},
		{&f.insertKeys[1], insertKeys(1)},
		{&f.addSums[0], addSums(sumsAtOnce)},
		{&f.addSums[1], addSums(1)},
	} {
		if *s.into, err = f.conn.PrepareContext(ctx, s.text); err != nil {
			return err
		}
	}
	return nil
}

func insertKeys(rows int) string {
	return "INSERT OR IGNORE INTO keys VALUES (?, ?)" + strings.Repeat(", (?, ?)", rows-1)
}

func addSums(rows int) string {
	const row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	return "INSERT INTO sums VALUES " + row + strings.Repeat(", "+row, rows-1) + ` ON CONFLICT DO UPDATE SET
		messages = messages + excluded.messages, accepted = accepted + excluded.accepted, held = held + excluded.held,
		refused = refused + excluded.refused, tempfailed = tempfailed + excluded.tempfailed,
		recipients = recipients + excluded.recipients, bytes = bytes + excluded.bytes`
}

// checkVersion looks at the file before anything in it is changed: one of another version is left alone.
func (f *dayFile) checkVersion(ctx context.Context) error {
	var version, tables int
	if err := f.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if err := f.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if version != schemaVersion && (version != 0 || tables > 0) {
		return fmt.Errorf("%w: version %d in place of %d", errForeign, version, schemaVersion)
	}
	return nil
}

// migrate makes the tables. It writes even if there is nothing to do: a file that
// can't be written is to be found out now.
func (f *dayFile) migrate(ctx context.Context) error {
	if _, err := f.conn.ExecContext(ctx, schema); err != nil {
		return err
	}
	if _, err := f.conn.ExecContext(ctx, "DELETE FROM sums WHERE span = ?", aDay); err != nil { // the day goes on
		return err
	}
	_, err := f.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
	return err
}

func (f *dayFile) transact(ctx context.Context, do func(context.Context) error) error {
	if _, err := f.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do(ctx)
	if err == nil {
		_, err = f.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = f.conn.ExecContext(ctx, "ROLLBACK") // SQLite may have done so; the connection is given up anyway
	}
	return err
}

// write writes records of the day of the file, whole or not at all.
func (f *dayFile) write(records []*Record, gaps []Gap) error {
	ctx := context.Background() // bounded by busy_timeout; a batch is never given up half way
	err := f.transact(ctx, func(ctx context.Context) error { return f.fill(ctx, records, gaps) })
	if err != nil {
		f.texts, f.known = map[string]int64{}, map[sumSpan][]map[string]bool{} // what they say may not have been written
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	return nil
}

// keyRow is a row of the table of keys.
type keyRow struct {
	key int32
	id  int64
}

func (f *dayFile) fill(ctx context.Context, records []*Record, gaps []Gap) error {
	var keys []keyRow
	var hashes []int32
	sums := added{}
	var failed error
	admit := func(span, start int64, dimension int, key string) string {
		admitted, err := f.admit(ctx, sumSpan{span, start}, dimension, key)
		failed = errors.Join(failed, err)
		return admitted
	}
	for _, r := range records {
		if err := f.insert(ctx, r); err != nil {
			return err
		}
		hashes = r.keys(hashes[:0])
		for _, h := range hashes {
			keys = append(keys, keyRow{h, r.ID})
		}
		sums.record(r, admit)
	}
	if failed != nil {
		return failed
	}
	if hour := floor(records[0].Time.Unix(), anHour); hour > f.hour {
		if err := f.trim(ctx, hour); err != nil {
			return err
		}
		f.hour = hour
	}
	if err := f.writeKeys(ctx, keys); err != nil {
		return err
	}
	if err := f.writeSums(ctx, sums); err != nil {
		return err
	}
	for _, g := range gaps {
		if _, err := f.insertGap.ExecContext(ctx, g.Since.UnixMicro(), g.Until.UnixMicro(), g.Records); err != nil {
			return err
		}
	}
	return nil
}

// insert writes a record, and gives it its id.
func (f *dayFile) insert(ctx context.Context, r *Record) error {
	client, told, own, err := r.encode()
	if err != nil {
		return &uselessError{err}
	}
	clientID, err := f.text(ctx, client)
	if err != nil {
		return err
	}
	toldID, err := f.text(ctx, told)
	if err != nil {
		return err
	}
	verdict := slices.Index(verdicts[:], r.Verdict)
	r.ID = r.Time.UnixMicro()
	if r.ID <= f.lastID && f.lastID-r.ID < sameTime {
		r.ID = f.lastID + 1
	}
	for ; ; r.ID++ {
		result, err := f.insertRecord.ExecContext(ctx, r.ID, r.QueueID, r.MessageID, r.Sender, verdict, clientID, toldID, own)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 1 {
			f.lastID = r.ID
			return err
		}
	}
}

// text returns the id of a text, which is written if it was not of late.
func (f *dayFile) text(ctx context.Context, text string) (int64, error) {
	if id, ok := f.texts[text]; ok {
		return id, nil
	}
	id := f.nextID
	if _, err := f.insertText.ExecContext(ctx, id, text); err != nil {
		return 0, err
	}
	f.nextID++
	if len(f.texts) >= mostTexts {
		clear(f.texts)
	}
	f.texts[text] = id
	return id, nil
}

// writeKeys writes them in order, so that those that lie together are written together.
func (f *dayFile) writeKeys(ctx context.Context, keys []keyRow) error {
	slices.SortFunc(keys, func(a, b keyRow) int {
		if a.key != b.key {
			return int(int64(a.key) - int64(b.key))
		}
		return int(a.id - b.id)
	})
	return inRows(ctx, f.insertKeys, keysAtOnce, keys, func(args []any, k keyRow) []any { return append(args, int64(k.key), k.id) })
}

func (f *dayFile) writeSums(ctx context.Context, sums added) error {
	return inRows(ctx, f.addSums, sumsAtOnce, slices.SortedFunc(maps.Keys(sums), compareSums), func(args []any, k sumKey) []any {
		s := sums[k]
		return append(args, k.span, k.dimension, k.key, k.start, s.Messages, s.Accepted, s.Held, s.Refused, s.Tempfailed, s.Recipients, s.Bytes)
	})
}

// inRows executes a statement of many rows as often as there are as many left, and
// then the one of one row: each execution costs more than a row.
func inRows[T any](ctx context.Context, statements [2]*sql.Stmt, many int, rows []T, values func(args []any, row T) []any) error {
	var args []any
	for len(rows) > 0 {
		n, statement := 1, statements[1]
		if len(rows) >= many {
			n, statement = many, statements[0]
		}
		args = args[:0]
		for _, row := range rows[:n] {
			args = values(args, row)
		}
		if _, err := statement.ExecContext(ctx, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// admit returns the key under which a sum is kept: itself, or Other once the span has all that it may.
func (f *dayFile) admit(ctx context.Context, span sumSpan, dimension int, key string) (string, error) {
	known, ok := f.known[span]
	if !ok {
		var err error
		if known, err = f.knownKeys(ctx, span); err != nil {
			return "", err
		}
		if len(f.known) >= mostSpans {
			clear(f.known)
		}
		f.known[span] = known
	}
	of := known[dimension]
	if of[key] {
		return key, nil
	}
	if len(of) >= keysAnHour {
		return Other, nil
	}
	of[key] = true
	return key, nil
}

// knownKeys reads the keys that a span has.
func (f *dayFile) knownKeys(ctx context.Context, span sumSpan) ([]map[string]bool, error) {
	known := make([]map[string]bool, len(dimensions))
	for i := range known {
		known[i] = map[string]bool{}
	}
	rows, err := f.conn.QueryContext(ctx, "SELECT dimension, key FROM sums WHERE span = ? AND start = ?", span.span, span.start)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var dimension int
		var key string
		if err := rows.Scan(&dimension, &key); err != nil {
			return nil, err
		}
		if dimension >= 0 && dimension < len(known) {
			known[dimension][key] = true
		}
	}
	return known, rows.Err()
}

// size returns the octets of the file as it will be when its write-ahead log is in it.
func (f *dayFile) size() int64 {
	var pages int64
	if err := f.conn.QueryRowContext(context.Background(), "PRAGMA page_count").Scan(&pages); err != nil {
		return 0 // the next write will meet it, too
	}
	return pages * pageSize
}

// gone reports whether somebody has removed the file, or put another one in its
// place: what is written into it now would be found by nobody.
func (f *dayFile) gone() bool {
	info, err := os.Stat(f.path)
	return err != nil || !os.SameFile(info, f.info)
}

// boundLog keeps the write-ahead log below so many octets, give or take a batch.
func (f *dayFile) boundLog(octets int64) error {
	_, err := f.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", octets/pageSize))
	return err
}

func (f *dayFile) close() error {
	var err error
	for _, s := range []*sql.Stmt{f.insertRecord, f.insertText, f.insertGap, f.insertKeys[0], f.insertKeys[1], f.addSums[0], f.addSums[1]} {
		if s != nil { // SQLite keeps a connection alive as long as it has statements
			err = errors.Join(err, s.Close())
		}
	}
	if f.conn != nil {
		err = errors.Join(err, f.conn.Close())
	}
	return errors.Join(err, f.db.Close())
}
