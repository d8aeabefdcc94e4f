package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pratique/state"
)

// Reader reads the journal of a state folder, whether or not a daemon is writing
// it. It never writes. It is safe for concurrent use.
type Reader struct {
	dir  string
	mu   sync.Mutex
	open map[fileName]*readFile
}

// OpenReader returns a reader of the journal in a state folder. If there is no
// journal, the error is fs.ErrNotExist.
func OpenReader(stateDir string) (*Reader, error) {
	dir, err := filepath.Abs(folder(stateDir))
	if err != nil {
		return nil, fmt.Errorf("find the journal: %w", err)
	}
	if _, err := os.ReadDir(dir); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	return &Reader{dir: dir, open: map[fileName]*readFile{}}, nil
}

// Close closes the files.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	for _, f := range r.open {
		err = errors.Join(err, f.db.Close())
	}
	clear(r.open)
	return err
}

// readFile is a file, open for reading.
type readFile struct {
	name   fileName
	db     *sql.DB
	inode  os.FileInfo
	quiet  bool // nobody was writing it when it was opened
	usable bool // it is of our version
	sealed bool // it has the sums of its day
}

// How reading uses files.
const (
	readersAtOnce = 2 // of one file
	filesAtOnce   = 8 // that are looked into for an id
	readIdle      = time.Minute
)

// file returns a file, open. The error is fs.ErrNotExist if it is gone, or of another version.
func (r *Reader) file(ctx context.Context, name fileName) (*readFile, error) {
	path := name.in(r.dir)
	info, err := os.Stat(path)
	if err != nil {
		r.forget(name)
		return nil, err
	}
	quiet := state.Quiet(path)
	f := r.kept(name, info, quiet)
	if f == nil {
		if f, err = openToRead(ctx, name, path, quiet); err != nil {
			return nil, err
		}
		f.inode = info
		f = r.keep(name, f)
	}
	if !f.usable {
		return nil, fs.ErrNotExist
	}
	if !f.quiet { // its day may have ended, or go on
		if f.sealed, err = isSealed(ctx, f.db); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// kept returns a copy of what is open of a file; nil if that is nothing, or it is not
// the file that is there now.
func (r *Reader) kept(name fileName, now os.FileInfo, quiet bool) *readFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.open[name]
	if f == nil {
		return nil
	}
	if os.SameFile(f.inode, now) && f.quiet == quiet && (!quiet || f.inode.ModTime().Equal(now.ModTime())) {
		copied := *f
		return &copied
	}
	_ = f.db.Close() // queries under way end first
	delete(r.open, name)
	return nil
}

// keep keeps a file open for the next time, unless somebody else was faster.
func (r *Reader) keep(name fileName, f *readFile) *readFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.open[name]; other != nil {
		_ = f.db.Close() // it was not used
		f = other
	}
	r.open[name] = f
	copied := *f
	return &copied
}

func isSealed(ctx context.Context, db *sql.DB) (sealed bool, err error) {
	err = db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sums WHERE span = ?)", aDay).Scan(&sealed)
	return sealed, err
}

func (r *Reader) forget(name fileName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.open[name]; f != nil {
		_ = f.db.Close() // it is gone
		delete(r.open, name)
	}
}

// openToRead opens a file without ever writing. When nobody is writing it there is
// no write-ahead log, and SQLite can't read a file in WAL mode without making one
// unless it is told that nobody is going to write.
func openToRead(ctx context.Context, name fileName, path string, quiet bool) (*readFile, error) {
	db, err := state.ReadDatabase(path, quiet, "busy_timeout(1000)", "cache_size(-1024)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readersAtOnce)
	db.SetConnMaxIdleTime(readIdle)
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	f := &readFile{name: name, db: db, quiet: quiet, usable: version == schemaVersion}
	if f.usable {
		f.sealed, err = isSealed(ctx, db)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return f, nil
}

// each calls visit with every file that may hold records of a span of time, newest
// first, until it says that this is enough. Zero times have no bound. A file that is
// removed meanwhile is passed over.
func (r *Reader) each(ctx context.Context, since, until time.Time, visit func(*readFile) (enough bool, err error)) error {
	names, err := list(r.dir)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	for _, name := range names {
		from, to := name.span()
		if !until.IsZero() && !from.Before(until) || !since.IsZero() && !to.After(since) {
			continue
		}
		f, err := r.file(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		enough, err := visit(f)
		if err != nil {
			return fmt.Errorf("read the journal %s: %w", name, err)
		}
		if enough {
			return nil
		}
	}
	return nil
}

// columns are those that scan reads, of records r, client c and story s. A CROSS JOIN
// keeps SQLite to the order that is written.
const (
	columns  = "r.id, r.queue_id, r.message_id, r.sender, r.verdict, r.detail, c.text, s.text"
	fromAll  = " FROM records r CROSS JOIN texts c ON c.id = r.client CROSS JOIN texts s ON s.id = r.story"
	fromKeys = " FROM keys k CROSS JOIN records r ON r.id = k.id CROSS JOIN texts c ON c.id = r.client CROSS JOIN texts s ON s.id = r.story"
)

func scan(rows *sql.Rows) (Record, error) {
	var r Record
	var verdict int
	var own, client, told string
	if err := rows.Scan(&r.ID, &r.QueueID, &r.MessageID, &r.Sender, &verdict, &own, &client, &told); err != nil {
		return r, err
	}
	r.Time = time.UnixMicro(r.ID).UTC()
	r.Verdict = "unknown"
	if verdict >= 0 && verdict < len(verdicts) {
		r.Verdict = verdicts[verdict]
	}
	return r, r.decode(client, told, own)
}

// mostFound bounds what Find returns.
const mostFound = 100

// Find returns the records of a queue id, or of a Message-ID with or without angle
// brackets, newest first, at most 100: a queue id may come again, and a message may
// have come several times. None is no error.
func (r *Reader) Find(ctx context.Context, id string) ([]Record, error) {
	bare := bareID(id)
	queueID := clean(strings.TrimSpace(id), longName)
	if bare == "" {
		return nil, nil
	}
	names, err := list(r.dir)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	// Several files at a time: what takes long is waiting for a disk that has slept.
	found, failed := make([][]Record, len(names)), make([]error, len(names))
	var looking sync.WaitGroup
	turn := make(chan struct{}, filesAtOnce)
	for i, name := range names {
		turn <- struct{}{}
		looking.Go(func() {
			defer func() { <-turn }()
			found[i], failed[i] = r.findIn(ctx, name, queueID, bare)
		})
	}
	looking.Wait()
	return first(slices.Concat(found...), mostFound), errors.Join(failed...)
}

// findIn is Find in one file.
func (r *Reader) findIn(ctx context.Context, name fileName, queueID, messageID string) ([]Record, error) {
	f, err := r.file(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	rows, err := f.db.QueryContext(ctx, "SELECT "+columns+fromKeys+" WHERE k.key IN (?, ?) ORDER BY k.id DESC LIMIT ?",
		hashOf(keyQueueID, queueID), hashOf(keyMessageID, messageID), mostFound)
	if err != nil {
		return nil, fmt.Errorf("read the journal %s: %w", name, err)
	}
	defer rows.Close()
	var found []Record
	for rows.Next() {
		record, err := scan(rows)
		if err != nil {
			return nil, err
		}
		if record.QueueID == queueID || strings.EqualFold(record.MessageID, messageID) {
			found = append(found, record)
		}
	}
	return found, rows.Err()
}

// ByID returns the record with an id of the store, or fs.ErrNotExist.
func (r *Reader) ByID(ctx context.Context, id int64) (Record, error) {
	at := time.UnixMicro(id).UTC()
	var found *Record
	err := r.each(ctx, at, at.Add(time.Microsecond), func(f *readFile) (bool, error) {
		rows, err := f.db.QueryContext(ctx, "SELECT "+columns+fromAll+" WHERE r.id = ?", id)
		if err != nil {
			return false, err
		}
		defer rows.Close()
		for rows.Next() {
			record, err := scan(rows)
			if err != nil {
				return false, err
			}
			found = &record
		}
		return found != nil, rows.Err()
	})
	if err != nil {
		return Record{}, err
	}
	if found == nil {
		return Record{}, fmt.Errorf("record %d: %w", id, fs.ErrNotExist)
	}
	return *found, nil
}

// Extent is how far the journal goes.
type Extent struct {
	First time.Time `json:"first"` // of the oldest record; zero if there is none
	Last  time.Time `json:"last"`  // of the newest one
	Bytes int64     `json:"bytes"` // on disk
	Gaps  []Gap     `json:"gaps"`  // where records are missing, newest first
}

// Extent returns how far the journal goes, and where records are missing.
func (r *Reader) Extent(ctx context.Context) (Extent, error) {
	e := Extent{Gaps: []Gap{}}
	err := r.each(ctx, time.Time{}, time.Time{}, func(f *readFile) (bool, error) {
		var from, to sql.NullInt64
		// Two subqueries, each of which SQLite answers from one end of the table.
		err := f.db.QueryRowContext(ctx, "SELECT (SELECT min(id) FROM records), (SELECT max(id) FROM records)").Scan(&from, &to)
		if err != nil {
			return false, err
		}
		if from.Valid {
			e.First = time.UnixMicro(from.Int64).UTC()
			if last := time.UnixMicro(to.Int64).UTC(); last.After(e.Last) {
				e.Last = last
			}
		}
		gaps, err := gapsIn(ctx, f.db)
		e.Gaps = append(e.Gaps, gaps...)
		return false, err
	})
	if err != nil {
		return e, err
	}
	kept, err := keptFiles(r.dir)
	for _, f := range kept {
		e.Bytes += f.size
	}
	return e, err
}

func gapsIn(ctx context.Context, db *sql.DB) ([]Gap, error) {
	rows, err := db.QueryContext(ctx, "SELECT since, until, records FROM gaps ORDER BY since DESC LIMIT 100")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var gaps []Gap
	for rows.Next() {
		var since, until int64
		var g Gap
		if err := rows.Scan(&since, &until, &g.Records); err != nil {
			return nil, err
		}
		g.Since, g.Until = time.UnixMicro(since).UTC(), time.UnixMicro(until).UTC()
		gaps = append(gaps, g)
	}
	return gaps, rows.Err()
}

// Version returns a text that is another one whenever something was written since,
// at the cost of looking at a few files: to see whether it is worth asking again.
func (r *Reader) Version() (string, error) {
	names, err := list(r.dir)
	if err != nil {
		return "", fmt.Errorf("read the journal: %w", err)
	}
	if len(names) == 0 {
		return "none", nil
	}
	latest := names[0] // but for a clock that jumped back
	text := fmt.Sprintf("%d %v", len(names), latest)
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(latest.in(r.dir) + suffix)
		if err == nil {
			text += fmt.Sprintf(" %d.%d", info.Size(), info.ModTime().UnixNano())
		}
	}
	return text, nil
}
