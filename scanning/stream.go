package scanning

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// instream is clamd's command in its "z" form: the answer ends in NUL, so that
// one that was cut off can be told from a whole one.
const instream = "zINSTREAM\x00"

// chunkSize is how much of a message goes into one chunk of INSTREAM. An MTA
// sends its own of up to 64 KiB (MILTER_CHUNK_SIZE is 65,535 octets).
const chunkSize = 64 << 10

const lengthSize = 4 // of the 32-bit big-endian length before each chunk

// chunk is a piece of the message with room around it, so that it goes out in
// one write together with the command before the first one and the end of the
// stream after the last one: command, length, data, zero length.
type chunk struct {
	buf  [len(instream) + lengthSize + chunkSize + lengthSize]byte
	n    int  // octets of data
	last bool // the message ends with it
}

// fill copies as much of p as has room and returns how much that was.
func (c *chunk) fill(p []byte) int {
	const start = len(instream) + lengthSize
	n := copy(c.buf[start+c.n:start+chunkSize], p)
	c.n += n
	return n
}

// data returns what was filled in.
func (c *chunk) data() []byte {
	const start = len(instream) + lengthSize
	return c.buf[start : start+c.n]
}

// wire returns the chunk, which is not empty, as clamd wants it.
func (c *chunk) wire(first bool) []byte {
	const start = len(instream)
	binary.BigEndian.PutUint32(c.buf[start:], uint32(c.n))
	from, to := start, start+lengthSize+c.n
	if first {
		copy(c.buf[:], instream)
		from = 0
	}
	if c.last {
		binary.BigEndian.PutUint32(c.buf[to:], 0)
		to += lengthSize
	}
	return c.buf[from:to]
}

// verdict is what became of a scan that did not fail.
type verdict uint8

const (
	unknown verdict = iota
	clean
	infected
	oversize // clamd did not look at all of it
)

// answer is a verdict with the name of the malware, or why the message was not scanned.
type answer struct {
	verdict verdict
	detail  string
}

// maxAnswer bounds clamd's answer; names of signatures have less than 100 octets.
const maxAnswer = 1 << 10

var errNoAnswer = errors.New("clamd closed the connection without an answer")

// readAnswer reads one answer up to its NUL. The error is errNoAnswer if the
// connection ended before the first octet of it.
func readAnswer(r io.Reader) (answer, error) {
	var buf [maxAnswer]byte
	n := 0
	for n < len(buf) {
		read, err := r.Read(buf[n:])
		n += read
		if end := bytes.IndexByte(buf[:n], 0); end >= 0 {
			if end != n-1 {
				return answer{}, fmt.Errorf("clamd gave more than one answer: %s", quote(buf[:n]))
			}
			return parseAnswer(string(buf[:end]))
		}
		switch {
		case err == nil:
		case n == 0 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
			return answer{}, errNoAnswer
		case n == 0:
			return answer{}, fmt.Errorf("read clamd's answer: %w", err)
		default: // also "COMMAND READ TIMED OUT\n", which clamd ends in LF whatever it was asked
			return answer{}, fmt.Errorf("clamd's answer %s breaks off: %w", quote(buf[:n]), err)
		}
	}
	return answer{}, fmt.Errorf("clamd's answer has no end: %s", quote(buf[:]))
}

// quote shows an answer that was not understood.
func quote(b []byte) string {
	const most = 100
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}

// limitsExceeded begins the names that clamd makes up, with AlertExceedsMax, for what is beyond
// its MaxFileSize, MaxScanSize, MaxFiles, MaxRecursion or MaxScanTime: not malware, but not scanned.
const limitsExceeded = "Heuristics.Limits.Exceeded"

// parseAnswer reads an answer without its NUL.
func parseAnswer(text string) (answer, error) {
	if text == "stream: OK" {
		return answer{verdict: clean}, nil
	}
	if text == "INSTREAM size limit exceeded. ERROR" {
		return answer{oversize, "larger than clamd's StreamMaxLength"}, nil
	}
	name, isStream := strings.CutPrefix(text, "stream: ")
	name, isFound := strings.CutSuffix(name, " FOUND")
	switch {
	case strings.ContainsAny(text, "\r\n"):
	case isStream && isFound && strings.HasPrefix(name, limitsExceeded):
		return answer{oversize, "beyond a limit of clamd, " + sanitize(name)}, nil
	case isStream && isFound && name != "":
		return answer{infected, sanitize(name)}, nil
	case strings.HasSuffix(text, " ERROR"):
		return answer{}, fmt.Errorf("clamd reports an error: %s", quote([]byte(text)))
	}
	return answer{}, fmt.Errorf("clamd's answer makes no sense: %s", quote([]byte(text)))
}

// sanitize makes a name fit for an SMTP reply and a log: printable ASCII of at most 128 octets.
func sanitize(name string) string {
	const most = 128
	if len(name) > most {
		name = name[:most]
	}
	octets := []byte(name)
	for i, c := range octets {
		if c < ' ' || c > '~' {
			octets[i] = '?'
		}
	}
	return string(octets)
}

// spoke reports whether the peer has already sent something or hung up. It
// neither waits nor takes what was sent.
func spoke(conn net.Conn) bool {
	sys, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sys.SyscallConn()
	if err != nil {
		return false
	}
	var silent bool
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && !silent
}
