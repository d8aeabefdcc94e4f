package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"pratique/dashboard"
	"pratique/rates/baseline"
	"pratique/watch"
	"pratique/watch/queue"
)

// shownQueues are those whose size is drawn over time: the baselines keep it by the hour.
var shownQueues = []string{queue.Active, queue.Deferred, queue.Hold}

// queueOverTime returns the hours of the MTA's queue that are known, and what the last look saw.
func (d *daemon) queueOverTime(since, until time.Time) []dashboard.Queue {
	var hours []dashboard.Queue
	for _, name := range shownQueues {
		for i, b := range d.usual.baselines.Bands(baseline.Queue, name, since, until) {
			if i == len(hours) {
				hours = append(hours, dashboard.Queue{At: b.At, Size: map[string]int{}})
			}
			if i < len(hours) && b.Known && hours[i].At.Equal(b.At) {
				hours[i].Size[name] = int(b.Count + 0.5)
			}
		}
	}
	var known []dashboard.Queue
	for _, h := range hours {
		if len(h.Size) > 0 && !h.At.Before(since) {
			known = append(known, h)
		}
	}
	if last := d.queued.Load(); last != nil {
		known = append(known, queueSeen(last))
	}
	return known
}

// queueSeen is what one look saw.
func queueSeen(s *queue.Sample) dashboard.Queue {
	q := dashboard.Queue{At: s.At, Size: map[string]int{}, Oldest: s.Age()}
	for _, name := range shownQueues {
		q.Size[name] = s.Of(name)
	}
	for name, size := range s.Queues {
		q.Size[name] = size.Messages
	}
	const most = 20
	for _, dest := range s.Destinations[:min(len(s.Destinations), most)] {
		one := dashboard.QueueReason{Destination: dest.Domain, Messages: dest.Recipients}
		if len(dest.Reasons) > 0 {
			one.Reason = dest.Reasons[0].Key() + ": " + dest.Reasons[0].Example
		}
		q.Top = append(q.Top, one)
	}
	return q
}

// cameBack returns what came back since a time.
func (d *daemon) cameBack(ctx context.Context, since, _ time.Time) (dashboard.Returned, error) {
	var r dashboard.Returned
	store, err := watch.OpenReader(ctx, d.started.State, d.env.now)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	report, err := store.Report(ctx, since)
	if err = errors.Join(err, store.Close()); err != nil {
		return r, fmt.Errorf("sum up what came back: %w", err)
	}
	r.Sent, r.Bounced, r.Complaints = int64(report.Sent.Recipients), int64(report.Bounces.Failed), int64(report.Complaints.Certain)
	const most = 20
	for _, why := range report.Reasons[:min(len(report.Reasons), most)] {
		one := dashboard.ReturnedReason{Kind: string(why.Class), Reason: why.Key() + ": " + why.Example, Count: int64(why.Failed + why.Deferred)}
		if len(why.Receivers) > 0 {
			one.Receiver = why.Receivers[0]
		}
		r.Reasons = append(r.Reasons, one)
	}
	return r, nil
}
