package canary

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// maxMessage bounds what is taken in, in octets.
const maxMessage = 1 << 20

// sink is an SMTP server that takes mail for one recipient, while a canary is under way.
type sink struct {
	server   *smtp.Server
	arrivals chan []byte
}

func newSink(address, recipient string) (*sink, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the canary (another one may be under way): %w", err)
	}
	s := &sink{arrivals: make(chan []byte)}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{sink: s, recipient: recipient}, nil
	}))
	s.server.Domain = "canary.invalid"
	s.server.MaxMessageBytes = maxMessage
	s.server.MaxRecipients = 1
	s.server.ReadTimeout, s.server.WriteTimeout = time.Minute, time.Minute
	s.server.ErrorLog = silent{}
	go s.server.Serve(l) // it ends by close, with an error that says so
	return s, nil
}

// silent drops what the server says of single sessions: the canary tells what matters.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

func (s *sink) await(ctx context.Context, mark []byte) ([]byte, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case message := <-s.arrivals:
			if bears(message, mark) {
				return message, nil
			}
		}
	}
}

// answering is how long a delivery that was taken in may take to end: an MTA that
// does not hear so would keep the message, and deliver it again.
const answering = 5 * time.Second

func (s *sink) close() {
	ctx, cancel := context.WithTimeout(context.Background(), answering)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
}

// session takes one message after the other.
type session struct {
	sink      *sink
	recipient string
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !strings.EqualFold(to, s.recipient) {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "only canaries arrive here"}
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	const patience = 5 * time.Second // for one that is no longer waited for
	select {
	case s.sink.arrivals <- message:
	case <-time.After(patience):
	}
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// maildir is a Maildir into which canaries are delivered. Those that it finds it takes out.
type maildir struct {
	dir  string
	seen map[string]bool // paths of messages that are no canary of ours
}

// newMaildir passes over what is there already: none of it is the canary, and a mailbox
// may hold very much.
func newMaildir(dir string) (*maildir, error) {
	m := &maildir{dir, map[string]bool{}}
	err := m.each(func(path string) (bool, error) {
		m.seen[path] = true
		return false, nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for the canary: %s is no Maildir that can be read: %w", dir, err)
	}
	return m, nil
}

// each calls visit for the messages that were not seen before, until that is done.
func (m *maildir) each(visit func(path string) (done bool, err error)) error {
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(m.dir, sub))
		if err != nil {
			return err
		}
		for _, entry := range entries {
			path := filepath.Join(m.dir, sub, entry.Name())
			if m.seen[path] || !entry.Type().IsRegular() {
				continue
			}
			if done, err := visit(path); done || err != nil {
				return err
			}
		}
	}
	return nil
}

// pollEvery is how often the Maildir is looked at: the delay is known no better.
const pollEvery = 250 * time.Millisecond

func (m *maildir) await(ctx context.Context, mark []byte) ([]byte, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		message, err := m.look(mark)
		if message != nil || err != nil {
			return message, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// look returns the message with the mark, if it has come, and takes it out.
func (m *maildir) look(mark []byte) (found []byte, err error) {
	err = m.each(func(path string) (bool, error) {
		m.seen[path] = true
		message, err := readBounded(path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil // somebody reads this mailbox
		}
		if err != nil || !bears(message, mark) {
			return false, err
		}
		found = message
		return true, os.Remove(path)
	})
	if err != nil {
		return found, fmt.Errorf("look for the canary: %w", err)
	}
	return found, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxMessage))
}

func (m *maildir) close() {}
