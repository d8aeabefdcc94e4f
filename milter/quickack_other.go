//go:build !linux

package milter

import (
	"io"
	"net"
)

// promptly returns the reader of a connection.
func promptly(c net.Conn) io.Reader { return c }
