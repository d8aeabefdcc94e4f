package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// MaxMessage is the largest stored message that is read, in octets: twice what
// any big receiver takes.
const MaxMessage = 64 << 20

// ErrTooLarge is wrapped by the error for a message over MaxMessage.
var ErrTooLarge = errors.New("larger than 64 MiB")

// Messages reads a file that holds one message, or an mbox with several, and
// calls each with every message, its number from 1 (0: the file is no mbox) and
// its first line in the file. The error is one of reading, or what each returned.
//
// A file is an mbox if it begins with a "From " line (RFC 4155, appendix A). The
// next message begins at the next such line with an empty line before it. The
// ">" that some programs put before "From " in a body is left as it stands.
func Messages(r io.Reader, each func(source []byte, number, firstLine int) error) error {
	m := mailbox{each: each, next: 1, first: 1}
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		piece, err := lines.ReadSlice('\n')
		if ended := m.piece(piece); ended != nil {
			return ended
		}
		switch {
		case errors.Is(err, io.EOF):
			return m.end()
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// mailbox cuts the lines of a file into messages.
type mailbox struct {
	each func(source []byte, number, firstLine int) error
	mbox bool
	next int // number of the message that is being read

	source []byte
	first  int  // its first line
	line   int  // lines read so far
	midst  bool // in a line
	blank  bool // the line before is empty
}

// piece takes a line, or a piece of a long one.
func (m *mailbox) piece(p []byte) error {
	if !m.midst {
		if err := m.begin(p); err != nil {
			return err
		}
	}
	m.midst = len(p) > 0 && p[len(p)-1] != '\n'
	if len(m.source)+len(p) > MaxMessage {
		return fmt.Errorf("message at line %d: %w", m.first, ErrTooLarge)
	}
	m.source = append(m.source, p...)
	return nil
}

// begin looks at the beginning of a line.
func (m *mailbox) begin(p []byte) error {
	separator := isSeparator(p)
	switch {
	case m.line == 0:
		m.mbox = separator
	case m.mbox && separator && m.blank:
		if err := m.deliver(true); err != nil {
			return err
		}
		m.next++
		m.first = m.line + 1
	}
	if len(p) > 0 {
		m.line++
	}
	m.blank = len(bytes.TrimRight(p, "\r\n")) == 0
	return nil
}

func (m *mailbox) end() error {
	return m.deliver(m.mbox && m.next > 1)
}

// deliver hands the message over, without the empty line that belongs to the mbox.
func (m *mailbox) deliver(numbered bool) error {
	source, number := m.source, 0
	if numbered {
		number = m.next
		source = cutEmptyLine(source)
	}
	m.source = nil // the callee keeps it
	return m.each(source, number, m.first)
}

func cutEmptyLine(source []byte) []byte {
	for _, empty := range []string{"\r\n\r\n", "\n\n"} {
		if bytes.HasSuffix(source, []byte(empty)) {
			return source[:len(source)-len(empty)/2]
		}
	}
	return source
}

// Separator returns the "From " line that an mbox has above the message, with its line
// end, or nothing.
func (l *Letter) Separator() []byte {
	if !isSeparator(l.Source) {
		return nil
	}
	return l.Source[:bytes.IndexByte(l.Source, '\n')+1]
}

// separator is the line between messages of an mbox: address and time. Without
// the time a sentence that begins with "From " would be one.
var separator = regexp.MustCompile(`^From \S+ .*\d\d:\d\d`)

func isSeparator(line []byte) bool { return separator.Match(line) }
