package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"pratique/rates/baseline"
	"pratique/telemetry"
	"pratique/telemetry/alerts"
	"pratique/watch"
	"pratique/watch/queue"
)

// How the daemon looks into the queue.
const (
	// lookShare bounds what looking costs: a look that took long is followed by a
	// pause of so many times that.
	lookShare = 10
	// shownDestinations bounds the labels of a metric.
	shownDestinations = 10
)

// watchQueue looks into the MTA's queue until the context ends, or what it returns is called.
func (d *daemon) watchQueue(ctx context.Context) (stop func()) {
	return d.beside(ctx, "the queue", func(ctx context.Context) {
		w := queueWatch{daemon: d}
		next := d.env.now()
		for ctx.Err() == nil {
			if now := d.env.now(); !now.Before(next) {
				next = now.Add(w.look(ctx))
			}
			w.feedUsual()
			select {
			case <-ctx.Done():
			case <-time.After(min(time.Until(next), time.Minute/2)):
			}
		}
	})
}

// queueWatch is what is known from one look to the next.
type queueWatch struct {
	*daemon
	failing bool          // which was said
	last    *queue.Sample // nil: the queue is not known
	fed     int64         // the minute for which the baseline was told last
}

// The series of the baseline: the length of a queue is named like the queue.
const queueAgeSeries = "oldest" // minutes

// feedUsual tells the baselines, once in each minute, how the queue was at the last look.
func (w *queueWatch) feedUsual() {
	now := w.env.now()
	if w.last == nil || now.Unix()/60 == w.fed {
		return
	}
	w.fed = now.Unix() / 60
	for _, name := range []string{queue.Active, queue.Deferred, queue.Hold} {
		w.usual.baselines.Observe(baseline.Queue, name, now, float64(w.last.Of(name)))
	}
	w.usual.baselines.Observe(baseline.Queue, queueAgeSeries, now, w.last.Age().Minutes())
}

// look takes one look, and returns how long it is to the next one. A mistake in
// here keeps no mail from leaving.
func (w *queueWatch) look(ctx context.Context) (wait time.Duration) {
	o := w.inForce().Watch
	defer func() {
		if v := recover(); v != nil {
			w.log.Error("panic", "in", "look into the queue", "panic", v, "stack", string(debug.Stack()))
			wait = o.QueueEvery
		}
	}()
	if o.Queue == queue.Off {
		w.forget()
		return o.QueueEvery
	}
	began := time.Now()
	sample, err := w.sample(ctx, o)
	took := time.Since(began)
	if ctx.Err() != nil {
		return 0
	}
	w.tell(o, sample, err)
	return max(o.QueueEvery-took, lookShare*took)
}

func (w *queueWatch) sample(ctx context.Context, o watch.Options) (*queue.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, queuePatience)
	defer cancel()
	source, err := queue.Open(ctx, o.Queue, w.env.now)
	if err != nil {
		return nil, err
	}
	return queue.Take(ctx, source, w.env.now)
}

// forget takes back what was told of a queue that is not looked at any more.
func (w *queueWatch) forget() {
	w.failing, w.last = false, nil
	w.queued.Store(nil)
	w.metrics.QueueDown()
	w.alerts.Clear(queueAlert, "size")
	w.alerts.Clear(queueAlert, "age")
}

const queueAlert = "queue_growing"

func (w *queueWatch) tell(o watch.Options, s *queue.Sample, err error) {
	w.last = s
	w.queued.Store(s)
	if err != nil {
		w.metrics.QueueDown()
		if none := errors.Is(err, queue.ErrNone) && o.Queue == "auto"; !w.failing && none {
			w.log.Info("no queue to look into", "key", "watch.queue", "error", err)
		} else if !w.failing {
			w.log.Warn("the MTA's queue can't be looked into; mail goes on", "key", "watch.queue", "error", err)
		}
		w.failing = true
		return
	}
	if w.failing {
		w.log.Info("the MTA's queue can be looked into again", "source", s.Source)
	}
	w.failing = false
	w.log.Debug("looked into the queue", "source", s.Source, "messages", s.Messages, "oldest", s.Age(), "took", s.Cost.Took)
	w.metrics.Queue(queueStats(s))
	w.judge(o, s)
}

// judge raises alarms by the bounds of the configuration.
func (w *queueWatch) judge(o watch.Options, s *queue.Sample) {
	where := ""
	if len(s.Destinations) > 0 {
		top := s.Destinations[0]
		where = fmt.Sprintf("; %d recipients wait at %s", top.Recipients, top.Domain)
		if len(top.Reasons) > 0 {
			where += ", " + top.Reasons[0].Key()
		}
	}
	if o.QueueSize > 0 && s.Messages >= o.QueueSize {
		w.alerts.Raise(alerts.Alert{Name: queueAlert, Subject: "size", Value: float64(s.Messages), Threshold: float64(o.QueueSize),
			Text: fmt.Sprintf("%d messages in the MTA's queue, watch.queue_size is %d%s", s.Messages, o.QueueSize, where)})
	} else {
		w.alerts.Clear(queueAlert, "size")
	}
	if o.QueueAge > 0 && s.Age() >= o.QueueAge {
		w.alerts.Raise(alerts.Alert{Name: queueAlert, Subject: "age", Value: s.Age().Seconds(), Threshold: o.QueueAge.Seconds(),
			Text: fmt.Sprintf("the oldest message has been in the MTA's queue for %s, watch.queue_age is %s%s", shortAge(s.Age()), shortAge(o.QueueAge), where)})
	} else {
		w.alerts.Clear(queueAlert, "age")
	}
}

// queueStats are the figures for the metrics.
func queueStats(s *queue.Sample) telemetry.QueueStats {
	stats := telemetry.QueueStats{Messages: map[string]int{}, Oldest: map[string]float64{}, Recipients: s.Recipients,
		Deferred: map[string]int{}, Top: map[string]int{}, Took: s.Cost.Took.Seconds()}
	for _, name := range queue.Queues() {
		stats.Messages[name] = s.Of(name)
		if q, ok := s.Queues[name]; ok {
			stats.Oldest[name] = s.At.Sub(q.Oldest).Seconds()
		}
	}
	for _, r := range s.Reasons {
		stats.Deferred[string(r.Class)] += r.Recipients
	}
	for _, d := range s.Destinations[:min(len(s.Destinations), shownDestinations)] {
		stats.Top[d.Domain] = d.Recipients
	}
	return stats
}
