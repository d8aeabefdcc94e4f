package scanning

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"pratique/message"
	"pratique/scanning/clamdtest"
)

// BenchmarkScan compares the scanner with the least that a client of clamd can
// do: a message that lies ready is sent in one write, and the answer read.
func BenchmarkScan(b *testing.B) {
	for _, size := range []struct {
		name   string
		octets int
	}{{"2KiB", 2 << 10}, {"50KiB", 50 << 10}, {"1MiB", 1 << 20}} {
		raw := mail(size.octets)
		b.Run("discarding/"+size.name, func(b *testing.B) {
			compare(b, discarding(b), raw)
		})
		b.Run("real/"+size.name, func(b *testing.B) {
			clamd := clamdtest.StartReal(b, map[string]string{"DisableCache": "yes", "MaxThreads": "10"})
			compare(b, clamd.Address(), raw)
		})
	}
}

func compare(b *testing.B, addr string, raw []byte) {
	opts := options(addr)
	s := newScanner(b, opts)
	address, err := parseAddress(addr)
	if err != nil {
		b.Fatal(err)
	}
	places := make(chan struct{}, opts.MaxScans)
	scanBare := func() error {
		places <- struct{}{}
		defer func() { <-places }()
		return bare(address, raw)
	}
	header, body := split(b, raw)
	scanStream := func() error { return stream(s, &message.Message{Header: header}, body) }

	const parallelism = 8 // times GOMAXPROCS
	for name, scan := range map[string]func() error{"bare": scanBare, "scanner": scanStream} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			b.SetParallelism(parallelism)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := scan(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
	// Taking turns, the two meet the same load of the machine.
	b.Run("in turn", func(b *testing.B) {
		const messages, workers = 128, 16
		var times [2]time.Duration
		for b.Loop() {
			for i, scan := range []func() error{scanBare, scanStream} {
				begun := time.Now()
				var group sync.WaitGroup
				for range workers {
					group.Go(func() {
						for range messages / workers {
							if err := scan(); err != nil {
								b.Error(err)
							}
						}
					})
				}
				group.Wait()
				times[i] += time.Since(begun)
			}
		}
		b.ReportMetric(float64(times[1])/float64(times[0]), "scanner/bare")
	})
}

// bare scans a message with nothing around it.
func bare(a address, raw []byte) error {
	conn, err := net.Dial(a.network, a.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	for first := true; len(raw) > 0; first = false {
		n := min(len(raw), chunkSize)
		buf := bareBuffers.Get().(*[]byte)
		out := (*buf)[:0]
		if first {
			out = append(out, instream...)
		}
		out = binary.BigEndian.AppendUint32(out, uint32(n))
		out = append(out, raw[:n]...)
		if raw = raw[n:]; len(raw) == 0 {
			out = append(out, 0, 0, 0, 0)
		}
		_, err := conn.Write(out)
		bareBuffers.Put(buf)
		if err != nil {
			return err
		}
	}
	var answer [64]byte
	n, err := conn.Read(answer[:])
	if err == nil && string(answer[:n]) != "stream: OK\x00" {
		return io.ErrUnexpectedEOF
	}
	return err
}

var bareBuffers = sync.Pool{New: func() any { b := make([]byte, chunkSize+64); return &b }}

func split(b *testing.B, raw []byte) (message.Header, []byte) {
	m := &message.Message{}
	if err := message.Play(context.Background(), message.NewChain(), m, bytes.NewReader(raw), nil); err != nil {
		b.Fatal(err)
	}
	_, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	return m.Header, body
}

// stream plays a body in the chunks that an MTA sends.
func stream(s *Scanner, m *message.Message, body []byte) error {
	i, err := s.Begin(context.Background(), m)
	if err != nil {
		return err
	}
	defer i.Close()
	if err := i.Header(); err != nil {
		return err
	}
	const milterChunk = 65535
	for len(body) > 0 {
		n := min(len(body), milterChunk)
		if _, err := i.Write(body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return i.End()
}

// discarding is a clamd that does as little as it can: it reads until the last
// four octets of a read are the end of the stream.
func discarding(b *testing.B) string {
	l, err := net.Listen("unix", b.TempDir()+"/s")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	buffers := sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := buffers.Get().(*[]byte)
				defer buffers.Put(buf)
				for {
					n, err := conn.Read(*buf)
					if err != nil {
						return
					}
					if bytes.HasSuffix((*buf)[:n], []byte{0, 0, 0, 0}) {
						_, _ = conn.Write([]byte("stream: OK\x00"))
						return
					}
				}
			}()
		}
	}()
	return "unix:" + l.Addr().String()
}
