package queue

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// spool is sendmail's queue folder, which root may read: a file qf… (or hf…, if
// the message is quarantined) a message, and df… with its body.
type spool struct{ folder string }

func (s spool) Name() string { return "sendmail, " + s.folder }

// Each reads the files as they are. A message that leaves meanwhile is passed over.
func (s spool) Each(ctx context.Context, visit func(*Entry) error) error {
	return filepath.WalkDir(s.folder, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && path != s.folder {
				return nil
			}
			return err
		}
		if d.IsDir() && strings.Count(strings.TrimPrefix(path, s.folder), "/") > 2 { // a queue of a group, and qf or df in it
			return filepath.SkipDir
		}
		name := d.Name()
		if d.IsDir() || len(name) < 3 || name[:2] != "qf" && name[:2] != "hf" {
			return nil
		}
		e, err := readControlFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		e.ID = name[2:]
		if name[0] == 'h' {
			e.Queue = Hold
		}
		return visit(e)
	})
}

func readControlFile(path string) (*Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	e, err := parseControlFile(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	e.Size += bodySize(path)
	return e, nil
}

// bodySize returns the size of the body's file, which lies beside the control file
// or in a folder df beside its folder.
func bodySize(path string) int64 {
	dir, name := filepath.Split(path)
	for _, body := range []string{filepath.Join(dir, "df"+name[2:]), filepath.Join(dir, "..", "df", "df"+name[2:])} {
		if info, err := os.Stat(body); err == nil {
			return info.Size()
		}
	}
	return 0
}

// maxControlLine bounds a line of a control file; a header field may be long.
const maxControlLine = 1 << 20

// parseControlFile reads the lines of a control file (Sendmail Installation and
// Operation Guide, "Queue file format"): T when the message came, N how often it was
// tried, S the sender, R a recipient, and before it, with the same M line behind S,
// why it was deferred. Seen with sendmail 8.17.
func parseControlFile(r io.Reader) (*Entry, error) {
	in := bufio.NewReader(r)
	e := &Entry{Queue: Deferred}
	var whole, words string // the reason of the message, of the next recipient
	sender := false
	for {
		line, err := readLine(in, maxControlLine)
		text := strings.TrimRight(string(line), "\r\n")
		if text == "." {
			return e, nil
		}
		if text != "" {
			switch key, value := text[0], text[1:]; key {
			case 'T':
				seconds, _ := strconv.ParseInt(value, 10, 64)
				e.Arrived = time.Unix(seconds, 0)
			case 'N':
				if value == "0" {
					e.Queue = Incoming
				}
			case 'S':
				e.Sender, sender = strings.Trim(value, "<>"), true
			case 'M':
				if words = value; !sender {
					whole = value
				}
			case 'R':
				if _, address, ok := strings.Cut(value, ":"); ok && len(e.Recipients) < maxRecipients {
					e.Recipients = append(e.Recipients, Recipient{strings.Trim(address, "<>"), strings.TrimPrefix(or(words, whole), "Deferred: ")})
				}
				words = ""
			case 'H', ' ', '\t':
				e.Size += int64(len(line))
			}
		}
		if errors.Is(err, io.EOF) {
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// mailq is sendmail's own list, for those who may not read the folder.
type mailq struct {
	path string
	now  func() time.Time
}

func (m mailq) Name() string { return "sendmail, " + m.path + " -v" }

func (m mailq) Each(ctx context.Context, visit func(*Entry) error) error {
	return run(ctx, []string{m.path, "-v"}, func(out io.Reader) error { return readMailq(out, m.now(), visit) })
}

var errMailq = errors.New("mailq does not write what sendmail's does")

// readMailq reads what sendmail's mailq -v writes: a line for each message, and
// below it, indented, reasons in parentheses and recipients.
func readMailq(r io.Reader, now time.Time, visit func(*Entry) error) error {
	in := bufio.NewReader(r)
	var e *Entry
	known, list := false, false
	flush := func() error {
		if e == nil {
			return nil
		}
		done := e
		e = nil
		return visit(done)
	}
	for {
		line, err := readLine(in, maxControlLine)
		text := strings.TrimRight(string(line), "\r\n")
		trimmed := strings.TrimSpace(text)
		switch {
		case trimmed == "":
		case strings.Contains(trimmed, "Total requests:"), strings.Contains(trimmed, " is empty"):
			known = true
		case strings.HasPrefix(trimmed, "-----Q-ID"):
			known, list = true, true
		case list && text[0] != ' ' && text[0] != '\t':
			if err := flush(); err != nil {
				return err
			}
			e = mailqEntry(text, now)
		case e != nil:
			e.detail(trimmed)
		}
		if errors.Is(err, io.EOF) {
			if !known {
				return errMailq
			}
			return flush()
		}
		if err != nil {
			return err
		}
	}
}

// mailqEntry reads the line of a message: id with a mark, size, priority, time, sender.
// A mark "*" is a message under way, "?" a quarantined one.
func mailqEntry(line string, now time.Time) *Entry {
	head, sender, ok := strings.Cut(line, "<")
	f := strings.Fields(head)
	if len(f) < 5 {
		return nil
	}
	e := &Entry{Queue: Deferred}
	e.ID = strings.TrimRight(f[0], "*X?-")
	switch {
	case strings.HasSuffix(f[0], "*"):
		e.Queue = Active
	case strings.HasSuffix(f[0], "?"):
		e.Queue = Hold
	}
	e.Size, _ = strconv.ParseInt(strings.TrimRight(f[1], "*X?-"), 10, 64)
	if at, err := time.ParseInLocation("Jan 2 15:04", strings.Join(f[len(f)-3:], " "), now.Location()); err == nil {
		e.Arrived = lastTime(at, now)
	}
	if ok {
		e.Sender = strings.TrimRight(sender, "> ")
	}
	return e
}

// lastTime gives a time without a year the one that makes it the last that was.
func lastTime(at, now time.Time) time.Time {
	at = at.AddDate(now.Year()-at.Year(), 0, 0)
	if at.After(now.Add(24 * time.Hour)) {
		at = at.AddDate(-1, 0, 0)
	}
	return at
}

// detail takes a line below that of a message.
func (e *Entry) detail(line string) {
	n := len(e.Recipients)
	switch {
	case strings.HasPrefix(line, "("):
		words := strings.TrimPrefix(strings.TrimSuffix(line[1:], ")"), "Deferred: ")
		if n > 0 {
			e.Recipients[n-1].Reason = words
		}
	case strings.HasPrefix(line, "<") && n < maxRecipients:
		e.Recipients = append(e.Recipients, Recipient{Address: strings.Trim(line, "<>")})
	}
}
