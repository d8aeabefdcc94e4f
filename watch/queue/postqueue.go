package queue

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// postqueue is postqueue(1), which everybody may call who stands in Postfix's
// authorized_mailq_users: it has the group that showq's socket wants.
type postqueue struct {
	path   string
	config string // folder of main.cf; "": the usual
}

func (p postqueue) Name() string { return "postfix, " + strings.Join(p.command(), " ") }

func (p postqueue) command() []string {
	if p.config != "" {
		return []string{p.path, "-c", p.config, "-j"}
	}
	return []string{p.path, "-j"}
}

func (p postqueue) Each(ctx context.Context, visit func(*Entry) error) error {
	return run(ctx, p.command(), func(out io.Reader) error { return readPostqueue(out, visit) })
}

// run reads what a program writes. What it complains about is the error.
func run(ctx context.Context, command []string, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // read may give up early
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.WaitDelay = time.Second
	var complaint bytes.Buffer
	cmd.Stderr = &capped{&complaint, 4 << 10}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := read(out)
	if readErr != nil {
		cancel()
	}
	err = cmd.Wait()
	if readErr != nil {
		err = readErr
	}
	if text := strings.TrimSpace(complaint.String()); err != nil && text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// capped keeps the beginning of what is written.
type capped struct {
	to   *bytes.Buffer
	most int
}

func (c *capped) Write(p []byte) (int, error) {
	if room := c.most - c.to.Len(); room > 0 {
		c.to.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// readPostqueue reads one JSON object a line (postqueue(1), "JSON object format").
func readPostqueue(r io.Reader, visit func(*Entry) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := readLine(in, maxLine)
		if len(bytes.TrimSpace(line)) > 0 {
			var q struct {
				Queue      string `json:"queue_name"`
				ID         string `json:"queue_id"`
				Arrived    int64  `json:"arrival_time"`
				Size       int64  `json:"message_size"`
				Sender     string `json:"sender"`
				Recipients []struct {
					Address string `json:"address"`
					Reason  string `json:"delay_reason"`
				} `json:"recipients"`
			}
			if err := json.Unmarshal(line, &q); err != nil {
				return fmt.Errorf("read postqueue's line %.80q: %w", line, err)
			}
			e := Entry{Queue: q.Queue, ID: q.ID, Arrived: time.Unix(q.Arrived, 0), Size: q.Size, Sender: fromPostfix(q.Sender)}
			for _, rcpt := range q.Recipients {
				e.Recipients = append(e.Recipients, Recipient(rcpt))
			}
			if err := visit(&e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// maxLine bounds a line: a message with 10,000 recipients has some megabytes.
const maxLine = 32 << 20

var errLine = errors.New("a line is longer than any that is expected")

// readLine reads a line of at most so many octets. The error is io.EOF with the last one.
func readLine(in *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > most {
			return nil, errLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
