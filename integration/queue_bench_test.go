package integration

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/watch/queue"
)

// A look at a queue of 10,000 deferred messages: how long it takes, and how much of it
// is time of our CPU. The rest is showq's, which opens every file.
func BenchmarkQueue(b *testing.B) {
	ctx := context.Background()
	dir, err := harness.TempDir()
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	p, err := harness.StartPostfix(ctx, dir, harness.PostfixOptions{Relay: "127.0.0.1:1", Set: map[string]string{
		"minimal_backoff_time": "1h", "maximal_backoff_time": "1h", "queue_run_delay": "1h"}})
	if err != nil {
		b.Skip(err)
	}
	defer p.Close()
	deferOne(b, ctx, p)
	if err := p.MultiplyDeferred(deferredMessages - 1); err != nil {
		b.Fatal(err)
	}
	source, err := queue.Open(ctx, "postfix:"+p.ConfigDir(), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	before := cpu(b)
	for b.Loop() {
		sample, err := queue.Take(ctx, source, time.Now)
		if err != nil || sample.Messages != deferredMessages || sample.Reasons[0].Recipients != deferredMessages {
			b.Fatalf("%+v, %v", sample, err)
		}
	}
	b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "ms-cpu/op")
}

// deferOne waits until one message is deferred.
func deferOne(b *testing.B, ctx context.Context, p *harness.Postfix) {
	b.Helper()
	answer, err := harness.Send(ctx, p.Addr(), "", mail(harness.Letter("waits")))
	if err != nil || !answer.Accepted() {
		b.Fatalf("%v, %v", answer, err)
	}
	for range 500 {
		queued, err := p.Queue(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if len(queued) == 1 && queued[0].Queue == queue.Deferred {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.Fatal("the message is not deferred")
}

// cpu returns the time of CPU that this process used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
