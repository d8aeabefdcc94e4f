package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pratique/integration/harness"
	"pratique/milter/miltertest"
	"pratique/scanning/clamdtest"
)

var errNoClamd = fmt.Errorf("clamd: %w", harness.ErrMissing)

// clamd is the scanner that all subjects which scan share.
type clamd struct {
	real   *clamdtest.Real
	socket string
	pid    int
}

// startClamd starts a private clamd that knows EICAR alone. As many scans may
// be under way as by default, and as large ones as any subject sends.
func startClamd(ctx context.Context, dir string) (*clamd, error) {
	real := &clamdtest.Real{Dir: dir, Options: map[string]string{
		"MaxThreads": "10", "StreamMaxLength": "100M", "MaxFileSize": "100M", "MaxScanSize": "100M", "LocalSocketMode": "666",
	}}
	if err := real.Start(ctx); err != nil {
		if errors.Is(err, clamdtest.ErrNotInstalled) {
			err = errNoClamd
		}
		return nil, err
	}
	pid, err := childWith(dir)
	if err != nil {
		real.Kill()
		return nil, err
	}
	return &clamd{real, strings.TrimPrefix(real.Address(), "unix:"), pid}, nil
}

// childWith finds the child of ours whose command line mentions a text.
func childWith(text string) (int, error) {
	pids, err := family(os.Getpid())
	if err != nil {
		return 0, err
	}
	for _, pid := range pids[1:] {
		line, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "cmdline"))
		if err == nil && bytes.Contains(line, []byte(text)) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no child has %q in its command line", text)
}

// clamdAlone is the bound of all that scan: the letters go to clamd and nowhere else.
func clamdAlone() subject {
	return subject{"clamd alone", duty{}, func(_ context.Context, s *site, _ place) (*running, error) {
		if s.clamd == nil {
			return nil, errNoClamd
		}
		open := func(*running) (session, error) { return scanSession(s.clamd.socket), nil }
		return &running{root: s.clamd.pid, open: open, close: func() error { return nil }}, nil
	}}
}

// scanSession sends letters to clamd at this path, each on a connection of its
// own, as everybody does who uses INSTREAM.
type scanSession string

func (s scanSession) send(m miltertest.Mail) (time.Duration, error) {
	conn, err := net.Dial("unix", string(s))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := conn.Write(instream(raw(m))); err != nil {
		return 0, fmt.Errorf("write to clamd: %w", err)
	}
	began := time.Now()
	answer, err := io.ReadAll(conn)
	if err == nil && string(answer) != "stream: OK\x00" {
		err = fmt.Errorf("clamd answered %q", answer)
	}
	return time.Since(began), err
}

func (s scanSession) close() error { return nil }

// instream is the INSTREAM command with a text in a single chunk (clamd(8)).
func instream(text []byte) []byte {
	b := append([]byte("zINSTREAM\x00"), binary.BigEndian.AppendUint32(nil, uint32(len(text)))...)
	return append(append(b, text...), 0, 0, 0, 0)
}
