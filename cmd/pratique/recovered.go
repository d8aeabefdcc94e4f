package main

import "runtime/debug"

// recovered is deferred by what the daemon does beside the mail: a mistake in it ends
// its own round, and nothing else.
func (d *daemon) recovered(in string) {
	if v := recover(); v != nil {
		d.log.Error("panic", "in", in, "panic", v, "stack", string(debug.Stack()))
	}
}
