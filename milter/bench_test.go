//go:build unix

package milter

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"pratique/message"
	"pratique/milter/miltertest"
)

// idleCheck takes a message in and adds a field, as a signer does, and does nothing else.
type idleCheck struct{}

func (idleCheck) Name() string { return "idle" }
func (idleCheck) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	return &idleInspector{m}, nil
}

type idleInspector struct{ m *message.Message }

func (*idleInspector) Header() error               { return nil }
func (*idleInspector) Write(p []byte) (int, error) { return len(p), nil }
func (i *idleInspector) End() error {
	i.m.Header.Prepend("DKIM-Signature", " v=1; a=rsa-sha256;\r\n\tb=dGVzdA==")
	return nil
}
func (*idleInspector) Close() error { return nil }

// BenchmarkMessages is what a message costs the edge, fake MTA included: there
// is no check that does anything.
func BenchmarkMessages(b *testing.B) {
	for _, network := range []string{"unix", "tcp"} {
		for _, size := range []int{2 << 10, 1 << 20} {
			for _, connections := range []int{1, 16} {
				b.Run(fmt.Sprintf("%s/%dKiB/%dconns", network, size>>10, connections), func(b *testing.B) {
					benchmarkMessages(b, network, size, connections)
				})
			}
		}
	}
}

func benchmarkMessages(b *testing.B, network string, size, connections int) {
	p := &message.Pipeline{Checks: message.NewChain(message.Link{Check: idleCheck{}})}
	s := &running{Server: New(DefaultOptions(), func() *message.Pipeline { return p }, slog.New(slog.DiscardHandler))}
	addr := map[string]string{"unix": "unix:" + filepath.Join(b.TempDir(), "s"), "tcp": "inet:127.0.0.1:0"}[network]
	l, err := s.Listen(addr)
	if err != nil {
		b.Fatal(err)
	}
	s.serve(b, l)
	mail := testMail()
	for i := range 10 {
		mail.Header = append(mail.Header, miltertest.Field{Name: "X-Field", Value: fmt.Sprintf(" value %d of some length", i)})
	}
	mail.Body = bytes.Repeat([]byte("0123456789012345678901234567890123456789012345678901234567890123456789\r\n"), size/72)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var wg sync.WaitGroup
	work := make(chan struct{}, connections)
	for range connections {
		wg.Go(func() {
			c, err := miltertest.Dial(network, l.Addr().String(), miltertest.Postfix())
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Quit()
			c.Connect(testClient)
			for range work {
				if r, err := c.Send(mail); err != nil || !r.Reply.Accepts() {
					b.Error(r.Reply, err)
				}
			}
		})
	}
	cpu := cpuTime()
	b.ResetTimer()
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpuTime is that of this process: on a busy machine it says more than the clock.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
