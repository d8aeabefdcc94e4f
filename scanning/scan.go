package scanning

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"

	"pratique/message"
)

const (
	// queued chunks wait between the message and clamd; more make the message wait.
	queued = 2

	// replayed chunks are kept until the verdict, so that a message that needs
	// no more can be sent again if the connection breaks.
	replayed = 2

	// maxLosses is how many broken connections one message may cause: more, and
	// it is the message that clamd dies of.
	maxLosses = 2

	// A failed attempt is followed by a pause, which doubles from one to the next.
	firstPause, longestPause = 20 * time.Millisecond, time.Second

	// lastWordsTimeout is how long the answer of a clamd that hung up may take to
	// reach us: it was sent before the end of the connection, so it is under way.
	lastWordsTimeout = time.Second
)

// scan is clamd's side of one message: a goroutine that takes chunks and ends with a verdict.
type scan struct {
	*Scanner
	ctx    context.Context // ends with the message, or when the time for the scan is over
	cancel context.CancelFunc
	queue  chan *chunk
	done   chan struct{} // closed when the goroutine has ended; then result, err and tries are there

	held   []*chunk // the beginning of the message, for a retry
	passed bool     // more was sent than is held: there is no retry

	result answer
	err    error
	tries  int
}

// awayError is a clamd that can't be reached.
type awayError struct{ error }

func (e awayError) Unwrap() error { return e.error }

// lostError is a connection that broke before the verdict.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// begin begins a scan, which must be closed.
func (s *Scanner) begin(ctx context.Context) *scan {
	c := &scan{Scanner: s, queue: make(chan *chunk, queued), done: make(chan struct{})}
	c.ctx, c.cancel = context.WithTimeout(ctx, s.opts.Timeout)
	go c.run()
	return c
}

func (c *scan) run() {
	defer close(c.done)
	defer func() { // a panic in a goroutine of our own does not reach the Chain
		if v := recover(); v != nil {
			c.err = &message.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	c.result, c.err = c.judge()
}

// take queues a chunk. It reports false if the scan is over.
func (c *scan) take(ch *chunk) bool {
	select {
	case c.queue <- ch:
		return true
	case <-c.done:
		return false
	}
}

// outcome waits for the end of the scan.
func (c *scan) outcome() (answer, error) {
	<-c.done
	return c.result, c.err
}

// close ends the scan and gives back what it held. It may be called again.
func (c *scan) close() {
	c.cancel()
	<-c.done
	c.release()
	for {
		select {
		case ch := <-c.queue:
			c.recycle(ch)
		default:
			return
		}
	}
}

// release gives back the beginning of the message.
func (c *scan) release() {
	for _, ch := range c.held {
		c.recycle(ch)
	}
	c.held = c.held[:0]
}

// chunk returns an empty chunk.
func (s *Scanner) chunk() *chunk { return s.chunks.Get().(*chunk) }

func (s *Scanner) recycle(ch *chunk) {
	ch.n, ch.last = 0, false
	s.chunks.Put(ch)
}

// judge gets a verdict of clamd, if need be in several attempts.
func (c *scan) judge() (answer, error) {
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	case <-c.ctx.Done():
		return answer{}, c.overdue(fmt.Errorf("%d other scans are under way", c.opts.MaxScans))
	}
	pause := firstPause
	for losses := 0; ; pause = min(2*pause, longestPause) {
		c.tries++
		result, err := c.attempt()
		if err == nil {
			return result, nil
		}
		if c.ctx.Err() != nil {
			return answer{}, c.overdue(err)
		}
		if errors.As(err, new(lostError)) {
			losses++
		}
		if !c.worthRetry(err, losses) {
			return answer{}, err
		}
		c.log.Debug("clamd failed, trying again", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
			return answer{}, c.overdue(err)
		}
	}
}

func (c *scan) worthRetry(err error, losses int) bool {
	if errors.As(err, new(awayError)) {
		return !c.gone.Load()
	}
	return errors.As(err, new(lostError)) && !c.passed && losses <= maxLosses
}

// overdue is the error of a scan whose time is over, or whose message was given up.
func (c *scan) overdue(last error) error {
	if !errors.Is(c.ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the message was given up: %w", c.ctx.Err())
	}
	if errors.As(last, new(awayError)) && !c.gone.Swap(true) {
		c.log.Error("clamd is gone; until it is back, no message waits for it", "error", last)
	}
	if errors.Is(last, net.ErrClosed) { // by us, because time was up
		last = errSilent
	}
	return fmt.Errorf("no verdict within %v: %w", c.opts.Timeout, last)
}

var errSilent = errors.New("clamd took the connection and fell silent")

// attempt sends the message over a new connection, from its beginning, and reads the verdict.
func (c *scan) attempt() (answer, error) {
	conn, err := c.connect()
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	// This is the deadline of every write and read, and how an aborted message ends them.
	defer context.AfterFunc(c.ctx, func() { conn.Close() })()

	if err := c.send(conn); err != nil {
		return c.lastWords(conn, err)
	}
	result, err := readAnswer(conn)
	if errors.Is(err, errNoAnswer) {
		err = lostError{err}
	}
	return result, err
}

func (c *scan) connect() (net.Conn, error) {
	conn, err := c.dial(c.ctx, c.clamd.network, c.clamd.addr)
	if err != nil {
		return nil, awayError{err}
	}
	if c.gone.Swap(false) {
		c.log.Info("clamd is back")
	}
	return conn, nil
}

// send passes the message on, first what is held of it, then what comes.
func (c *scan) send(conn net.Conn) error {
	for i, ch := range c.held {
		if err := c.sendChunk(conn, ch, i == 0); err != nil {
			return err
		}
		if ch.last {
			return nil
		}
	}
	for {
		select {
		case ch := <-c.queue:
			if last, err := c.sendNew(conn, ch); last || err != nil {
				return err
			}
		case <-c.ctx.Done():
			return fmt.Errorf("the message has not come to its end: %w", c.ctx.Err())
		}
	}
}

// sendNew sends a chunk for the first time and keeps it if there is room.
func (c *scan) sendNew(conn net.Conn, ch *chunk) (last bool, err error) {
	first := len(c.held) == 0 && !c.passed
	if c.passed || len(c.held) == replayed {
		c.passed = true
		c.release()
		defer c.recycle(ch)
	} else {
		c.held = append(c.held, ch)
	}
	return ch.last, c.sendChunk(conn, ch, first)
}

var errEarly = errors.New("clamd spoke or hung up before the end of the message")

func (c *scan) sendChunk(conn net.Conn, ch *chunk, first bool) error {
	if ch.last && spoke(conn) {
		return errEarly // what it said can't be about the whole message
	}
	if _, err := conn.Write(ch.wire(first)); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// lastWords reads what clamd said before it stopped listening, which is how it
// answers a message over its StreamMaxLength. A message that was not sent
// whole can't be clean.
func (c *scan) lastWords(conn net.Conn, sending error) (answer, error) {
	if err := conn.SetReadDeadline(time.Now().Add(lastWordsTimeout)); err != nil {
		return answer{}, lostError{sending}
	}
	result, err := readAnswer(conn)
	switch {
	case errors.Is(err, errNoAnswer), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return answer{}, lostError{sending}
	case err != nil:
		return answer{}, err
	case result.verdict == clean:
		return answer{}, fmt.Errorf("clamd called the message clean before it had seen all of it: %w", sending)
	}
	return result, nil
}
