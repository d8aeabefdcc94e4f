package alerts

import (
	"fmt"
	"time"
)

// Options is the [alerts] table of the configuration.
type Options struct {
	Log          bool          `toml:"log"`           // to the log
	Repeat       time.Duration `toml:"repeat"`        // how often an alert that lasts is told again
	ResolveAfter time.Duration `toml:"resolve_after"` // how long it must be over
	PerMinute    int           `toml:"per_minute"`    // notifications; what comes on top is told together
}

// DefaultOptions tells the log alone.
func DefaultOptions() Options {
	return Options{Log: true, Repeat: 4 * time.Hour, ResolveAfter: 10 * time.Minute, PerMinute: 5}
}

// Bounds of the options.
const (
	leastRepeat     = time.Minute
	longestResolve  = 24 * time.Hour
	mostPerMinute   = 60
	longestRepeatIn = 30 * 24 * time.Hour
)

// Problems reports everything that is wrong with the options, each under its key
// relative to the table.
func (o Options) Problems(report func(key, problem string)) {
	if o.Repeat < leastRepeat || o.Repeat > longestRepeatIn {
		report("repeat", fmt.Sprintf("%v is not between 1m and 30d; 4h is usual", o.Repeat))
	}
	if o.ResolveAfter < 0 || o.ResolveAfter > longestResolve {
		report("resolve_after", fmt.Sprintf("%v is not between 0s and 24h; 10m is usual", o.ResolveAfter))
	}
	if o.PerMinute < 1 || o.PerMinute > mostPerMinute {
		report("per_minute", fmt.Sprintf("%d is not between 1 and %d; what comes on top is told together", o.PerMinute, mostPerMinute))
	}
}
