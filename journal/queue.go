package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// How records wait to be written, and how long.
const (
	queueRecords = 8192
	queueOctets  = 32 << 20
	batchRecords = 2000
	batchEvery   = 400 * time.Millisecond
	retryEvery   = time.Second
	sayEvery     = time.Minute
)

// sink is where records go. It is used by one goroutine.
type sink interface {
	// write writes records, oldest first, and returns how many of them are done with:
	// what is not is tried again.
	write(records []*Record) (done int, err error)
	// gap is told how many records were lost in a span of time, before what is written next.
	gap(g Gap)
	// idle is called now and then between batches.
	idle()
	close() error
}

// queue takes entries without ever waiting, and has one goroutine that writes them.
type queue struct {
	name  string
	sink  sink
	now   func() time.Time
	log   *slog.Logger
	alarm Alarm

	entries chan *entry
	octets  atomic.Int64 // of what waits
	written atomic.Int64
	lost    atomic.Int64
	waiting atomic.Int64 // records that were taken and are not done with

	losing sync.Mutex
	gap    Gap // what was lost since the last batch that was written

	failing  bool // the last write failed
	said     time.Time
	lossSaid time.Time
	alarmed  bool

	stop    chan struct{}
	ended   chan struct{}
	closing sync.Once
}

func newQueue(name string, s sink, now func() time.Time, log *slog.Logger, alarm Alarm) *queue {
	q := &queue{
		name: name, sink: s, now: now, log: log, alarm: alarm,
		entries: make(chan *entry, queueRecords), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go q.run()
	return q
}

// put hands an entry over, or counts it as lost.
func (q *queue) put(e *entry) {
	weight := int64(e.weight())
	if q.octets.Load()+weight <= queueOctets {
		q.octets.Add(weight)
		q.waiting.Add(1)
		select {
		case q.entries <- e:
			return
		default:
			q.octets.Add(-weight)
			q.waiting.Add(-1)
		}
	}
	q.lose(1, e.at)
}

// lose counts records that will never be written.
func (q *queue) lose(n int, at time.Time) {
	q.lost.Add(int64(n))
	q.losing.Lock()
	defer q.losing.Unlock()
	if q.gap.Records == 0 || at.Before(q.gap.Since) {
		q.gap.Since = at
	}
	if q.gap.Records == 0 || at.After(q.gap.Until) {
		q.gap.Until = at
	}
	q.gap.Records += int64(n)
}

func (q *queue) takeGap() Gap {
	q.losing.Lock()
	defer q.losing.Unlock()
	g := q.gap
	q.gap = Gap{}
	return g
}

// run writes what has come at each tick, in batches, until it is told to stop, and
// then what is left. It does not wait on the entries themselves: to be woken for
// each of them costs a busy milter several microseconds of CPU a message.
func (q *queue) run() {
	defer close(q.ended)
	tick := time.NewTicker(batchEvery)
	defer tick.Stop()
	var batch []*Record
	for stopping := false; ; {
		if !stopping && len(q.entries) < batchRecords {
			select {
			case <-tick.C:
			case <-q.stop:
				stopping = true
			}
		}
		batch = q.round(batch)
		if stopping && (len(batch) > 0 || len(q.entries) == 0) {
			if left := int(q.waiting.Swap(0)); left > 0 {
				q.lose(left, q.now())
				q.tellLoss(q.takeGap())
			}
			return
		}
		if q.failing && !stopping {
			stopping = q.rest()
		}
	}
}

// round writes a batch of what has come, behind what is left of the last one, and returns
// what is left now. What panics is lost: mail has nothing to do with it.
func (q *queue) round(batch []*Record) (left []*Record) {
	left = batch
	held := len(left)
	defer func() {
		if v := recover(); v != nil {
			q.log.Error("panic", "in", "journal", "to", q.name, "panic", v, "stack", string(debug.Stack()))
			q.waiting.Add(int64(-held))
			q.lose(held, q.now())
			left, q.failing = nil, true // rest before the next one
		}
	}()
	for len(left) < batchRecords && len(q.entries) > 0 {
		held++
		left = append(left, q.record(<-q.entries))
	}
	return q.flush(left)
}

// rest waits before what failed is tried again, and reports whether it is time to stop.
func (q *queue) rest() (stop bool) {
	select {
	case <-time.After(retryEvery):
		return false
	case <-q.stop:
		return true
	}
}

func (q *queue) record(e *entry) *Record {
	q.octets.Add(-int64(e.weight()))
	return e.record()
}

// flush writes a batch and returns what of it is to be tried again.
func (q *queue) flush(batch []*Record) []*Record {
	if g := q.takeGap(); g.Records > 0 {
		q.sink.gap(g)
		q.tellLoss(g)
	}
	if len(batch) == 0 {
		q.sink.idle()
		return batch
	}
	taken := len(batch)
	done, err := q.sink.write(batch)
	q.written.Add(int64(done))
	batch = append(batch[:0], batch[done:]...)
	if errors.As(err, new(*uselessError)) {
		q.lose(len(batch), batch[0].Time)
		batch = batch[:0]
	}
	q.waiting.Add(int64(len(batch) - taken))
	q.tell(err)
	return batch
}

// uselessError is one that the same records would meet again.
type uselessError struct{ error }

func (u *uselessError) Unwrap() error { return u.error }

// tell says how writing goes: when it begins to fail and is well again, and now and then meanwhile.
func (q *queue) tell(err error) {
	now := q.now()
	switch {
	case err != nil:
		if !q.failing || now.Sub(q.said).Abs() >= sayEvery {
			q.said = now
			q.log.Error("journal: records can't be written; mail goes on", "to", q.name,
				"waiting", len(q.entries), "lost", q.lost.Load(), "error", err)
		}
		q.alarm.Raise(AlarmName, q.name, "the journal can't be written: "+err.Error(), false)
		q.alarmed = true
	case q.failing:
		q.log.Info("journal: records are written again", "to", q.name, "lost", q.lost.Load())
	}
	q.failing = err != nil
	if q.alarmed && !q.failing && now.Sub(q.lossSaid).Abs() >= sayEvery {
		q.alarm.Clear(AlarmName, q.name)
		q.alarmed = false
	}
}

func (q *queue) tellLoss(g Gap) {
	q.alarm.Raise(AlarmName, q.name, fmt.Sprintf("%d records of messages were lost; no mail was", g.Records), true)
	q.alarmed = true
	if now := q.now(); now.Sub(q.lossSaid).Abs() >= sayEvery {
		q.lossSaid = now
		q.log.Error("journal: records were lost, for they could not be written in time; no mail was",
			"to", q.name, "records", g.Records, "since", g.Since, "until", g.Until)
	}
}

func (q *queue) stats() Stats {
	return Stats{Written: q.written.Load(), Lost: q.lost.Load(), Waiting: int(q.waiting.Load())}
}

// close writes what is left. What can't be written at once is lost.
func (q *queue) close(ctx context.Context) error {
	q.closing.Do(func() { close(q.stop) })
	select {
	case <-q.ended:
	case <-ctx.Done():
		return fmt.Errorf("write the journal to %s: %w", q.name, context.Cause(ctx))
	}
	return q.sink.close()
}

// Gap is a span of time of which records are missing, because they could not be written.
type Gap struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Records int64     `json:"records"`
}
