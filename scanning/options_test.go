package scanning

import (
	"maps"
	"slices"
	"testing"
)

func TestOptionsProblems(t *testing.T) {
	tests := []struct {
		name string
		set  func(*Options)
		want []string
	}{
		{"defaults", func(*Options) {}, nil},
		{"unix", func(o *Options) { o.Clamd = "unix:/run/clamav/clamd.ctl" }, nil},
		{"tcp", func(o *Options) { o.Clamd = "tcp:clamd.example.org:3310" }, nil},
		{"tcp, IPv6", func(o *Options) { o.Clamd = "tcp:[::1]:3310" }, nil},
		{"other words", func(o *Options) { o.Oversize, o.Infected = "accept", "discard" }, nil},
		{"bare path", func(o *Options) { o.Clamd = "/run/clamav/clamd.ctl" }, []string{"clamd"}},
		{"relative path", func(o *Options) { o.Clamd = "unix:clamd.ctl" }, []string{"clamd"}},
		{"no path", func(o *Options) { o.Clamd = "unix:" }, []string{"clamd"}},
		{"no port", func(o *Options) { o.Clamd = "tcp:localhost" }, []string{"clamd"}},
		{"no host", func(o *Options) { o.Clamd = "tcp::3310" }, []string{"clamd"}},
		{"port 0", func(o *Options) { o.Clamd = "tcp:localhost:0" }, []string{"clamd"}},
		{"port 65536", func(o *Options) { o.Clamd = "tcp:localhost:65536" }, []string{"clamd"}},
		{"named port", func(o *Options) { o.Clamd = "tcp:localhost:clamd" }, []string{"clamd"}},
		{"IPv6 without brackets", func(o *Options) { o.Clamd = "tcp:::1:3310" }, []string{"clamd"}},
		{"another network", func(o *Options) { o.Clamd = "inet:localhost:3310" }, []string{"clamd"}},
		{"all at once", func(o *Options) { *o = Options{Clamd: "x"} },
			[]string{"clamd", "infected", "max_scans", "max_size", "oversize", "timeout"}},
		{"negative", func(o *Options) { o.Timeout, o.MaxScans, o.MaxSize = -1, -1, -1 }, []string{"max_scans", "max_size", "timeout"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := DefaultOptions()
			tt.set(&opts)
			got := make(map[string]string)
			opts.Problems(func(key, problem string) { got[key] = problem })
			if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, tt.want) {
				t.Errorf("problems = %v, want of %v", got, tt.want)
			}
			if _, err := New(opts, nil); (err == nil) != (opts.Clamd != "" && len(tt.want) == 0) {
				t.Errorf("New: %v", err)
			}
		})
	}
}
