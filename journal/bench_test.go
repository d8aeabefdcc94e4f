package journal

import (
	"testing"
	"time"

	"pratique/message"
)

// sample makes messages, which are observed over and over.
func sample(n int) ([]*message.Message, []message.Outcome) {
	g := newTraffic(1)
	messages, outcomes := make([]*message.Message, n), make([]message.Outcome, n)
	for i := range messages {
		messages[i], outcomes[i] = g.next(start)
	}
	return messages, outcomes
}

// BenchmarkObserve is what a message costs on its way: what the goroutine that
// answers the MTA spends in Observe.
func BenchmarkObserve(b *testing.B) {
	messages, outcomes := sample(1000)
	j := &Journal{now: time.Now}
	opts := DefaultOptions()
	j.opts.Store(&opts)
	j.store = &queue{entries: make(chan *entry, queueRecords)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		j.Observe(messages[i%1000], outcomes[i%1000])
		if len(j.store.entries) == queueRecords {
			b.StopTimer()
			for len(j.store.entries) > 0 {
				<-j.store.entries
			}
			j.store.octets.Store(0)
			b.StartTimer()
		}
	}
}

// BenchmarkRecord is what a message costs elsewhere, before it is written.
func BenchmarkRecord(b *testing.B) {
	messages, outcomes := sample(1000)
	opts := DefaultOptions()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		take(messages[i%1000], outcomes[i%1000], start, &opts).record()
	}
}

// BenchmarkStore is what it costs to write a record, in batches of so many.
func BenchmarkStore(b *testing.B) {
	for _, bc := range []struct {
		name string
		size int
	}{{"batches of 500", 500}, {"batches of 3", 3}} {
		b.Run(bc.name, func(b *testing.B) {
			g := newTraffic(1)
			opts := DefaultOptions()
			f, err := openDayFile(b.TempDir(), fileName{day: dayOf(start)})
			if err != nil {
				b.Fatal(err)
			}
			defer f.close()
			at, n := start, 0
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				var batch []*Record
				for range bc.size {
					at = at.Add(86 * time.Microsecond)
					m, o := g.next(at)
					batch = append(batch, take(m, o, at, &opts).record())
				}
				b.StartTimer()
				if err := f.write(batch, nil); err != nil {
					b.Fatal(err)
				}
				n += bc.size
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
			b.ReportMetric(float64(f.size())/float64(n), "B/record")
		})
	}
}
