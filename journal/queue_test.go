package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/message"
)

// stuck is a sink that does what the test says, and keeps what it was given.
type stuck struct {
	mu      sync.Mutex
	err     error
	block   chan struct{} // if not nil, writing waits for it
	panics  int           // so many times more it panics
	records []*Record
	gaps    []Gap
}

func (s *stuck) write(records []*Record) (int, error) {
	s.mu.Lock()
	block, err := s.block, s.err
	s.mu.Unlock()
	if block != nil {
		<-block
	}
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panics > 0 {
		s.panics--
		panic("a mistake")
	}
	s.records = append(s.records, records...)
	return len(records), nil
}

func (s *stuck) gap(g Gap)    { s.gaps = append(s.gaps, g) }
func (s *stuck) idle()        {}
func (s *stuck) close() error { return nil }

// TestPanicLosesRecordsAlone has a mistake in writing end neither the journal nor the program.
func TestPanicLosesRecordsAlone(t *testing.T) {
	s, alarm := &stuck{panics: 1}, &bell{}
	q := newQueue("sqlite", s, time.Now, slog.New(slog.DiscardHandler), alarm)
	for n := range int64(2) {
		q.put(&entry{at: time.Now()})
		waitFor(t, "the record to be done with", func() bool { s := q.stats(); return s.Written+s.Lost == n+1 })
	}
	if stats := q.stats(); stats.Written != 1 || stats.Lost != 1 || stats.Waiting != 0 || !alarm.heard("1 records of messages were lost") {
		t.Errorf("%+v, alarms %q", stats, alarm.raised)
	}
	if err := q.close(t.Context()); err != nil || len(s.gaps) != 1 {
		t.Errorf("%v, gaps %v", err, s.gaps)
	}
}

func (s *stuck) set(err error, block chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.block = err, block
}

// bell is an alarm that remembers what it was told.
type bell struct {
	mu      sync.Mutex
	ringing map[string]string
	raised  []string
}

func (b *bell) Raise(name, subject, text string, critical bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ringing == nil {
		b.ringing = map[string]string{}
	}
	b.ringing[name+" "+subject] = text
	b.raised = append(b.raised, fmt.Sprintf("%s %s %v: %s", name, subject, critical, text))
}

func (b *bell) Clear(name, subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ringing, name+" "+subject)
}

func (b *bell) rings() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ringing) > 0
}

func (b *bell) heard(part string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.raised {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// A place that can't be written costs records and no time: they are counted, alarmed
// and marked, and the rest is written when it works again.
func TestAStuckPlaceCostsRecordsOnly(t *testing.T) {
	t.Parallel()
	c, alarm := newClock(), &bell{}
	opts := DefaultOptions()
	free := make(chan struct{})
	sink := &stuck{block: free}
	q := newQueue("sqlite", sink, c.time, quiet(), alarm)
	const told = queueRecords + 3000
	began := time.Now()
	for n := range told {
		q.put(take(letter(n, start), message.Outcome{}, start.Add(time.Duration(n)*time.Millisecond), &opts))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to tell of %d messages", took, told)
	}
	if s := q.stats(); s.Written != 0 || s.Lost < 3000-batchRecords || s.Lost+int64(s.Waiting) != told {
		t.Errorf("stats %+v", s)
	}
	lost := q.stats().Lost
	sink.set(nil, nil)
	close(free)
	waitFor(t, "the rest to be written", func() bool { return q.stats().Waiting == 0 })
	if s := q.stats(); s.Lost != lost || s.Written != told-lost {
		t.Errorf("stats %+v, lost %d of %d", s, lost, told)
	}
	waitFor(t, "the loss to be alarmed", func() bool { return alarm.heard(fmt.Sprintf("%s sqlite true: %d records", AlarmName, lost)) })
	c.advance(2 * time.Minute) // long enough without a loss
	q.put(take(letter(0, start), message.Outcome{}, c.time(), &opts))
	waitFor(t, "the alarm to end", func() bool { return !alarm.rings() })
	if err := q.close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(sink.gaps) != 1 || sink.gaps[0].Records != lost || !sink.gaps[0].Until.Equal(start.Add((told-1)*time.Millisecond)) || !sink.gaps[0].Since.Before(sink.gaps[0].Until) {
		t.Errorf("gaps %+v, lost %d", sink.gaps, lost)
	}
	for i, r := range sink.records[:queueRecords] {
		if want := fmt.Sprintf("4F%08X", i); r.QueueID != want {
			t.Fatalf("record %d is %s, want %s", i, r.QueueID, want)
		}
	}
}

// What fails is tried again, and nothing of it is lost or written twice.
func TestAFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	c, alarm := newClock(), &bell{}
	opts := DefaultOptions()
	sink := &stuck{err: errors.New("disk on fire")}
	q := newQueue("sqlite", sink, c.time, quiet(), alarm)
	for n := range 1200 {
		q.put(take(letter(n, start), message.Outcome{}, start, &opts))
	}
	waitFor(t, "the alarm", func() bool { return alarm.heard("disk on fire") })
	sink.set(nil, nil)
	waitFor(t, "the records to be written", func() bool { return q.stats().Written == 1200 })
	c.advance(2 * time.Minute)
	if err := q.close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := q.stats(); s != (Stats{Written: 1200}) || len(sink.gaps) > 0 {
		t.Errorf("stats %+v, gaps %v", s, sink.gaps)
	}
}

// Records that no second try would help are left out, and do not hold up the others.
func TestAUselessRecordIsLeftOut(t *testing.T) {
	t.Parallel()
	opts := DefaultOptions()
	sink := &stuck{err: &uselessError{errors.New("no such column")}}
	q := newQueue("sqlite", sink, newClock().time, quiet(), &bell{})
	q.put(take(letter(1, start), message.Outcome{}, start, &opts))
	waitFor(t, "the record to be lost", func() bool { return q.stats().Lost == 1 })
	sink.set(nil, nil)
	q.put(take(letter(2, start), message.Outcome{}, start, &opts))
	waitFor(t, "the next one to be written", func() bool { return q.stats() == Stats{Written: 1, Lost: 1} })
	if err := q.close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Large records are bounded by their octets, not by their number.
func TestQueueIsBoundedInOctets(t *testing.T) {
	t.Parallel()
	opts := DefaultOptions()
	opts.Recipients = byAddress
	free := make(chan struct{})
	q := newQueue("sqlite", &stuck{block: free}, newClock().time, quiet(), &bell{})
	for n := range 3000 {
		m := letter(n, start)
		for i := range mostFindings {
			m.Report(message.Finding{Check: "lint", Rule: "M09", Detail: strings.Repeat("x", 600+i)})
		}
		q.put(take(m, message.Outcome{}, start, &opts))
	}
	if octets := q.octets.Load(); octets > queueOctets || octets < queueOctets*9/10 || q.stats().Lost == 0 {
		t.Errorf("%d octets wait, %d were lost", octets, q.stats().Lost)
	}
	close(free)
	if err := q.close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if q.octets.Load() != 0 {
		t.Errorf("%d octets are left", q.octets.Load())
	}
}

// A stop waits no longer than it may, and what is not written then is counted.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	opts := DefaultOptions()
	free := make(chan struct{})
	q := newQueue("sqlite", &stuck{block: free}, newClock().time, quiet(), &bell{})
	q.put(take(letter(1, start), message.Outcome{}, start, &opts))
	time.Sleep(2 * batchEvery)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := q.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	close(free)

	q = newQueue("sqlite", &stuck{err: errors.New("disk on fire")}, newClock().time, quiet(), &bell{})
	q.put(take(letter(1, start), message.Outcome{}, start, &opts))
	if err := q.close(context.Background()); err != nil || q.stats() != (Stats{Lost: 1}) {
		t.Errorf("close: %v, stats %+v", err, q.stats())
	}
}

// 2,000 messages a second for a second, into SQLite; for longer see BenchmarkSustained.
func TestSustained(t *testing.T) { sustain(t, 2000, 1) }
