package milter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-milter"

	"pratique/message"
)

const (
	// maxFrame bounds the command byte and the data of a frame. MTAs send body
	// chunks of up to 65,535 octets (MILTER_CHUNK_SIZE).
	maxFrame = 64 << 10
	// maxHeaderFrame bounds a header field. Postfix sends a field whole, and its
	// header_size_limit (102,400) is above what libmilter would take.
	maxHeaderFrame = message.MaxHeaderBytes

	frameHead = 4 // octets of the length that precedes the command byte

	readBuffer = 4 << 10 // a small message and its envelope come in one read
	keepBuffer = 8 << 10 // larger buffers are given back after a message
)

// conn is the connection to an MTA as go-milter sees it. Its Read hands out
// whole frames, and only of commands that go-milter carries. Replies are gathered,
// and leave in one write when go-milter comes back to read.
//
// It never lets go-milter see an error but io.EOF, because that would be
// printed through package log: what went wrong is logged by the session.
type conn struct {
	net.Conn
	server  *Server
	session *session
	ctx     context.Context // ends with the connection
	cancel  context.CancelFunc
	release sync.Once

	in     *inbox
	frame  []byte // the frame under way: length, command byte, data; a part of the inbox
	unread []byte // what go-milter has not read of it
	out    []byte // replies not sent yet

	mu       sync.Mutex
	busy     bool // a message is under way
	draining bool // close as soon as it is not
}

func newConn(ctx context.Context, s *Server, nc net.Conn) *conn {
	c := &conn{Conn: nc, server: s, in: newInbox(promptly(nc))}
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.session = newSession(c)
	return c
}

// Read gives go-milter the next of its frames. All other commands are carried out on the way to it.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.unread) == 0 {
		if err := c.advance(); err != nil {
			c.session.end(err)
			return 0, io.EOF
		}
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// advance sends what was answered and takes one command in.
func (c *conn) advance() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &message.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if err := c.session.broken; err != nil {
		return err // what was answered may not be whole: it must not leave
	}
	if err := c.flush(); err != nil {
		return fmt.Errorf("write reply: %w", err)
	}
	if err := c.session.answered(); err != nil {
		return err
	}
	code, data, err := c.readFrame()
	if err != nil {
		return err
	}
	pass, err := c.session.command(code, data)
	if pass && err == nil {
		c.unread = c.frame
	}
	return err
}

// Write takes a reply of go-milter's own, should it have one; it leaves with the next flush.
func (c *conn) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

// send adds a reply to those that leave with the next flush.
func (c *conn) send(r reply) {
	start := c.begin(r.code)
	c.out = append(c.out, r.data...)
	c.end(start)
}

// modify adds a modification, whose text gets the line ends that MTAs take: LF.
// With CRLF Postfix would write two CRs.
func (c *conn) modify(code milter.ModifyActCode, index []byte, text string) {
	start := c.begin(byte(code))
	c.out = append(c.out, index...)
	for {
		line, rest, more := strings.Cut(text, "\r\n")
		c.out = append(c.out, line...)
		if !more {
			break
		}
		c.out = append(c.out, '\n')
		text = rest
	}
	c.end(start)
}

// begin begins a frame, whose length end fills in.
func (c *conn) begin(code byte) (start int) {
	start = len(c.out)
	c.out = append(c.out, 0, 0, 0, 0, code)
	return start
}

func (c *conn) end(start int) {
	binary.BigEndian.PutUint32(c.out[start:], uint32(len(c.out)-start-frameHead))
}

// flush sends the gathered replies in one write: two small ones would cost
// 40 ms over TCP, through Nagle's algorithm against delayed acknowledgement.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	if err := c.SetWriteDeadline(time.Now().Add(c.server.opts.WriteTimeout)); err != nil {
		return err
	}
	_, err := c.Conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// Why a connection ends without anything being wrong with it.
var (
	errQuit     = errors.New("the MTA quit")
	errHungUp   = errors.New("the MTA hung up")
	errStopping = errors.New("the server is stopping")
)

// readFrame reads the next frame whole. Its length is checked before memory is
// set aside for it. The data is valid until the next call.
func (c *conn) readFrame() (code milter.Code, data []byte, err error) {
	head, err := c.await(frameHead)
	if err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head)
	if length == 0 {
		return 0, nil, errors.New("the MTA sent a frame of length zero")
	}
	if int64(c.in.buffered()) < frameHead+int64(length) {
		if err := c.SetReadDeadline(time.Now().Add(c.server.opts.ReadTimeout)); err != nil {
			return 0, nil, c.readError(err)
		}
	}
	if head, err = c.in.peek(frameHead + 1); err != nil {
		return 0, nil, c.readError(noEOF(err))
	}
	code = milter.Code(head[frameHead])
	if limit := frameLimit(code); length > limit {
		return 0, nil, fmt.Errorf("the MTA sent a frame of %d octets (command %q), more than %d", length, rune(code), limit)
	}
	if c.frame, err = c.in.peek(frameHead + int(length)); err != nil {
		return 0, nil, c.readError(noEOF(err))
	}
	c.in.take(len(c.frame))
	return code, c.frame[frameHead+1:], nil
}

func frameLimit(code milter.Code) uint32 {
	if code == milter.CodeHeader {
		return maxHeaderFrame
	}
	return maxFrame
}

// await waits for the first octets of a frame, for as long as the MTA may be silent.
func (c *conn) await(n int) ([]byte, error) {
	if c.in.buffered() < n {
		if err := c.SetReadDeadline(time.Now().Add(c.session.patience())); err != nil {
			return nil, c.readError(err)
		}
	}
	// After the deadline was set: drain sets another one only after it set draining.
	if c.stopping() {
		return nil, errStopping
	}
	head, err := c.in.peek(n)
	switch {
	case err == nil:
		return head, nil
	case err == io.EOF && len(head) == 0:
		return nil, errHungUp
	case c.stopping():
		return nil, errStopping
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("the MTA was silent for %v", c.session.patience())
	}
	return nil, c.readError(noEOF(err))
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (c *conn) readError(err error) error {
	if c.ctx.Err() != nil {
		return errStopping
	}
	return fmt.Errorf("read frame: %w", err)
}

// setBusy tells whether a message is under way.
func (c *conn) setBusy(busy bool) {
	c.mu.Lock()
	c.busy = busy
	c.mu.Unlock()
	if !busy {
		c.in.shrink()
		if cap(c.out) > keepBuffer {
			c.out = nil
		}
	}
}

func (c *conn) stopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining && !c.busy
}

// peerName is where the MTA is: its end of a Unix socket has no name.
func (c *conn) peerName() string {
	addr := c.RemoteAddr()
	if addr.Network() == "unix" {
		return "unix"
	}
	return addr.String()
}

// drain has the connection close as soon as no message is under way.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !c.busy {
		c.SetReadDeadline(time.Unix(1, 0))
	}
}

// watch looks out for the end of the connection while nothing is expected from
// the MTA, and calls lost if it comes. The function that it returns ends the
// watch and says whether it did; nothing may be read before that has returned.
func (c *conn) watch(lost func()) (stop func() error) {
	done := make(chan error, 1)
	c.SetReadDeadline(time.Time{})
	go func() {
		_, err := c.in.peek(1)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
		if err != nil {
			lost()
		}
		done <- err
	}()
	return func() error {
		c.SetReadDeadline(time.Unix(1, 0))
		return <-done
	}
}

// Close ends the connection; go-milter calls it in any case.
func (c *conn) Close() error {
	c.session.end(errHungUp)
	c.cancel()
	err := c.Conn.Close()
	c.release.Do(func() { c.server.release(c) })
	return err
}
