package milter

import "io"

// inbox is what came from the MTA and was not taken yet. It hands out what is in
// its buffer, uncopied, and has the buffer grow for a frame that is larger: then a
// body chunk of 64 KiB comes in about one read. bufio.Reader would need two, and a
// second buffer.
type inbox struct {
	src   io.Reader
	buf   []byte
	taken int // up to here it was
	end   int // of what came
}

func newInbox(src io.Reader) *inbox { return &inbox{src: src, buf: make([]byte, readBuffer)} }

// buffered returns how many octets can be had without waiting.
func (b *inbox) buffered() int { return b.end - b.taken }

// peek waits for n octets and returns them. With an error it returns those that
// came. They are valid until the next call that has to wait.
func (b *inbox) peek(n int) ([]byte, error) {
	for b.buffered() < n {
		b.makeRoom(n)
		got, err := b.src.Read(b.buf[b.end:])
		b.end += got
		if err == nil && got == 0 {
			err = io.ErrNoProgress
		}
		if err != nil && b.buffered() < n {
			return b.buf[b.taken:b.end], err
		}
	}
	return b.buf[b.taken : b.taken+n], nil
}

// makeRoom has n octets fit behind what was taken.
func (b *inbox) makeRoom(n int) {
	if b.taken+n <= len(b.buf) && b.buffered() > 0 {
		return
	}
	rest := b.buf[b.taken:b.end]
	if n > len(b.buf) {
		b.buf = make([]byte, n+readBuffer) // the beginning of the next frame comes along
	}
	b.taken, b.end = 0, copy(b.buf, rest)
}

// take takes n octets that were peeked at.
func (b *inbox) take(n int) { b.taken += n }

// shrink gives a buffer back that only a large message needed.
func (b *inbox) shrink() {
	if len(b.buf) <= keepBuffer || b.buffered() > readBuffer {
		return
	}
	buf := make([]byte, readBuffer)
	b.end = copy(buf, b.buf[b.taken:b.end])
	b.buf, b.taken = buf, 0
}
