package scanning

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dutchcoders/go-clamd"

	"pratique/message"
)

// Stats is what clamd tells of itself, in its own words.
type Stats struct {
	State   string // "STATE: VALID PRIMARY"
	Threads string // "THREADS: live 1  idle 0 max 12 idle-timeout 30"
	Queue   string // "QUEUE: 0 items"
	Memory  string // "MEMSTATS: heap 9.0M mmap 0.0M …"
}

var maxThreads = regexp.MustCompile(`\bmax (\d+)\b`)

// MaxThreads returns how many scans clamd runs at once, or 0 if it does not say.
func (s Stats) MaxThreads() int {
	if found := maxThreads.FindStringSubmatch(s.Threads); found != nil {
		n, _ := strconv.Atoi(found[1])
		return n
	}
	return 0
}

// Ping returns nil if clamd answers.
func (s *Scanner) Ping(ctx context.Context) error {
	_, err := control(ctx, s, "PING", func(c *clamd.Clamd) (any, error) { return nil, c.Ping() })
	return err
}

// Version returns clamd's version with that of its signatures, such as
// "ClamAV 1.4.6/27500/Mon Jan  5 08:26:44 2026".
func (s *Scanner) Version(ctx context.Context) (string, error) {
	return control(ctx, s, "VERSION", func(c *clamd.Clamd) (string, error) {
		lines, err := c.Version()
		if err != nil {
			return "", err
		}
		var version string
		for line := range lines { // to the end, or go-clamd leaks a goroutine
			version += line.Raw
		}
		if !strings.HasPrefix(version, "ClamAV ") {
			return "", fmt.Errorf("unexpected answer %s", quote([]byte(version)))
		}
		return sanitize(version), nil
	})
}

// Stats returns what clamd tells of its threads and queue.
func (s *Scanner) Stats(ctx context.Context) (Stats, error) {
	return control(ctx, s, "STATS", func(c *clamd.Clamd) (Stats, error) {
		st, err := c.Stats()
		if err != nil {
			return Stats{}, err
		}
		if st.State == "" { // go-clamd takes silence for an answer here
			return Stats{}, errNoAnswer
		}
		return Stats{State: st.State, Threads: st.Threads, Queue: st.Queue, Memory: st.Memstats}, nil
	})
}

// Reload has clamd read its signatures again. It returns as soon as clamd has begun.
func (s *Scanner) Reload(ctx context.Context) error {
	_, err := control(ctx, s, "RELOAD", func(c *clamd.Clamd) (any, error) { return nil, c.Reload() })
	return err
}

// control runs one command through go-clamd, which has no deadlines of its own,
// panics if there is no answer, and takes one command at a time. A command that
// clamd leaves unanswered lasts until clamd closes the connection; until then
// the next ones fail.
func control[T any](ctx context.Context, s *Scanner, command string, ask func(*clamd.Clamd) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	var reply struct {
		value T
		err   error
	}
	select {
	case s.control <- struct{}{}:
	case <-ctx.Done():
		return reply.value, fmt.Errorf("%s to clamd: an earlier command is still unanswered: %w", command, ctx.Err())
	}
	done := make(chan struct{})
	go func() {
		defer func() { <-s.control }()
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				reply.err = fmt.Errorf("no answer (%v)", v)
			}
		}()
		reply.value, reply.err = ask(clamd.NewClamd(s.clamd.url()))
	}()
	select {
	case <-done:
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("%s to clamd at %s: no answer: %w", command, s.clamd, ctx.Err())
	}
	if reply.err != nil {
		return reply.value, fmt.Errorf("%s to clamd at %s: %w", command, s.clamd, reply.err)
	}
	return reply.value, nil
}

// url is the address as go-clamd takes it.
func (a address) url() string {
	if a.network == "unix" {
		return (&url.URL{Scheme: "unix", Path: a.addr}).String()
	}
	return (&url.URL{Scheme: a.network, Host: a.addr}).String()
}

// Watch asks clamd for its version every so often, until ctx ends, and logs when
// it comes, goes, or has new signatures. Each answer is told, too; nil: it is there.
func (s *Scanner) Watch(ctx context.Context, every time.Duration, told func(err error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	if s.cache != nil {
		defer s.cache.use("") // nobody tells of new signatures any more
	}
	const away = ""
	for last := "not asked yet"; ; {
		version, err := s.Version(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && version != last:
			s.log.Info("clamd is there", "version", version)
		case err != nil && last != away:
			s.log.Warn("clamd does not answer", "error", err)
		}
		if s.cache != nil {
			s.cache.use(version) // none if clamd does not answer
		}
		told(err)
		last = version
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Probe sends clamd a mail of this many octets, at least 1,024, that carries the EICAR
// test file. It returns nil if clamd finds it.
//
// A mail as large as Options.MaxSize is worth asking about: what is larger than
// clamd's own MaxFileSize or MaxScanSize it calls clean unseen, unless
// AlertExceedsMax is set.
func (s *Scanner) Probe(ctx context.Context, size int64) error {
	m := &message.Message{}
	for _, f := range [][2]string{
		{"From", " probe@localhost"}, {"Subject", " Pratique probe"}, {"MIME-Version", " 1.0"},
		{"Content-Type", ` multipart/mixed; boundary="probe"`},
	} {
		if err := m.Header.Receive(message.NewField(f[0], f[1])); err != nil {
			return err
		}
	}
	i := &inspector{scanner: s, ctx: ctx, m: m}
	defer i.Close()
	err := probe(i, size-int64(len(mailMark)+m.Header.Size()+len(emptyLine)))
	if slices.ContainsFunc(m.Findings, func(f message.Finding) bool { return f.Rule == ruleInfected }) {
		return nil
	}
	if len(m.Notes) > 0 { // the last one is the verdict
		return fmt.Errorf("clamd does not find the EICAR test file in a mail of %d octets: %s", size, m.Notes[len(m.Notes)-1].Text)
	}
	return err
}

// probe plays the body of a mail with a long text and the test file behind it.
func probe(i *inspector, size int64) error {
	const head = "--probe\r\nContent-Type: text/plain\r\n\r\n"
	tail := "\r\n--probe\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"eicar.com\"\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(eicar()) + "\r\n--probe--\r\n"
	if err := i.Header(); err != nil {
		return err
	}
	if _, err := i.Write([]byte(head)); err != nil {
		return err
	}
	line := []byte(strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 1000))
	for left := size - int64(len(head)+len(tail)); left > 0; {
		n, err := i.Write(line[:min(left, int64(len(line)))])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	if _, err := i.Write([]byte(tail)); err != nil {
		return err
	}
	return i.End()
}

// eicar returns the EICAR anti-virus test file, which this source, and the
// program, must not carry in the clear: scanners would find it there.
func eicar() []byte {
	file := []byte(`*H+H$!ELIF-TSET-SURIVITNA-DRADNATS-RACIE$}7)CC7)^P(45XZP\4[PA@%P!O5X`)
	slices.Reverse(file)
	return file
}
