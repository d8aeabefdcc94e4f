package main

import (
	"context"
	"runtime/debug"
	"sync"
	"time"
)

// panicPause is how long what panicked rests before it begins anew.
const panicPause = 10 * time.Second

// beside has the daemon do something beside the mail until the context ends, or stop is
// called, which waits for its end. After a panic it begins anew.
func (d *daemon) beside(ctx context.Context, what string, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var loop sync.WaitGroup
	loop.Go(func() {
		for ctx.Err() == nil {
			d.recovering(ctx, what, do)
			select {
			case <-ctx.Done():
			case <-time.After(panicPause):
			}
		}
	})
	return func() {
		cancel()
		loop.Wait()
	}
}

func (d *daemon) recovering(ctx context.Context, what string, do func(context.Context)) {
	defer d.recovered(what)
	do(ctx)
}

// recovered is deferred by what the daemon does beside the mail: a mistake in it ends
// its own round, and nothing else.
func (d *daemon) recovered(in string) {
	if v := recover(); v != nil {
		d.log.Error("panic", "in", in, "panic", v, "stack", string(debug.Stack()))
	}
}
