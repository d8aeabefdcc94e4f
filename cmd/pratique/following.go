package main

import (
	"context"
	"sync"
	"time"

	"pratique/watch"
	"pratique/watch/maillog"
)

// follow follows the log that options name from now on, and no other one.
func (f *feeder) follow(o watch.Options) {
	if o.Log == f.following {
		return
	}
	if f.unfollow != nil {
		f.unfollow()
		f.unfollow = nil
		f.logFailing.Store(false)
	}
	f.following = o.Log
	if o.Log == "" {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	loop.Go(func() { f.followLog(ctx, o) })
	f.unfollow = func() {
		cancel()
		loop.Wait()
	}
}

// logFollower hands what a log says to the store.
type logFollower struct {
	*feeder
	name string // of the log, as the configuration has it
	said string // the failure that was said last, "-" before anything was
}

// followLog reads a log until the context ends. After a mistake in here it begins
// again where it was.
func (f *feeder) followLog(ctx context.Context, o watch.Options) {
	l := &logFollower{feeder: f, name: o.Log, said: "-"}
	for ctx.Err() == nil {
		l.run(ctx, o)
		select {
		case <-ctx.Done():
		case <-time.After(feedEvery):
		}
	}
}

func (l *logFollower) run(ctx context.Context, o watch.Options) {
	defer l.recovered("the MTA's log")
	pos, err := l.store.Position(ctx, l.name)
	if err != nil {
		l.failed(err) // it is followed from now on
	}
	keep := func(found []maillog.Delivery, pos maillog.Position) { l.keep(ctx, found, pos) }
	if folder, ok := o.JournalFolder(); ok {
		maillog.NewJournald(folder, pos).Run(ctx, keep, l.failed)
		return
	}
	maillog.NewFile(l.name, pos, l.env.now).Run(ctx, keep, l.failed)
}

// failed says what hinders reading, once, and that it works; nil is no failure.
func (l *logFollower) failed(err error) {
	l.logFailing.Store(err != nil)
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == l.said {
		return
	}
	l.said = text
	if err != nil {
		l.log.Error("the MTA's log can't be followed; mail goes on", "key", "watch.log", "error", err)
		return
	}
	l.log.Info("the MTA's log is followed", "log", l.name)
}

// keep keeps what was found. What can't be kept is tried again: until then the log
// is not read on.
func (l *logFollower) keep(ctx context.Context, found []maillog.Delivery, pos maillog.Position) {
	for ctx.Err() == nil {
		err := l.store.Deliveries(ctx, l.left, l.name, found, pos)
		if err == nil || ctx.Err() != nil {
			return
		}
		l.failed(err)
		select {
		case <-ctx.Done():
		case <-time.After(feedEvery):
		}
	}
}
