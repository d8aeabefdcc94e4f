package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// session is an SMTP session that never gets to DATA.
type session struct {
	conn     net.Conn
	r        *bufio.Reader
	timeout  time.Duration // of a reply
	until    time.Time     // when all must be over; zero: never
	greeting string
	name     string // what the server calls itself in its answer to EHLO
}

// dial begins a session, with STARTTLS if that is wanted.
func dial(ctx context.Context, o Options, wanted bool) (*session, error) {
	d := net.Dialer{Timeout: o.Timeout}
	if o.From.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: o.From.AsSlice()}
	}
	conn, err := d.DialContext(ctx, "tcp", o.Target)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, r: bufio.NewReader(conn), timeout: o.Timeout}
	s.until, _ = ctx.Deadline()
	err = s.greet(o.Helo)
	if err == nil && wanted {
		err = s.secure(ctx, o.Helo)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) greet(helo string) error {
	code, text, err := s.reply()
	if err != nil {
		return fmt.Errorf("its greeting: %w", err)
	}
	if code != 220 {
		return fmt.Errorf("it greets with %d %s", code, text)
	}
	s.greeting = text
	return s.hello(helo)
}

// hello says EHLO, or HELO to a server that does not know that (RFC 5321 3.2).
func (s *session) hello(helo string) error {
	code, text, err := s.command("EHLO " + helo)
	if err == nil && code/100 == 5 {
		code, text, err = s.command("HELO " + helo)
	}
	if err != nil {
		return fmt.Errorf("its answer to EHLO: %w", err)
	}
	if code != 250 {
		return fmt.Errorf("it answers EHLO and HELO with %d %s", code, text)
	}
	s.name, _, _ = strings.Cut(text, " ")
	return nil
}

// secure starts TLS (RFC 3207), whatever the certificate is: it is not what is tried here.
func (s *session) secure(ctx context.Context, helo string) error {
	code, text, err := s.command("STARTTLS")
	if err == nil && code != 220 {
		err = fmt.Errorf("it answers %d %s", code, text)
	}
	if err == nil && s.r.Buffered() > 0 {
		err = errUnasked
	}
	if err != nil {
		return fmt.Errorf("its answer to STARTTLS: %w", err)
	}
	s.extend()
	conn := tls.Client(s.conn, &tls.Config{InsecureSkipVerify: true})
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("start TLS: %w", err)
	}
	s.conn, s.r = conn, bufio.NewReader(conn)
	return s.hello(helo)
}

// extend gives the server time for one more step.
func (s *session) extend() {
	deadline := time.Now().Add(s.timeout)
	if !s.until.IsZero() && s.until.Before(deadline) {
		deadline = s.until
	}
	s.conn.SetDeadline(deadline)
}

func (s *session) peer() string  { return s.conn.RemoteAddr().String() }
func (s *session) local() string { return s.conn.LocalAddr().String() }

// offer begins a transaction, names a recipient, and takes it back. It returns the
// reply that decided.
func (s *session) offer(mail, rcpt string) (int, string, error) {
	code, text, err := s.command("RSET")
	switch {
	case err != nil:
		return 0, "", err
	case code == 530 || code == 421: // wants TLS or a login first, or has enough
		return code, fmt.Sprintf("RSET: %d %s", code, text), nil
	case code/100 != 2:
		return 0, "", fmt.Errorf("it answers RSET with %d %s", code, text)
	}
	code, text, err = s.command("MAIL FROM:" + mail)
	if err != nil || code/100 != 2 {
		return code, fmt.Sprintf("MAIL: %d %s", code, text), err
	}
	code, text, err = s.command("RCPT TO:" + rcpt)
	if err != nil {
		return 0, "", err
	}
	if code/100 == 2 {
		if _, _, err := s.command("RSET"); err != nil { // at once: nothing is left open
			return code, fmt.Sprintf("%d %s", code, text), nil
		}
	}
	return code, fmt.Sprintf("%d %s", code, text), nil
}

// quit ends the session, without waiting long for the last word.
func (s *session) quit() {
	s.timeout = min(s.timeout, time.Second)
	_, _, _ = s.command("QUIT") // the server may have hung up: that ends it as well
	s.conn.Close()
}

func (s *session) command(line string) (int, string, error) {
	if strings.ContainsAny(line, "\r\n") {
		return 0, "", errors.New("a command would have several lines")
	}
	if s.r.Buffered() > 0 { // it would be taken for the answer to this command
		return 0, "", errUnasked
	}
	s.extend()
	if _, err := io.WriteString(s.conn, line+"\r\n"); err != nil {
		return 0, "", err
	}
	return s.reply()
}

var errUnasked = errors.New("it sends what nobody asked for")

// maxLines bounds a reply.
const maxLines = 100

// reply reads a reply: its code, and its first line.
func (s *session) reply() (code int, first string, err error) {
	s.extend()
	for i := range maxLines {
		line, err := s.r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			err = errors.New("it closed the connection")
		}
		if err != nil {
			return 0, "", err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if len(text) < 3 {
			return 0, "", fmt.Errorf("its reply %q is none of SMTP", text)
		}
		before := code
		if code, err = strconv.Atoi(text[:3]); err != nil || code < 200 || code > 599 {
			return 0, "", fmt.Errorf("its reply %.60q is none of SMTP", text)
		}
		if i > 0 && code != before {
			return 0, "", fmt.Errorf("the lines of its reply have different codes, %d and %d", before, code)
		}
		if i == 0 {
			first = strings.TrimSpace(text[min(4, len(text)):])
		}
		if len(text) == 3 || text[3] != '-' {
			return code, first, nil
		}
	}
	return 0, "", fmt.Errorf("its reply has more than %d lines", maxLines)
}
