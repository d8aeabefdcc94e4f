package scanning

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pratique/message"
)

// Options is the [scanning] table of the configuration.
type Options struct {
	// Clamd is "unix:/path", "tcp:host:3310", or "" for no scanning. A host that
	// is given by its name is looked up for each message.
	Clamd string `toml:"clamd"`
	// Timeout is for one scan, waiting for a place and retries included. Keep it
	// below clamd's MaxScanTime, 120 s, after which clamd stops looking.
	Timeout time.Duration `toml:"timeout"`
	// MaxScans is how many scans may be under way at once: at most clamd's MaxThreads.
	MaxScans int `toml:"max_scans"`
	// MaxSize is in octets: at most clamd's StreamMaxLength and MaxFileSize.
	MaxSize int64 `toml:"max_size,size"`
	// Cache is how long content that clamd called clean is taken for clean without
	// asking again; 0: clamd is asked each time.
	Cache time.Duration `toml:"cache"`
	// Oversize is what a message gets that is larger than MaxSize or than clamd
	// would look at: tempfail, reject or accept.
	Oversize string `toml:"oversize"`
	// Infected is what a message with malware gets: reject, hold or discard.
	Infected string `toml:"infected"`
	// OnError is for a clamd that is away, too slow, or talks nonsense.
	OnError message.OnError `toml:"on_error"`
}

// The words of Oversize and Infected.
const (
	tempfail = "tempfail"
	reject   = "reject"
	accept   = "accept"
	hold     = "hold"
	discard  = "discard"
)

// longestCache bounds for how long malware may pass that clamd learns of meanwhile
// without its version telling.
const longestCache = 24 * time.Hour

// DefaultOptions has no clamd.
func DefaultOptions() Options {
	return Options{
		Timeout: 60 * time.Second, MaxScans: 10, MaxSize: 25 << 20,
		Oversize: tempfail, Infected: reject, OnError: message.Tempfail,
	}
}

// Problems reports everything in o that can't be meant.
func (o Options) Problems(report func(key, problem string)) {
	if o.Clamd != "" {
		if _, err := parseAddress(o.Clamd); err != nil {
			report("clamd", err.Error())
		}
	}
	if o.Timeout <= 0 {
		report("timeout", fmt.Sprintf("%v leaves no time for a scan; the default is 60s", o.Timeout))
	}
	if o.Cache < 0 || o.Cache > longestCache {
		report("cache", fmt.Sprintf("%v is no time to keep a verdict; give up to %v, or 0s for none", o.Cache, longestCache))
	}
	if o.MaxScans < 1 {
		report("max_scans", fmt.Sprintf("%d scans at once would stop all mail; give clamd's MaxThreads or less, at least 1", o.MaxScans))
	}
	if o.MaxSize < 1 {
		report("max_size", fmt.Sprintf("%d would make every message too large to scan; give clamd's StreamMaxLength or less, such as \"25MB\"", o.MaxSize))
	}
	switch o.Oversize {
	case tempfail, reject, accept:
	default:
		report("oversize", fmt.Sprintf("%q is none of tempfail, reject, accept", o.Oversize))
	}
	switch o.Infected {
	case reject, hold, discard:
	default:
		report("infected", fmt.Sprintf("%q is none of reject, hold, discard", o.Infected))
	}
}

// address is where clamd listens, in the terms of package net.
type address struct{ network, addr string }

func (a address) String() string { return a.network + ":" + a.addr }

func parseAddress(text string) (address, error) {
	network, addr, _ := strings.Cut(text, ":")
	switch network {
	case "unix":
		if !filepath.IsAbs(addr) {
			return address{}, fmt.Errorf("%q has no absolute path after \"unix:\"; clamd's LocalSocket is wanted, such as \"unix:/run/clamav/clamd.ctl\"", text)
		}
	case "tcp":
		if err := checkHostPort(addr); err != nil {
			return address{}, fmt.Errorf("%q: %w; \"tcp:host:3310\" is wanted, an IPv6 address in brackets", text, err)
		}
	default:
		return address{}, fmt.Errorf("%q begins with neither \"unix:\" nor \"tcp:\"; give \"unix:/run/clamav/clamd.ctl\" or \"tcp:host:3310\"", text)
	}
	return address{network, addr}, nil
}

func checkHostPort(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	switch {
	case err != nil:
		return errors.New("not host:port")
	case host == "":
		return errors.New("no host")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q is not a port", port)
	}
	return nil
}
