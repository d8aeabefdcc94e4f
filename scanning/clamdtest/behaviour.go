package clamdtest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
)

// Behaviour is what a fake clamd does with one connection. The connection is
// closed when it returns.
type Behaviour func(c *Conn)

// Conn is the clamd's end of a connection.
type Conn struct {
	net.Conn
	fake    *Fake
	scan    *Scan
	in      *bufio.Reader
	left    int64 // octets of the current chunk that have not been read
	problem error
}

// maxChunk is more than any client needs; a length over it is taken for a framing error.
const maxChunk = 1 << 20

// ReadStream reads until the end of the stream. It reports false if there was
// none: the client hung up, or gave another command, which was answered.
func (c *Conn) ReadStream() bool { return c.ReadUntil(-1) }

// ReadUntil reads until n octets of the message have come. It reports false if
// the stream ended before, but true at its end if n is negative.
func (c *Conn) ReadUntil(n int64) bool {
	if c.in == nil {
		c.in = bufio.NewReader(c.Conn)
		if !c.command() {
			return false
		}
	}
	buf := make([]byte, 32<<10)
	for n != 0 {
		if c.left == 0 && !c.nextChunk() {
			return n < 0 && c.scan.Ended
		}
		most := min(c.left, int64(len(buf)))
		if n > 0 {
			most = min(most, n)
		}
		read, err := c.in.Read(buf[:most])
		c.left -= int64(read)
		if n > 0 {
			n -= int64(read)
		}
		c.keep(buf[:read])
		if err != nil {
			return false
		}
	}
	return true
}

// nextChunk reads a length. It reports false at the end of the stream.
func (c *Conn) nextChunk() bool {
	if c.scan.Ended {
		return false
	}
	var length [4]byte
	if _, err := io.ReadFull(c.in, length[:]); err != nil {
		return false
	}
	c.left = int64(binary.BigEndian.Uint32(length[:]))
	c.fake.mu.Lock()
	defer c.fake.mu.Unlock()
	switch {
	case c.left == 0:
		c.scan.Ended = true
		return false
	case c.left > maxChunk:
		c.problemf("chunk %d has a length of %d", c.scan.Chunks, c.left)
		return false
	}
	c.scan.Chunks++
	return true
}

func (c *Conn) keep(p []byte) {
	c.fake.mu.Lock()
	defer c.fake.mu.Unlock()
	c.scan.Stream = append(c.scan.Stream, p...)
}

// command reads the command. It reports true for INSTREAM, and answers others as clamd does.
func (c *Conn) command() bool {
	prefix, err := c.in.ReadByte()
	if err != nil {
		return false
	}
	end, ok := map[byte]byte{'n': '\n', 'z': 0}[prefix]
	if !ok {
		c.problemf("the command begins with %q", prefix)
		return false
	}
	word, err := c.in.ReadString(end)
	if err != nil {
		c.problemf("the command %q breaks off: %w", word, err)
		return false
	}
	word = strings.TrimSuffix(word, string(end))
	if word == "INSTREAM" {
		if prefix != 'z' {
			c.problemf("INSTREAM in its n form: the end of the answer can't be told")
		}
		return true
	}
	replies := map[string]string{
		"PING":    "PONG\n",
		"VERSION": "ClamAV 1.4.6/1/Thu Jan  1 00:00:00 2026\n",
		"RELOAD":  "RELOADING\n",
		"STATS": "POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live 1  idle 0 max 12 idle-timeout 30\n" +
			"QUEUE: 0 items\n\tSTATS 0.000040 \n\nMEMSTATS: heap N/A mmap N/A used N/A\nEND\n",
	}
	reply, ok := replies[word]
	if !ok {
		c.problemf("unknown command %q", word)
		reply = "UNKNOWN COMMAND\n"
	}
	io.WriteString(c.Conn, reply)
	return false
}

// Answer sends text and the NUL that ends it.
func (c *Conn) Answer(text string) { io.WriteString(c.Conn, text+"\x00") }

// Finish waits for the client to hang up and takes what it still sends, which
// must be nothing if the stream has ended.
func (c *Conn) Finish() {
	var rest io.Reader = c.Conn
	if c.in != nil {
		rest = c.in
	}
	if n, _ := io.Copy(io.Discard, rest); n > 0 && c.scan.Ended {
		c.problemf("%d octets after the end of the stream", n)
	}
}

// Stall reads nothing more and says nothing, until the client hangs up or the
// test ends. It does not notice that the client hung up if octets are unread.
func (c *Conn) Stall() {
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		c.problemf("stall: %w", err)
		return
	}
	raw.Read(func(fd uintptr) (done bool) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return n <= 0 && !errors.Is(err, syscall.EAGAIN)
	})
}

// Clean calls every message clean.
func Clean(c *Conn) { Answer("stream: OK")(c) }

// Answer reads a message and answers this.
func Answer(text string) Behaviour {
	return func(c *Conn) {
		if c.ReadStream() {
			c.Answer(text)
			c.Finish()
		}
	}
}

// AnswerRaw reads a message, answers this with no NUL after it, and hangs up.
func AnswerRaw(text string) Behaviour {
	return func(c *Conn) {
		if c.ReadStream() {
			io.WriteString(c.Conn, text)
		}
	}
}

// AnswerInBytes answers one octet at a time.
func AnswerInBytes(text string) Behaviour {
	return func(c *Conn) {
		if !c.ReadStream() {
			return
		}
		for _, b := range []byte(text + "\x00") {
			c.Write([]byte{b})
		}
		c.Finish()
	}
}

// Early answers after n octets of the message and goes on reading.
func Early(n int64, text string) Behaviour {
	return func(c *Conn) {
		if c.ReadUntil(n) {
			c.Answer(text)
			c.Finish()
		}
	}
}

// EarlyAndHangUp answers after n octets and closes with the rest unread, as
// clamd does when a message passes StreamMaxLength.
func EarlyAndHangUp(n int64, text string) Behaviour {
	return func(c *Conn) {
		if c.ReadUntil(n) {
			c.Answer(text)
		}
	}
}

// SizeLimit is a clamd whose StreamMaxLength is n.
func SizeLimit(n int64) Behaviour {
	return EarlyAndHangUp(n, "INSTREAM size limit exceeded. ERROR")
}

// Slow reads this many octets of the message at a time, and calls it clean.
func Slow(step int64) Behaviour {
	return func(c *Conn) {
		for c.ReadUntil(step) {
			runtime.Gosched()
		}
		if c.scan.Ended {
			c.Answer("stream: OK")
			c.Finish()
		}
	}
}

// StallAtOnce accepts and then does nothing.
func StallAtOnce(c *Conn) { c.Stall() }

// StallAt stops reading after n octets.
func StallAt(n int64) Behaviour {
	return func(c *Conn) {
		if c.ReadUntil(n) {
			c.Stall()
		}
	}
}

// StallBeforeAnswer reads the message and never answers.
func StallBeforeAnswer(c *Conn) {
	if c.ReadStream() {
		c.Stall()
	}
}

// DieAtOnce accepts and hangs up.
func DieAtOnce(*Conn) {}

// DieAt hangs up after n octets.
func DieAt(n int64) Behaviour { return func(c *Conn) { c.ReadUntil(n) } }

// DieBeforeAnswer reads the message and hangs up.
func DieBeforeAnswer(c *Conn) { c.ReadStream() }

// Greet speaks first, as a server of another protocol does on that port.
func Greet(text string) Behaviour {
	return func(c *Conn) {
		io.WriteString(c.Conn, text)
		c.Finish()
	}
}
