package harness

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// hasIPv6 reports whether this machine has the IPv6 loopback address; many a container has not.
func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// portTries is how often another port is tried because somebody else took the last one first.
const portTries = 5

// errPortTaken is what a start reports when the port that it was given is in use.
var errPortTaken = errors.New("port is in use")

// withFreePort calls start with a port that was free a moment ago, and with
// another one if that is taken by now.
func withFreePort(start func(port int) error) error {
	var err error
	for range portTries {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		if err = start(port); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// reservation keeps a TCP port on the loopback addresses for a program that
// binds with SO_REUSEPORT, as Postfix does. Two such programs would share a port
// without a word and take each other's mail, so freePort is not enough for them.
type reservation struct {
	port int
	fds  []int
}

func reservePort(ipv6 bool) (*reservation, error) {
	var err error
	for range portTries {
		r := &reservation{}
		if err = r.bind(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, unix.AF_INET); err != nil {
			return nil, err
		}
		if !ipv6 {
			return r, nil
		}
		if err = r.bind(&unix.SockaddrInet6{Port: r.port, Addr: [16]byte(net.IPv6loopback)}, unix.AF_INET6); err == nil {
			return r, nil
		}
		r.release()
	}
	return nil, err
}

// bind binds one more socket, which never listens.
func (r *reservation) bind(addr unix.Sockaddr, family int) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	r.fds = append(r.fds, fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, addr); err != nil {
		return fmt.Errorf("reserve a port: %w", err)
	}
	if bound, err := unix.Getsockname(fd); err != nil {
		return err
	} else if v4, ok := bound.(*unix.SockaddrInet4); ok {
		r.port = v4.Port
	}
	return nil
}

func (r *reservation) release() {
	for _, fd := range r.fds {
		unix.Close(fd)
	}
}
