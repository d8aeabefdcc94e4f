package harness

import (
	"bufio"
	"bytes"
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

// Reply is an SMTP reply.
type Reply struct {
	Code  int
	Lines []string // texts after the code and its separator
}

func (r Reply) String() string { return fmt.Sprintf("%d %s", r.Code, strings.Join(r.Lines, "\n    ")) }

// Positive reports whether the command was taken: 2xx, or 3xx that asks for more.
func (r Reply) Positive() bool { return r.Code/100 == 2 || r.Code/100 == 3 }

// Client is an SMTP client that shows every reply as it came and does not stop
// a caller from breaking the rules.
type Client struct {
	conn     net.Conn
	r        *bufio.Reader
	patience time.Duration // for one reply
}

// clientPatience bounds the wait for one reply: more than any timeout under test.
const clientPatience = 30 * time.Second

// Dial opens an SMTP session from a local address ("": any) and says EHLO.
func Dial(ctx context.Context, addr, from string) (*Client, error) {
	var d net.Dialer
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to the MTA: %w", err)
	}
	c := &Client{conn: conn, r: bufio.NewReader(conn), patience: clientPatience}
	for _, command := range []string{"", "EHLO client.example.org"} {
		if err := c.expect(command); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return c, nil
}

// expect sends a command, or nothing, and takes a refusal for an error.
func (c *Client) expect(command string) error {
	var reply Reply
	var err error
	if command == "" {
		reply, err = c.reply()
	} else {
		reply, err = c.Cmd(command)
	}
	if err == nil && !reply.Positive() {
		err = fmt.Errorf("%q was answered %s", command, reply)
	}
	return err
}

// StartTLS goes on with the session under TLS (RFC 3207). Whose certificate it
// is does not matter to a test.
func (c *Client) StartTLS(ctx context.Context) error {
	if err := c.expect("STARTTLS"); err != nil {
		return err
	}
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("start TLS: %w", err)
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
	return c.expect("EHLO client.example.org")
}

// Cmd sends a command line and returns the reply.
func (c *Client) Cmd(format string, args ...any) (Reply, error) {
	if _, err := fmt.Fprintf(c.conn, format+"\r\n", args...); err != nil {
		return Reply{}, err
	}
	return c.reply()
}

// Pipeline sends several command lines at once (RFC 2920) and returns the replies in order.
func (c *Client) Pipeline(lines ...string) ([]Reply, error) {
	if _, err := io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		return nil, err
	}
	var replies []Reply
	for range lines {
		reply, err := c.reply()
		if err != nil {
			return replies, err
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

// Content sends what follows the 354 reply to DATA: the message and the final dot.
func (c *Client) Content(message []byte) (Reply, error) {
	stuffed := bytes.ReplaceAll(append([]byte("\r\n"), message...), []byte("\r\n."), []byte("\r\n.."))[2:]
	if !bytes.HasSuffix(stuffed, []byte("\r\n")) {
		stuffed = append(stuffed, "\r\n"...)
	}
	if _, err := c.conn.Write(append(stuffed, ".\r\n"...)); err != nil {
		return Reply{}, err
	}
	return c.reply()
}

// Answer is how the MTA answered a message: the first reply that was not
// positive, or the last one.
type Answer struct {
	Reply
	To string // the command that was answered: MAIL, RCPT, DATA, or "." for the message
}

func (a Answer) String() string { return a.To + ": " + a.Reply.String() }

// Accepted reports whether the MTA took the message.
func (a Answer) Accepted() bool { return a.To == "." && a.Code == 250 }

// Mail is a message to send, with its envelope.
type Mail struct {
	From string // address, without angle brackets
	Args string // ESMTP arguments of MAIL, as "BODY=8BITMIME"
	To   []string
	Data []byte // CRLF line ends
}

// Send sends one message in the session. A message that was refused leaves the
// session fit for the next one.
func (c *Client) Send(m Mail) (Answer, error) {
	commands := []string{strings.TrimSpace("MAIL FROM:<" + m.From + "> " + m.Args)}
	for _, to := range m.To {
		commands = append(commands, "RCPT TO:<"+to+">")
	}
	for _, command := range commands {
		reply, err := c.Cmd("%s", command)
		if err != nil {
			return Answer{}, err
		}
		if !reply.Positive() {
			return Answer{Reply: reply, To: command[:4]}, c.expect("RSET")
		}
	}
	reply, err := c.Cmd("DATA")
	if err != nil {
		return Answer{}, err
	}
	if reply.Code != 354 {
		return Answer{Reply: reply, To: "DATA"}, c.expect("RSET")
	}
	reply, err = c.Content(m.Data)
	return Answer{Reply: reply, To: "."}, err
}

// Close ends the session, with QUIT if the server still listens.
func (c *Client) Close() error {
	c.patience = time.Second
	_, _ = c.Cmd("QUIT") // the server may be gone already, which is as good
	return c.conn.Close()
}

// Send sends one message in a session of its own.
func Send(ctx context.Context, addr, from string, m Mail) (Answer, error) {
	c, err := Dial(ctx, addr, from)
	if err != nil {
		return Answer{}, err
	}
	answer, err := c.Send(m)
	return answer, errors.Join(err, c.Close())
}

// reply reads one reply, of one or more lines (RFC 5321 4.2.1).
func (c *Client) reply() (Reply, error) {
	c.conn.SetReadDeadline(time.Now().Add(c.patience))
	var r Reply
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return r, fmt.Errorf("read the MTA's reply: %w", err)
		}
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 3 {
			return r, fmt.Errorf("the MTA answered %q", line)
		}
		if r.Code, err = strconv.Atoi(line[:3]); err != nil {
			return r, fmt.Errorf("the MTA answered %q", line)
		}
		r.Lines = append(r.Lines, strings.TrimLeft(line[3:], "- "))
		if len(line) == 3 || line[3] == ' ' {
			return r, nil
		}
	}
}
