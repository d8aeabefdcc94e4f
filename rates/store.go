package rates

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"pratique/state"
)

// How the counts are saved.
const (
	saveEvery  = time.Second    // a crash loses at most what happened since
	sweepEvery = 60 * saveEvery // idle keys are forgotten
	logSlack   = 10_000         // rows that the log may always have before it is rewritten
	dirMode    = os.FileMode(0o750)
)

// Store owns the counters and their file. It lives as long as the daemon; every
// configuration has its own Rates over it.
//
// Memory is the truth: nothing on the way of a message waits for the file, and
// mail goes on being counted and limited while the file can't be written.
type Store struct {
	tables [kinds]table
	time   *timeline
	log    *slog.Logger

	book *book

	dir        string // the state folder, "": none
	standing   atomic.Pointer[standing]
	ordersSaid throttle

	path string // "": kept in memory alone

	saving   sync.Mutex // held while the file is used
	file     *file
	written  int  // rows of the log when it was last rewritten
	rewrite  bool // the log is to be written anew from memory
	replaced throttle

	bookWritten int  // octets of fingerprints when they were last rewritten
	rewriteBook bool // they are to be written anew from memory
	unread      bool // the file could not be read at the start, and is taken over when it can

	health   sync.Mutex
	problem  error
	saveSaid throttle
	fullSaid throttle

	stop    chan struct{}
	running sync.WaitGroup
	closing sync.Once
	closed  error
}

// Open reads the counts kept in the state folder and begins to keep them there;
// the folder is made if it is missing. One that can't be written does not stop mail:
// that is logged, and the counts are in memory until it can. A damaged file is set
// aside, which is logged. With stateDir "" the counts are in memory alone, and end
// with the process.
//
// The clock should be time.Now, or carry a monotonic reading as it does. The
// context is for opening only; Close ends what Open began.
func Open(ctx context.Context, stateDir string, clock func() time.Time, log *slog.Logger) (*Store, error) {
	s, err := open(ctx, stateDir, clock, log, kindMemory)
	if err != nil {
		return nil, err
	}
	s.running.Go(s.run)
	return s, nil
}

// open is Open without the goroutine that saves, and with so much memory for each kind.
func open(ctx context.Context, stateDir string, clock func() time.Time, log *slog.Logger, memory int) (*Store, error) {
	s := newStore(clock, log, memory, stateDir != "")
	if err := s.begin(ctx, stateDir); err != nil {
		return nil, err
	}
	for k := range s.tables {
		s.tables[k].setMemory(memory)
	}
	return s, nil
}

func newStore(clock func() time.Time, log *slog.Logger, memory int, saves bool) *Store {
	s := &Store{time: newTimeline(clock), log: log, stop: make(chan struct{}), book: newBook(saves, bookMemory)}
	for k := range s.tables {
		s.tables[k].init(saves)
		s.tables[k].setMemory(readingMemory * memory)
	}
	s.standing.Store(&standing{})
	return s
}

// begin finds the file and reads it, if there is to be one.
func (s *Store) begin(ctx context.Context, stateDir string) error {
	if stateDir == "" {
		s.log.Warn("rates: no state folder is set; counts are in memory alone and end with this process")
		s.book.use(newSecret())
		return nil
	}
	path, err := filepath.Abs(filepath.Join(stateDir, fileName))
	if err != nil {
		return fmt.Errorf("find the state folder: %w", err)
	}
	s.path, s.dir = path, filepath.Dir(path)
	err = s.beginIn(ctx, s.dir)
	if err != nil && unwritable(err, s.path) {
		return s.goWithout(ctx, s.dir, err)
	}
	return err
}

func (s *Store) beginIn(ctx context.Context, stateDir string) error {
	if err := os.MkdirAll(stateDir, dirMode); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	if err := s.obey(); err != nil { // whoever is blocked must not send because of that
		return err
	}
	if err := s.keepSecret(stateDir); err != nil {
		return err
	}
	return s.load(ctx)
}

// keepSecret reads the secret of the fingerprints, or makes it.
func (s *Store) keepSecret(stateDir string) error {
	known, damaged, err := readSecret(stateDir, s.book.secret.Load())
	if err != nil {
		return err
	}
	if damaged {
		s.log.Error("rates: the secret of the fingerprints was damaged, and is replaced", "file", filepath.Join(stateDir, secretName))
	}
	s.book.use(known)
	return nil
}

// load opens the file and takes over what is in it. From a damaged one it takes
// what can be read.
func (s *Store) load(ctx context.Context) error {
	f, err := openFile(ctx, s.path)
	if err == nil {
		if err = s.take(ctx, f, true); err != nil {
			err = errors.Join(err, f.close())
		}
	}
	if state.Damaged(err) {
		return s.replace(ctx, err)
	}
	if err != nil {
		return fmt.Errorf("open the counts: %w", err)
	}
	s.file = f
	return nil
}

// take takes over what is in a file, and if that may be written has it be of our secret.
func (s *Store) take(ctx context.Context, f *file, writes bool) error {
	now := s.time.seconds()
	if err := f.load(ctx, now-int64(longestEvery/time.Second), s.restore); err != nil {
		return err
	}
	if err := loadRefused(ctx, f.db, s.standing.Load()); err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	ours, err := f.isOf(ctx, s.book.secret.Load())
	if err == nil && writes && !ours {
		var dropped bool
		if dropped, err = f.claimContacts(ctx, s.book.secret.Load()); dropped {
			s.log.Warn("rates: the fingerprints of recipients belong to another secret and are dropped, so that all recipients are new again")
		}
	}
	if err != nil || !ours {
		return err
	}
	return f.loadContacts(ctx, now-(rememberFor+1)*generation, func(r contactRow) { s.book.restore(r, now) })
}

// replace sets a damaged file aside and begins a new one, to be filled from memory.
func (s *Store) replace(ctx context.Context, damage error) error {
	aside, err := state.SetAside(s.path, s.time.clock())
	if err != nil {
		return errors.Join(damage, err)
	}
	s.log.Error("rates: the file of counts was damaged and is set aside; a new one was begun",
		"file", s.path, "aside", aside, "error", damage)
	s.rewrite, s.rewriteBook = true, true
	if s.file, err = openFile(ctx, s.path); err != nil {
		return fmt.Errorf("begin a new file of counts: %w", err)
	}
	if _, err = s.file.claimContacts(ctx, s.book.secret.Load()); err != nil {
		return fmt.Errorf("begin a new file of counts: %w", err)
	}
	return nil
}

// restore takes a row of the file into memory. Time that has not come yet, from
// a clock that was wrong, is taken for now: it counts for one window and no longer.
func (s *Store) restore(r row) {
	now := s.time.seconds()
	r.bucket.last = min(r.bucket.last, second(now))
	shard := s.tables[r.kind].shard(r.key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	e, err := shard.open(r.key, true)
	if err != nil { // nothing is guarded yet, so there is always something to forget
		return
	}
	shard.append(e, now, rule{windows: exact}, r.bucket)
	shard.shelve(e)
}

// exact keeps every second apart: the limits are not known yet when the counts are read.
var exact = windows{{length: int64(longestEvery / time.Second), width: 1}}

// run saves and sweeps until Close.
func (s *Store) run() {
	save, sweep := time.NewTicker(saveEvery), time.NewTicker(sweepEvery)
	defer save.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-save.C:
			if err := s.obey(); err != nil && s.ordersSaid.due(s.time.clock()) {
				s.log.Error("rates: orders can't be read; those that hold go on", "error", err)
			}
			s.save()
		case <-sweep.C:
			s.sweep()
		}
	}
}

func (s *Store) sweep() {
	now := s.time.seconds()
	for k := range s.tables {
		s.tables[k].sweep(now)
	}
	s.book.sweep(now)
}

// Close saves what is not saved yet and closes the file. What is counted after it is lost with the process.
func (s *Store) Close() error {
	s.closing.Do(func() {
		close(s.stop)
		s.running.Wait()
		s.closed = s.finish()
	})
	return s.closed
}

func (s *Store) finish() error {
	if s.path == "" {
		return nil
	}
	s.save()
	s.saving.Lock()
	defer s.saving.Unlock()
	err := s.Health()
	if s.file != nil {
		err = errors.Join(err, s.file.close())
		s.file = nil
	}
	return err
}
