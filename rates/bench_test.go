package rates

import (
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"pratique/message"
)

// BenchmarkMessage is all that a message costs: places under six limits, one of them
// on new recipients and one with an override, and counts for six keys. Run it with -cpu 1,2.
func BenchmarkMessage(b *testing.B) {
	clock := newClock()
	store := openStore(b, b.TempDir(), clock)
	r, err := New(store, nil, Options{Store: "sqlite", IPv6Prefix: 64, Limits: []Limit{
		perHour("client", "messages", 1<<40, "tempfail"),
		perHour("sender", "new_recipients", 1<<40, "tempfail"),
		Limit{Per: "client", Count: "recipients", Max: 1 << 40, Every: 24 * time.Hour, Then: "tempfail"},
		perHour("sender_domain", "recipients", 1<<40, "tempfail"),
		perHour("recipient_domain", "messages", 1<<40, "tempfail"),
		perHour("total", "bytes", 1<<50, "tempfail"),
	}, Overrides: []Override{{Per: "client", Count: "messages", Keys: []string{"10.0.0.0/24"}, Max: 1 << 41}}})
	if err != nil {
		b.Fatal(err)
	}
	// Everybody has a day of counts already.
	messages := make([]*message.Message, 256)
	for i := range messages {
		messages[i] = newMessage(fmt.Sprintf("x@d%d.example", i), "y@gmail.example")
		messages[i].Client.Addr = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		messages[i].Sender = fmt.Sprintf("s%d@shop.example", i)
	}
	for range 24 * 30 {
		clock.advance(2 * time.Minute)
		for _, m := range messages[:8] {
			send(r, m)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			m := *messages[i%len(messages)]
			inspector, err := r.Begin(b.Context(), &m)
			if err != nil {
				b.Fatal(err)
			}
			if err := inspector.Header(); err != nil {
				b.Fatal(err)
			}
			if err := inspector.End(); err != nil {
				b.Fatal(err)
			}
			inspector.Close()
			r.Observe(&m, message.Outcome{Verdict: message.Accepted})
		}
	})
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has used of the CPU, the collector of garbage
// included: on a machine with other work the time on the wall tells little.
func cpuTime(b *testing.B) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// BenchmarkMillionKeys is a million senders, with memory for all of them and
// with the memory that there is, and what stays in use.
func BenchmarkMillionKeys(b *testing.B) {
	for name, memory := range map[string]int{"all": 1 << 30, "bounded": kindMemory} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				store := openStoreSized(b, "", newClock(), memory)
				now := store.time.seconds()
				for i := range 1_000_000 {
					store.settle(&Claim{Kind: PerSender, Key: fmt.Sprintf("user%d@shop.example", i), Done: oneMessage}, place{}, now)
				}
				b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
				keys := 0
				for i := range store.tables[PerSender].shards {
					keys += len(store.tables[PerSender].shards[i].entries)
				}
				b.ReportMetric(float64(keys), "keys")
				runtime.KeepAlive(store)
			}
		})
	}
}

// BenchmarkSave writes a batch of 1,000 keys.
func BenchmarkSave(b *testing.B) {
	clock := newClock()
	store := openStore(b, b.TempDir(), clock)
	for b.Loop() {
		now := store.time.seconds()
		for i := range 1000 {
			store.settle(&Claim{Kind: PerSender, Key: fmt.Sprintf("user%d@shop.example", i), Done: oneMessage}, place{}, now)
		}
		store.save()
		if err := store.Health(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSetOfRecipients is what one more recipient costs a key, with the error and
// the memory of the set, which docs/rates.md states.
func BenchmarkSetOfRecipients(b *testing.B) {
	for _, recipients := range []int{10_000, 100_000, 1_000_000, 3_000_000} {
		b.Run(fmt.Sprint(recipients), func(b *testing.B) {
			for b.Loop() {
				before := cpuTime(b)
				share, octets := wrongly(b, recipients, 200_000)
				b.ReportMetric(100*share, "%error")
				b.ReportMetric(float64(octets)/1024, "KiB")
				b.ReportMetric(float64(cpuTime(b)-before)/float64(2*recipients+200_000), "cpu-ns/recipient")
			}
		})
	}
}

// BenchmarkNear looks for who is near a limit among 100,000 keys.
func BenchmarkNear(b *testing.B) {
	store := openStoreSized(b, "", newClock(), 256<<20)
	r := newRates(b, store, perHour("sender", "messages", 10, "tempfail"))
	for i := range 100_000 {
		claims := []Claim{{Kind: PerSender, Key: fmt.Sprintf("user%d@shop.example", i), Done: oneMessage}}
		if i%1000 == 0 {
			claims[0].Done.Messages = 9
		}
		store.Count(claims)
	}
	for b.Loop() {
		if n := len(r.Near(0.8, 1000)); n != 100 {
			b.Fatalf("%d are near", n)
		}
	}
}
