package alerts

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"pratique/message"
)

// Mail is the [alerts.mail] table.
type Mail struct {
	To       []string      `toml:"to"`       // addresses; none: no mail
	From     string        `toml:"from"`     // of the header; "": pratique@ the name of this host
	Envelope string        `toml:"envelope"` // sender in the envelope; "": the null sender, so that nothing comes back
	Server   string        `toml:"server"`   // host:port of an MTA
	Sendmail string        `toml:"sendmail"` // path of sendmail(1), in place of the server; "": none
	Timeout  time.Duration `toml:"timeout"`
}

// headerSeen tells mail programs what it is, for their filters.
const headerSeen = "X-Pratique-Alert"

// mailer sends alerts by mail.
type mailer struct {
	Mail
	env  Env
	seal *Seal
}

// send delivers by the MTA. A reply of 5xx is permanent: another attempt would meet it again.
func (m *mailer) send(ctx context.Context, n Notification) error {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	letter, err := m.letter(n)
	if err != nil {
		return err
	}
	if m.Sendmail != "" {
		return m.submit(ctx, letter)
	}
	err = m.talk(ctx, letter)
	var reply *textproto.Error
	if errors.As(err, &reply) && reply.Code >= 500 {
		return &permanent{err}
	}
	return err
}

// letter is the mail, with CRLF line ends and of ASCII.
func (m *mailer) letter(n Notification) ([]byte, error) {
	var body bytes.Buffer
	qp := quotedprintable.NewWriter(&body)
	if _, err := qp.Write([]byte(strings.ReplaceAll(mailText(n), "\n", "\r\n"))); err != nil {
		return nil, err
	}
	if err := qp.Close(); err != nil {
		return nil, err
	}
	from := cmp.Or(m.From, "pratique@"+m.env.Hostname)
	id := "<" + rand.Text() + "@" + message.Domain(from) + ">"
	token, err := m.seal.token(id, body.Bytes())
	if err != nil {
		return nil, fmt.Errorf("seal the mail: %w", err)
	}
	first := n.Alerts[0]
	var letter bytes.Buffer
	for _, field := range [][2]string{
		{headerSeal, token},
		{"Date", n.At.Format(time.RFC1123Z)},
		{"From", "Pratique <" + from + ">"},
		{"To", strings.Join(m.To, ",\r\n ")},
		{"Subject", mime.QEncoding.Encode("utf-8", line(mailSubject(n), 200))},
		{"Message-ID", id},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834 5
		{headerSeen, fmt.Sprintf("%s %s %s", first.State, first.Severity, first.Name)},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		letter.WriteString(field[0] + ": " + field[1] + "\r\n")
	}
	letter.WriteString("\r\n")
	letter.Write(body.Bytes())
	return letter.Bytes(), nil
}

func mailSubject(n Notification) string {
	first := n.Alerts[0]
	what := strings.TrimSpace(fmt.Sprintf("%s: %s %s", cmp.Or(stateWord(first), first.Severity.String()), first.Name, first.Subject))
	if more := len(n.Alerts) + n.More - 1; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("[%s] %s", n.Host, what)
}

// stateWord says what became of an alert where that is more than how severe it is.
func stateWord(e Event) string {
	switch e.State {
	case Resolved:
		return "resolved"
	case Repeated:
		return "still " + e.Severity.String()
	case Tested:
		return "test"
	}
	return ""
}

func mailText(n Notification) string {
	var b strings.Builder
	for i, e := range n.Alerts {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s\n%s\n", strings.TrimSpace(fmt.Sprintf("%s: %s %s",
			cmp.Or(stateWord(e), e.Severity.String()), e.Name, e.Subject)), e.Text)
		if e.State != Tested {
			fmt.Fprintf(&b, "since %s\n", e.Since.Format("2006-01-02 15:04:05 -0700"))
		}
	}
	if n.More > 0 {
		fmt.Fprintf(&b, "\nand %d more that are not listed\n", n.More)
	}
	fmt.Fprintf(&b, "\n\"pratique alerts\" on %s shows what is active.\n", n.Host)
	return b.String()
}

// submit hands the mail to sendmail(1).
func (m *mailer) submit(ctx context.Context, letter []byte) error {
	command := append([]string{m.Sendmail, "-i", "-f", cmp.Or(m.Envelope, "<>"), "--"}, m.To...)
	return run(ctx, m.Timeout, command, inherited(), bytes.ReplaceAll(letter, []byte("\r\n"), []byte("\n")))
}

// talk speaks SMTP (RFC 5321) with the server.
func (m *mailer) talk(ctx context.Context, letter []byte) (err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	host, _, _ := net.SplitHostPort(m.Server)
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return fmt.Errorf("greeting of %s: %w", m.Server, err)
	}
	if err := c.Hello(m.env.Hostname); err != nil {
		return fmt.Errorf("EHLO to %s: %w", m.Server, err)
	}
	if ok, _ := c.Extension("STARTTLS"); ok && !loopback(conn) {
		// As MTAs among each other do: encrypted is better than not, whoever it is.
		if err := c.StartTLS(&tls.Config{ServerName: host, InsecureSkipVerify: true}); err != nil {
			return fmt.Errorf("STARTTLS to %s: %w", m.Server, err)
		}
	}
	if err := m.transfer(c, letter); err != nil {
		return fmt.Errorf("mail by %s: %w", m.Server, err)
	}
	_ = c.Quit() // the mail is taken, whatever it answers
	return nil
}

func loopback(conn net.Conn) bool {
	addr, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// transfer sends the envelope and the mail. It is enough if one recipient is taken;
// the others are said in the log.
func (m *mailer) transfer(c *smtp.Client, letter []byte) error {
	if err := say(c, 250, "MAIL FROM:<%s>", m.Envelope); err != nil {
		return fmt.Errorf("MAIL FROM:<%s>: %w", m.Envelope, err)
	}
	var refused error
	taken := 0
	for _, to := range m.To {
		if err := say(c, 25, "RCPT TO:<%s>", to); err != nil {
			refused = errors.Join(refused, fmt.Errorf("RCPT TO:<%s>: %w", to, err))
			continue
		}
		taken++
	}
	if taken == 0 {
		return refused
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	_, err = w.Write(letter)
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("end of the mail: %w", err)
	}
	if refused != nil {
		m.env.Log.Warn("alert mail did not go to all", "error", refused)
	}
	return nil
}

// say sends a command. The library's own Mail would ask for SMTPUTF8 where it is
// offered, which the mail does not need.
func say(c *smtp.Client, expect int, format string, args ...any) error {
	id, err := c.Text.Cmd(format, args...)
	if err != nil {
		return err
	}
	c.Text.StartResponse(id)
	defer c.Text.EndResponse(id)
	_, _, err = c.Text.ReadResponse(expect)
	return err
}
