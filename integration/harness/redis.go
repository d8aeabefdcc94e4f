package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Redis is a running redis-server. It needs no rights.
type Redis struct {
	*Process
	dir     string
	port    int
	program string
	args    []string
}

// StartRedis starts a redis-server in an empty folder and returns when it answers, on
// a socket and a port. It keeps nothing on disk unless the arguments, which are those
// of its command line, say otherwise.
func StartRedis(ctx context.Context, dir string, args ...string) (*Redis, error) {
	program, err := program("redis-server")
	if err != nil {
		return nil, err
	}
	r := &Redis{dir: dir, program: program, args: args}
	return r, withFreePort(func(port int) error {
		r.port = port
		return r.Start(ctx)
	})
}

// Socket returns the path of its socket.
func (r *Redis) Socket() string { return filepath.Join(r.dir, "redis.sock") }

// Addr returns host:port.
func (r *Redis) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// Start starts it again, at the same place, after it has ended.
func (r *Redis) Start(ctx context.Context) error {
	args := append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--unixsocket", r.Socket(),
		"--dir", r.dir, "--save", "", "--appendonly", "no", "--daemonize", "no"}, r.args...)
	process, err := startProcess(exec.Command(r.program, args...), filepath.Join(r.dir, "log"))
	if err != nil {
		return err
	}
	r.Process = process
	if err := r.untilReady(ctx, r.ready); err != nil {
		return errors.Join(err, r.Close())
	}
	return nil
}

func (r *Redis) ready() error {
	conn, err := net.DialTimeout("unix", r.Socket(), time.Second)
	if err != nil {
		if strings.Contains(r.Log(), "Address already in use") {
			return errPortTaken
		}
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	var reply [64]byte
	n, err := conn.Read(reply[:])
	if err != nil {
		return err
	}
	if text := string(reply[:n]); !strings.HasPrefix(text, "+PONG") && !strings.HasPrefix(text, "-NOAUTH") {
		return fmt.Errorf("redis answers %q", text)
	}
	return nil
}
