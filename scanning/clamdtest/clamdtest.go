// Package clamdtest has a fake clamd with faults, and a real one that is
// private to a test. It does not judge what it is sent.
package clamdtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Fake is a clamd on a Unix or TCP socket that behaves as it is told to and
// keeps what it was sent.
type Fake struct {
	network, addr string
	behaviours    []Behaviour
	serving       sync.WaitGroup

	mu       sync.Mutex
	idle     *sync.Cond // no connection is open
	listener net.Listener
	open     map[net.Conn]struct{}
	accepted int
	ended    bool
	scans    []*Scan
}

// Scan is one stream as it arrived.
type Scan struct {
	Stream []byte // the message
	Chunks int
	Ended  bool // the end of the stream was sent
}

// Start starts a fake clamd on a Unix socket until the end of the test. The
// first connection meets the first behaviour, and so on; the last one is met by
// all that follow. Without any, every message is clean. The test fails if a
// client breaks the protocol.
func Start(t testing.TB, behaviours ...Behaviour) *Fake {
	t.Helper()
	return start(t, "unix", socketPath(t), behaviours)
}

// StartTCP starts a fake clamd on a port of the loopback interface.
func StartTCP(t testing.TB, behaviours ...Behaviour) *Fake {
	t.Helper()
	return start(t, "tcp", "127.0.0.1:0", behaviours)
}

func start(t testing.TB, network, addr string, behaviours []Behaviour) *Fake {
	f := &Fake{
		network: network, addr: addr, behaviours: behaviours,
		open: make(map[net.Conn]struct{}),
	}
	if len(behaviours) == 0 {
		f.behaviours = []Behaviour{Clean}
	}
	f.idle = sync.NewCond(&f.mu)
	f.Listen(t)
	t.Cleanup(f.close)
	return f
}

// Address is where it listens, as the configuration has it: "unix:/path" or "tcp:host:port".
func (f *Fake) Address() string { return f.network + ":" + f.addr }

// Refuse stops listening: dials are refused, connections that stand go on.
func (f *Fake) Refuse() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener != nil {
		f.listener.Close()
		f.listener = nil
	}
}

// Listen listens at the same address again.
func (f *Fake) Listen(t testing.TB) {
	t.Helper()
	if f.network == "unix" {
		os.Remove(f.addr) // left by Refuse, or not there
	}
	l, err := net.Listen(f.network, f.addr)
	if err != nil {
		t.Fatalf("listen for the fake clamd: %v", err)
	}
	if unix, ok := l.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // so that a dial is refused and not just lost
	}
	f.mu.Lock()
	f.listener, f.addr = l, l.Addr().String()
	f.mu.Unlock()
	f.serving.Go(func() { f.accept(t, l) })
}

func (f *Fake) accept(t testing.TB, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		scan, behave := f.admit(conn)
		f.serving.Go(func() {
			defer f.leave(conn)
			c := &Conn{Conn: conn, fake: f, scan: scan}
			behave(c)
			if err := c.problem; err != nil {
				t.Errorf("a client of clamd broke the protocol: %v", err)
			}
		})
	}
}

func (f *Fake) admit(conn net.Conn) (*Scan, Behaviour) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[conn] = struct{}{}
	if f.ended { // accepted just before the end of the test
		conn.Close()
	}
	scan := &Scan{}
	f.scans = append(f.scans, scan)
	behave := f.behaviours[min(f.accepted, len(f.behaviours)-1)]
	f.accepted++
	return scan, behave
}

func (f *Fake) leave(conn net.Conn) {
	conn.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, conn)
	if len(f.open) == 0 {
		f.idle.Broadcast()
	}
}

// WaitIdle waits until no connection is open.
func (f *Fake) WaitIdle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.open) > 0 {
		f.idle.Wait()
	}
}

// Scans returns what came on each connection so far, the first one first.
func (f *Fake) Scans() []Scan {
	f.mu.Lock()
	defer f.mu.Unlock()
	var scans []Scan
	for _, s := range f.scans {
		scans = append(scans, Scan{Stream: slices.Clone(s.Stream), Chunks: s.Chunks, Ended: s.Ended})
	}
	return scans
}

// close ends everything, also what stalls.
func (f *Fake) close() {
	f.Refuse()
	f.mu.Lock()
	f.ended = true
	for conn := range f.open {
		conn.Close()
	}
	f.mu.Unlock()
	f.serving.Wait()
}

// Absent returns the address of a clamd that never was: no such socket.
func Absent(t testing.TB) string {
	t.Helper()
	return "unix:" + socketPath(t)
}

// Refusing returns the address of a socket that nobody listens on any more.
func Refusing(t testing.TB) string {
	t.Helper()
	f := Start(t, Clean)
	f.Refuse()
	return f.Address()
}

// Full returns the address of a clamd that accepts no connections while its
// queue is full, which a Unix socket answers with EAGAIN at once.
func Full(t testing.TB) string {
	t.Helper()
	path := socketPath(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		t.Cleanup(func() { syscall.Close(fd) })
		err = errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0))
	}
	if err != nil {
		t.Fatalf("listen without a queue: %v", err)
	}
	const most = 1000
	for range most {
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err != nil {
			return "unix:" + path
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatalf("the queue is not full after %d connections", most)
	return ""
}

// socketPath returns a path that is short enough for a Unix socket (108 octets),
// which those below t.TempDir may not be.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "clamd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "clamd.ctl")
}

// problemf notes the first way in which the client broke the protocol.
func (c *Conn) problemf(format string, args ...any) {
	if c.problem == nil {
		c.problem = fmt.Errorf(format, args...)
	}
}
