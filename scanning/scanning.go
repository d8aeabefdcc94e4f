// Package scanning has clamd judge every message while it streams by.
//
// It is an INSTREAM client of its own: a message is passed on in chunks as it
// comes and is never kept whole. Only clamd's exact word "stream: OK", after
// the whole message was sent, makes a message clean; whatever else happens is
// an infection, an oversize message, or an error that meets the on_error policy.
//
// The time of one scan, Options.Timeout, begins with the header of the message
// and covers everything: waiting for a place among Options.MaxScans, finding
// clamd, sending, waiting for the verdict, and starting over. A dial has at most
// a quarter of it, so that a lost SYN leaves time for another. Writes and the
// answer each have all that is left: a large archive takes as long as it takes,
// and a clamd that reloads its signatures can't be told from one that hangs.
//
// For reloading is not being down. By default clamd goes on scanning meanwhile;
// with "ConcurrentDatabaseReload no" it is silent until its threads have been
// idle for its IdleTimeout (30 s) and the signatures are read; while it restarts
// it refuses connections. So silence is waited out, and a
// failed dial is tried again. A connection that breaks is tried again as long as
// all that was sent on it is still at hand: for messages of up to 128 KiB.
//
// One gap can't be closed from here: what is beyond a limit of clamd's own, such
// as MaxFileSize or MaxScanTime, it calls clean unless AlertExceedsMax is set.
// Probe finds out.
//
// A message of up to 128 KiB whose content clamd called clean not long ago need not be
// scanned again, if Options.Cache says so: clamd hears of it at its end or not at all.
//
// What does not live here: reading the verdict of anything but clamd, and the
// policy for our own failures (message.Chain).
package scanning

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"pratique/message"
)

// Scanner is the check that has clamd judge messages.
type Scanner struct {
	opts   Options
	clamd  address
	log    *slog.Logger
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	places chan struct{} // holds one element for each scan under way
	chunks sync.Pool     // of *chunk

	// gone: a scan has spent its whole time dialling in vain. Until a dial
	// succeeds, others don't wait for clamd any more, for the MTA's sake: it
	// keeps a process for each message that waits.
	gone atomic.Bool

	cache *cache // nil: none

	control chan struct{} // holds an element during a command through go-clamd
}

// New returns a scanner for the clamd of the options. A nil log is silent.
// Options that have problems, or no clamd, are an error.
func New(opts Options, log *slog.Logger) (*Scanner, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var problems []error
	opts.Problems(func(key, problem string) {
		problems = append(problems, fmt.Errorf("scanning.%s: %s", key, problem))
	})
	if opts.Clamd == "" {
		problems = append(problems, errors.New("scanning.clamd: no clamd is given"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	clamd, err := parseAddress(opts.Clamd)
	if err != nil {
		return nil, err
	}
	s := &Scanner{
		opts: opts, clamd: clamd, log: log.With("check", checkName),
		dial:    (&net.Dialer{Timeout: opts.Timeout / 4}).DialContext,
		places:  make(chan struct{}, opts.MaxScans),
		chunks:  sync.Pool{New: func() any { return new(chunk) }},
		control: make(chan struct{}, 1),
	}
	if opts.Cache > 0 {
		s.cache = newCache(opts.Cache, time.Now)
	}
	return s, nil
}

const checkName = "scanning"

// Name is "scanning".
func (s *Scanner) Name() string { return checkName }

// Begin returns an inspector that scans the message. The scan itself begins with the header.
func (s *Scanner) Begin(ctx context.Context, m *message.Message) (message.Inspector, error) {
	return &inspector{scanner: s, ctx: ctx, m: m, cache: s.cache}, nil
}
