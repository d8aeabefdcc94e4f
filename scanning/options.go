package scanning

import (
	"time"

	"pratique/message"
)

// Options is the [scanning] table of the configuration.
type Options struct {
	Clamd    string          `toml:"clamd"`         // "unix:/path", "tcp:host:3310" or "": no scanning
	Timeout  time.Duration   `toml:"timeout"`       // for one scan, retries included
	MaxScans int             `toml:"max_scans"`     // scans under way at once; at most clamd's MaxThreads
	MaxSize  int64           `toml:"max_size,size"` // octets; what is larger meets Oversize
	Oversize string          `toml:"oversize"`      // tempfail, reject or accept
	Infected string          `toml:"infected"`      // reject, hold or discard
	OnError  message.OnError `toml:"on_error"`      // clamd is away, slow or talks nonsense
}

// DefaultOptions has no clamd.
func DefaultOptions() Options {
	return Options{
		Timeout: 60 * time.Second, MaxScans: 10, MaxSize: 25 << 20,
		Oversize: "tempfail", Infected: "reject", OnError: message.Tempfail,
	}
}
