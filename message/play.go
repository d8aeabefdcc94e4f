package message

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// playChunk is the size of the body chunks that Play hands on: what an MTA sends.
const playChunk = 64 << 10

// Play sends a stored message through a check as an MTA would send a message
// under way, and returns the check's answer. The envelope in m is the caller's;
// the header is read from r. A message stored with bare LF line ends is played
// with CRLF, and so are the lines of its body that end in CRLF already, which is
// how openssl stores what it signed; in one stored with CRLF every octet is
// kept. A leading "From " line of an mbox is skipped.
//
// If body is not nil, the body is also written to it, before End is called.
func Play(ctx context.Context, check Check, m *Message, r io.Reader, body io.Writer) (err error) {
	lines := newLineReader(r)
	rest, err := readHeader(lines, &m.Header)
	if err != nil {
		return fmt.Errorf("read header: %w", err)
	}
	lines.inBody = true
	inspector, err := check.Begin(ctx, m)
	if err != nil {
		return err
	}
	if inspector == nil {
		return nil
	}
	defer func() { err = errors.Join(err, inspector.Close()) }()
	if err := inspector.Header(); err != nil {
		return err
	}
	if err := playBody(inspector, body, rest, lines); err != nil {
		return err
	}
	return inspector.End()
}

func playBody(inspector, body io.Writer, rest []byte, lines *lineReader) error {
	to := inspector
	if body != nil {
		to = io.MultiWriter(body, inspector)
	}
	chunk := append(make([]byte, 0, playChunk+len(rest)), rest...)
	for {
		line, err := lines.next()
		chunk = append(chunk, line...)
		if len(chunk) >= playChunk || (err != nil && len(chunk) > 0) {
			if _, werr := to.Write(chunk); werr != nil {
				return werr
			}
			chunk = chunk[:0]
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read body: %w", err)
		}
	}
}

// readHeader reads fields up to the empty line. A line that is neither a field
// nor a continuation ends the header as it does for an MTA, and is returned: it
// belongs to the body.
func readHeader(lines *lineReader, h *Header) (rest []byte, err error) {
	most := or(h.MaxBytes, MaxHeaderBytes)
	var raw []byte
	flush := func() {
		if raw == nil {
			return
		}
		if !bytes.HasSuffix(raw, crlf) {
			raw = append(raw, crlf...)
		}
		// Past the bounds nothing is kept; Overflow tells so and the Chain answers it.
		_ = h.Receive(Field{raw: raw, colon: bytes.IndexByte(raw, ':')})
		raw = nil
	}
	for first := true; ; first = false {
		line, err := lines.next()
		open := raw != nil && !bytes.HasSuffix(raw, crlf) // a piece of a long line, or a bare LF
		switch {
		case err != nil && err != io.EOF:
			return nil, err
		case len(line) > 0 && (open || raw != nil && (line[0] == ' ' || line[0] == '\t')):
			if len(raw) <= most { // what is longer overflows anyway
				raw = append(raw, line...)
			}
		case len(line) == 0 || bytes.Equal(line, crlf):
			flush()
			return nil, nil
		case first && isMboxFrom(line):
		case bytes.IndexByte(line, ':') >= 0: // an empty name is a defect to judge, not the end of the header
			flush()
			raw = bytes.Clone(line)
		default:
			flush()
			h.cut = true
			return bytes.Clone(line), nil
		}
		if err == io.EOF {
			flush()
			return nil, nil
		}
	}
}

// isMboxFrom reports the line that separates messages in an mbox. White space
// before the colon of a From field is a defect of the message, not an mbox.
func isMboxFrom(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("From "))
	return ok && !bytes.HasPrefix(bytes.TrimLeft(rest, " \t"), []byte(":"))
}

// lineReader reads lines, or pieces of very long ones, with CRLF line ends. Whether bare LF is a
// line end is told by the first line: a file whose first line ends in CRLF is taken as it stands.
type lineReader struct {
	r      *bufio.Reader
	lf     bool // lines end in LF alone
	begun  bool
	inBody bool
	line   []byte
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, playChunk)}
}

// next returns the next line with its end, or a piece of at most playChunk
// octets of a longer one. The slice is valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	piece, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	l.line = append(l.line[:0], piece...)
	ended := bytes.HasSuffix(l.line, []byte("\n"))
	if ended && !l.begun {
		l.lf = !bytes.HasSuffix(l.line, crlf)
	}
	l.begun = l.begun || len(l.line) > 0
	if ended && l.lf && !(l.inBody && bytes.HasSuffix(l.line, crlf)) {
		l.line = append(l.line[:len(l.line)-1], '\r', '\n')
	}
	return l.line, err
}
