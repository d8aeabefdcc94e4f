// Package milter is the edge to the MTA: it listens, negotiates, reads the
// commands of the milter protocol and turns them into calls of a
// message.Pipeline, and gives back what that says as one reply. It judges
// nothing itself, and what it knows of a message ends with the message.
//
// The session loop, and the dispatch of the commands that are answered, are those
// of emersion/go-milter. Between it and the MTA's connection stands a conn, a
// net.Conn that hands it whole and checked frames only, and gathers the replies to
// them into one write. What go-milter has no room for is carried out there:
// negotiation, macros, deadlines, progress, and the bulk of a message (header
// fields, body chunks), which go-milter would copy and, header fields, keep for as
// long as the connection lives. Replies and modifications are encoded there too,
// because go-milter's writer takes 4 KiB for each.
package milter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-milter"

	"pratique/message"
)

// Server serves the milter protocol.
type Server struct {
	opts     Options
	pipeline func() *message.Pipeline
	log      *slog.Logger
	now      func() time.Time

	mu       sync.Mutex
	conns    map[*conn]bool // false: over the cap, to be turned away
	admitted int
	draining bool
	empty    chan struct{} // closed once draining and no connection is left
	overflow rareLog
}

// New returns a server. The pipeline is asked for at negotiation and at each MAIL, so that a new
// configuration is met by new messages only; it must be safe for concurrent use.
func New(opts Options, pipeline func() *message.Pipeline, log *slog.Logger) *Server {
	return &Server{
		opts: opts, pipeline: pipeline, log: log, now: time.Now,
		conns: make(map[*conn]bool), empty: make(chan struct{}),
		overflow: rareLog{every: 10 * time.Second},
	}
}

// ErrCut is returned by Serve if messages were still under way when its
// patience with them was over. They have not been answered.
var ErrCut = errors.New("connections were cut")

// Serve accepts connections until the context ends, and then stops gracefully:
// it closes the listeners and the connections without a message at once, lets
// messages under way finish, and cuts what is left after ShutdownTimeout. It
// may be called once.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	// The connections outlive ctx: their messages may finish.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	stop := context.AfterFunc(ctx, func() {
		for _, l := range listeners {
			l.Close()
		}
	})
	defer stop()
	var accepting sync.WaitGroup
	for _, l := range listeners {
		accepting.Go(func() { s.accept(base, l) })
	}
	accepting.Wait()
	return s.drain(cut)
}

// accept serves one listener until it is closed. Any other error (too many open
// files, a client that went away) passes, so it is waited out.
func (s *Server) accept(ctx context.Context, l net.Listener) {
	const longest = time.Second
	var pause time.Duration
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.serve(ctx, c)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			pause = min(max(2*pause, 5*time.Millisecond), longest)
			s.log.Error("accept milter connection", "listener", l.Addr().String(), "error", err, "retry_in", pause)
			time.Sleep(pause)
		}
	}
}

// serve hands a connection to go-milter, whose Serve binds a new backend to
// each connection that it accepts: it is given this one and no more.
func (s *Server) serve(ctx context.Context, nc net.Conn) {
	c := newConn(ctx, s, nc)
	if !s.admit(c) {
		c.cancel()
		nc.Close()
		return
	}
	server := milter.Server{NewMilter: func() milter.Milter { return c.session }}
	_ = server.Serve(&oneConn{conn: c}) // it always ends with errNoMore
}

// errNoMore ends go-milter's accept loop.
var errNoMore = errors.New("no more connections")

// oneConn is a listener that yields one connection.
type oneConn struct{ conn *conn }

func (o *oneConn) Accept() (net.Conn, error) {
	c := o.conn
	o.conn = nil
	if c == nil {
		return nil, errNoMore
	}
	return c, nil
}

func (o *oneConn) Close() error   { return nil }
func (o *oneConn) Addr() net.Addr { return nil }

// maxTurnedAway bounds the connections over the cap that are being told so;
// past it they are closed without a word.
const maxTurnedAway = 64

// admit takes a connection in, or in to be turned away, or says that it can't be taken in at all.
func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.admitted >= s.opts.MaxConnections
	if full {
		s.overflow.warn(s.log, s.now(), "too many milter connections", "max_connections", s.opts.MaxConnections)
	}
	if s.draining || full && len(s.conns)-s.admitted >= maxTurnedAway {
		return false
	}
	s.conns[c] = !full
	c.session.full = full
	if !full {
		s.admitted++
	}
	return true
}

// release forgets a connection that has ended.
func (s *Server) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c] {
		s.admitted--
	}
	delete(s.conns, c)
	if s.draining && len(s.conns) == 0 {
		close(s.empty)
	}
}

// drain waits for the messages under way, for so long.
func (s *Server) drain(cut context.CancelFunc) error {
	s.mu.Lock()
	s.draining = true
	for c := range s.conns {
		c.drain()
	}
	if len(s.conns) == 0 {
		close(s.empty)
	}
	s.mu.Unlock()

	patience := time.NewTimer(s.opts.ShutdownTimeout)
	defer patience.Stop()
	select {
	case <-s.empty:
		return nil
	case <-patience.C:
	}
	cut()
	s.mu.Lock()
	left := len(s.conns)
	for c := range s.conns {
		c.Conn.Close()
	}
	s.mu.Unlock()
	if left == 0 {
		return nil
	}
	s.awaitCut()
	return fmt.Errorf("stop milter server after %v: %d %w", s.opts.ShutdownTimeout, left, ErrCut)
}

// awaitCut gives connections that were cut the time to tell that their messages are lost.
func (s *Server) awaitCut() {
	const patience = time.Second
	select {
	case <-s.empty:
	case <-time.After(patience):
	}
}

// rareLog logs a repeated event at most once in a while, with how often it came.
type rareLog struct {
	every time.Duration
	last  time.Time
	count int
}

func (r *rareLog) warn(log *slog.Logger, now time.Time, text string, args ...any) {
	r.count++
	if now.Sub(r.last) < r.every {
		return
	}
	log.Warn(text, append(args, "times", r.count)...)
	r.last, r.count = now, 0
}
