package milter

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Listen opens a listener. The address is written as Postfix and sendmail write
// it: "inet:host:port" or "inet:port@host", "inet6:" likewise, and "unix:/path"
// or "local:/path". A Unix socket gets the mode and the owner of the options
// before it can be reached, replaces one that nobody listens on, and is removed
// on Close.
func (s *Server) Listen(addr string) (net.Listener, error) {
	l, err := s.listen(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

func (s *Server) listen(addr string) (net.Listener, error) {
	kind, rest, _ := strings.Cut(addr, ":")
	switch kind {
	case "inet":
		return net.Listen("tcp", hostPort(rest))
	case "inet6":
		return net.Listen("tcp6", hostPort(rest))
	case "unix", "local":
		return s.listenUnix(rest)
	}
	return nil, errors.New(`an address begins with "inet:", "inet6:" or "unix:"`)
}

// hostPort turns sendmail's port@host into host:port.
func hostPort(addr string) string {
	if port, host, ok := strings.Cut(addr, "@"); ok {
		return net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	return addr
}

func (s *Server) listenUnix(path string) (net.Listener, error) {
	if !filepath.IsAbs(path) {
		return nil, errors.New("the path of a Unix socket must be absolute")
	}
	if err := mayReplace(path); err != nil {
		return nil, err
	}
	// The socket is made in a folder that nobody else may enter, so that there is
	// no moment at which its mode is wider than asked for, and then renamed.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: made})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would remove the name that the socket had before
	info, err := s.place(made, path)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &unixListener{UnixListener: l, path: path, info: info}, nil
}

// mayReplace says why nothing can be put in place of what is at path.
func mayReplace(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("a file that is not a socket is in the way")
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return errors.New("another process listens on it")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("find out whether another process listens on it: %w", err)
	}
	return nil
}

// place gives a socket its mode and owner, and then its name.
func (s *Server) place(made, path string) (fs.FileInfo, error) {
	mode, err := parseMode(s.opts.SocketMode)
	if err != nil {
		return nil, err
	}
	uid, err := userID(s.opts.SocketOwner)
	if err != nil {
		return nil, err
	}
	gid, err := s.opts.socketGroup()
	if err != nil {
		return nil, err
	}
	if uid != unchanged || gid != unchanged {
		if err := os.Chown(made, uid, gid); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(made, mode); err != nil {
		return nil, err
	}
	info, err := os.Lstat(made)
	if err != nil {
		return nil, err
	}
	return info, os.Rename(made, path)
}

// unixListener removes its socket on Close, unless another one has taken its place.
type unixListener struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

func (l *unixListener) Close() error {
	if info, err := os.Lstat(l.path); err == nil && os.SameFile(info, l.info) {
		os.Remove(l.path)
	}
	return l.UnixListener.Close()
}

func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: l.path} }
