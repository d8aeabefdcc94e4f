package milter

import (
	"io"
	"net"
	"syscall"
)

// promptly returns the reader of a connection, which over TCP acknowledges at
// once what it read.
func promptly(c net.Conn) io.Reader {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	return &quickReader{TCPConn: tcp, raw: raw}
}

type quickReader struct {
	*net.TCPConn
	raw syscall.RawConn
}

// Read reads and acknowledges. The option is not a lasting one: the kernel goes
// back to delaying by itself (tcp(7)), so it is set after each read.
func (r *quickReader) Read(p []byte) (int, error) {
	n, err := r.TCPConn.Read(p)
	if err == nil {
		_ = r.raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
		})
	}
	return n, err
}
