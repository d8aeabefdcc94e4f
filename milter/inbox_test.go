package milter

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

// TestInbox takes a stream apart in pieces smaller and larger than the buffer, however it comes.
func TestInbox(t *testing.T) {
	text := make([]byte, 300<<10)
	for i := range text {
		text[i] = byte(i * 7 >> 3)
	}
	sizes := []int{4, 5, 70000, 1, readBuffer, 3, readBuffer + 1, 65540, 17, 65540, 2}
	for name, src := range map[string]io.Reader{
		"whole":                bytes.NewReader(text),
		"octets":               iotest.OneByteReader(bytes.NewReader(text)),
		"halves":               iotest.HalfReader(bytes.NewReader(text)),
		"last octets with EOF": iotest.DataErrReader(bytes.NewReader(text)),
	} {
		in, rest := newInbox(src), text
		for _, n := range sizes {
			head, err := in.peek(min(n, 4))
			if err != nil || !bytes.Equal(head, rest[:min(n, 4)]) {
				t.Fatalf("%s: %d octets are %x, %v", name, n, head, err)
			}
			if got, err := in.peek(n); err != nil || !bytes.Equal(got, rest[:n]) {
				t.Fatalf("%s: %d octets are others, or %v", name, n, err)
			}
			in.take(n)
			rest = rest[n:]
			in.shrink()
		}
		if got, err := in.peek(len(rest) + 1); err != io.EOF || !bytes.Equal(got, rest) {
			t.Errorf("%s: at the end there are %d octets, %v; want %d", name, len(got), err, len(rest))
		}
	}
}

// TestInboxShrinks: what a large message needed is given back, and nothing that came is lost.
func TestInboxShrinks(t *testing.T) {
	in := newInbox(bytes.NewReader(append(make([]byte, 60000), "next"...)))
	in.peek(60004)
	in.take(60000)
	if len(in.buf) <= keepBuffer {
		t.Fatalf("60,004 octets are in a buffer of %d", len(in.buf))
	}
	if in.shrink(); len(in.buf) != readBuffer {
		t.Errorf("the buffer has %d octets afterwards", len(in.buf))
	}
	if got, err := in.peek(4); string(got) != "next" {
		t.Errorf("what came next is %q, %v", got, err)
	}
}
