package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
)

// Delivery is a message as the sink received it.
type Delivery struct {
	From       string
	FromArgs   string // ESMTP arguments of MAIL
	Recipients []string
	Data       []byte // every octet between DATA and the final dot, without the dots that SMTP adds
}

// SinkOptions say what the sink is like.
type SinkOptions struct {
	EightBitMIME bool
	// Refuse returns the SMTP reply by which a recipient is refused, or "".
	Refuse func(recipient string) string
}

// Sink is an SMTP server on a loopback port that takes all mail and keeps it
// exactly as it came: the place where outgoing mail arrives.
type Sink struct {
	o        SinkOptions
	listener net.Listener
	sessions sync.WaitGroup

	mu         sync.Mutex
	conns      map[net.Conn]bool // nil once closed
	deliveries []Delivery
	changed    chan struct{} // closed and replaced at every delivery
}

// StartSink starts a sink.
func StartSink(o SinkOptions) (*Sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the sink: %w", err)
	}
	s := &Sink{o: o, listener: l, conns: map[net.Conn]bool{}, changed: make(chan struct{})}
	s.sessions.Add(1)
	go s.serve()
	return s, nil
}

// Addr returns host:port.
func (s *Sink) Addr() string { return s.listener.Addr().String() }

// Deliveries returns what was received so far, in order.
func (s *Sink) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Delivery(nil), s.deliveries...)
}

// Await waits for a delivery whose octets hold the given text and returns the first such.
func (s *Sink) Await(ctx context.Context, text string) (Delivery, error) {
	seen := 0
	for {
		s.mu.Lock()
		fresh, changed := s.deliveries[seen:], s.changed
		s.mu.Unlock()
		for _, d := range fresh {
			if bytes.Contains(d.Data, []byte(text)) {
				return d, nil
			}
		}
		seen += len(fresh)
		select {
		case <-changed:
		case <-ctx.Done():
			return Delivery{}, fmt.Errorf("no message with %q arrived: %w", text, ctx.Err())
		}
	}
}

// Close stops the sink and ends its sessions.
func (s *Sink) Close() error {
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	err := s.listener.Close()
	for c := range conns {
		c.Close()
	}
	s.sessions.Wait()
	return err
}

func (s *Sink) serve() {
	defer s.sessions.Done()
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.join(conn) {
			conn.Close()
			return
		}
		go func() {
			defer s.sessions.Done()
			defer s.leave(conn)
			(&sinkSession{sink: s, r: bufio.NewReader(conn), w: conn}).run()
		}()
	}
}

func (s *Sink) join(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[conn] = true
	s.sessions.Add(1)
	return true
}

func (s *Sink) leave(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	conn.Close()
}

func (s *Sink) keep(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = append(s.deliveries, d)
	close(s.changed)
	s.changed = make(chan struct{})
}

// sinkSession is one SMTP session (RFC 5321), with as much of it as an MTA uses.
type sinkSession struct {
	sink *Sink
	r    *bufio.Reader
	w    io.Writer
	mail Delivery
}

func (s *sinkSession) run() {
	if s.reply("220 sink ESMTP") != nil {
		return
	}
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if err := s.command(strings.ToUpper(verb), rest); err != nil {
			return
		}
	}
}

var errQuit = errors.New("QUIT")

func (s *sinkSession) command(verb, rest string) error {
	switch verb {
	case "EHLO":
		return s.reply(s.greeting())
	case "HELO", "NOOP":
		return s.reply("250 sink")
	case "MAIL":
		s.mail = Delivery{}
		s.mail.From, s.mail.FromArgs = path(rest)
		return s.reply("250 2.1.0 Ok")
	case "RCPT":
		return s.rcpt(rest)
	case "DATA":
		return s.data()
	case "RSET":
		s.mail = Delivery{}
		return s.reply("250 2.0.0 Ok")
	case "QUIT":
		return errors.Join(s.reply("221 2.0.0 Bye"), errQuit)
	default:
		return s.reply("502 5.5.2 not known here")
	}
}

func (s *sinkSession) greeting() string {
	lines := []string{"250-sink", "250-PIPELINING", "250-ENHANCEDSTATUSCODES"}
	if s.sink.o.EightBitMIME {
		lines = append(lines, "250-8BITMIME", "250-SMTPUTF8") // the second one calls for the first (RFC 6531 3.1)
	}
	return strings.Join(append(lines, "250 SIZE 0"), "\r\n")
}

func (s *sinkSession) rcpt(rest string) error {
	addr, _ := path(rest)
	if s.sink.o.Refuse != nil {
		if reply := s.sink.o.Refuse(addr); reply != "" {
			return s.reply(reply)
		}
	}
	s.mail.Recipients = append(s.mail.Recipients, addr)
	return s.reply("250 2.1.5 Ok")
}

func (s *sinkSession) data() error {
	if len(s.mail.Recipients) == 0 {
		return s.reply("554 5.5.1 no valid recipients")
	}
	if err := s.reply("354 go ahead"); err != nil {
		return err
	}
	var data []byte
	for {
		line, err := s.r.ReadBytes('\n')
		if err != nil {
			return err
		}
		if string(line) == ".\r\n" {
			break
		}
		data = append(data, bytes.TrimPrefix(line, []byte("."))...)
	}
	s.mail.Data = data
	s.sink.keep(s.mail)
	s.mail = Delivery{}
	return s.reply("250 2.0.0 kept")
}

func (s *sinkSession) reply(text string) error {
	_, err := io.WriteString(s.w, text+"\r\n")
	return err
}

// path splits "FROM:<a@b> ARGS" into the address and the arguments.
func path(rest string) (addr, args string) {
	_, rest, _ = strings.Cut(rest, "<")
	addr, args, _ = strings.Cut(rest, ">")
	return addr, strings.TrimSpace(args)
}
