package redis

import (
	"bufio"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pratique/message"
	"pratique/rates"
)

// BenchmarkMessage is all that a message with two recipients costs: places under five
// limits, here and in a Redis on this machine, and counts for seven keys. Beside the
// time there is the CPU time of this process and that of Redis.
func BenchmarkMessage(b *testing.B) {
	for _, senders := range []int{1, 8} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) { benchmarkMessage(b, senders) })
	}
}

func benchmarkMessage(b *testing.B, senders int) {
	r := startRedis(b)
	hour, day := time.Hour, 24*time.Hour
	m := startMachine(b, socketURL(r), "a", "",
		rates.Limit{Per: "client", Count: "messages", Max: 1 << 40, Every: hour, Then: "tempfail"},
		rates.Limit{Per: "client", Count: "recipients", Max: 1 << 40, Every: day, Then: "tempfail"},
		rates.Limit{Per: "sender_domain", Count: "recipients", Max: 1 << 40, Every: hour, Then: "tempfail"},
		rates.Limit{Per: "recipient_domain", Count: "messages", Max: 1 << 40, Every: hour, Then: "tempfail"},
		rates.Limit{Per: "total", Count: "bytes", Max: 1 << 50, Every: hour, Then: "tempfail"})
	client := admin(b, r)
	cpu := func() float64 {
		var sum float64
		for in := bufio.NewScanner(strings.NewReader(client.Info(b.Context(), "cpu").Val())); in.Scan(); {
			var seconds float64
			if n, _ := fmt.Sscanf(in.Text(), "used_cpu_user:%g", &seconds); n == 1 {
				sum += seconds
			}
			if n, _ := fmt.Sscanf(in.Text(), "used_cpu_sys:%g", &seconds); n == 1 {
				sum += seconds
			}
		}
		return sum
	}
	var next atomic.Int64
	b.SetParallelism(senders)
	b.ReportAllocs()
	before, own := cpu(), ownCPU()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := next.Add(1) % 256
			l := &message.Message{
				Client: message.Client{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})}, Sender: fmt.Sprintf("s%d@shop.example", n),
				SenderArgs: []string{"SIZE=2000"},
				Recipients: []message.Recipient{{Addr: fmt.Sprintf("x@d%d.example", n)}, {Addr: "y@gmail.example"}},
			}
			inspector, err := m.Begin(b.Context(), l)
			if err != nil {
				b.Fatal(err)
			}
			if err := inspector.Header(); err != nil {
				b.Fatal(err)
			}
			if err := inspector.End(); err != nil {
				b.Fatal(err)
			}
			m.Observe(l, message.Outcome{Verdict: message.Accepted})
		}
	})
	b.StopTimer()
	if !m.counts.Joined() {
		b.Error("redis was left")
	}
	m.settled(b)
	b.ReportMetric((ownCPU()-own)/float64(b.N)*1e6, "µs-CPU/op")
	b.ReportMetric((cpu()-before)/float64(b.N)*1e6, "µs-redis/op")
}

func ownCPU() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
