package journal

import (
	"fmt"
	"path/filepath"
	"time"
)

// Options is the [journal] table of the configuration.
type Options struct {
	Store      string        `toml:"store"`         // "sqlite": kept in the state folder; "": not kept
	JSON       string        `toml:"json"`          // a file for JSON lines; "-": standard output; "": none
	Recipients string        `toml:"recipients"`    // domains or addresses
	Subject    bool          `toml:"subject"`       // whether Subject is kept
	Keep       time.Duration `toml:"keep"`          // by age, whole days of UTC
	MaxSize    int64         `toml:"max_size,size"` // of all files together, octets
}

// What Options.Recipients may say.
const (
	byDomain  = "domains"
	byAddress = "addresses"
)

const storeSQLite = "sqlite"

// Bounds of the retention.
const (
	leastKeep    = 24 * time.Hour
	leastMaxSize = 64 << 20
)

// DefaultOptions keeps 30 days in the state folder, without addresses of recipients and without subjects.
func DefaultOptions() Options {
	return Options{Store: storeSQLite, Recipients: byDomain, Keep: 30 * 24 * time.Hour, MaxSize: 20 << 30}
}

// Problems reports everything that is wrong with the options, each under its key relative to the table.
func (o Options) Problems(report func(key, problem string)) {
	if o.Store != storeSQLite && o.Store != "" {
		report("store", fmt.Sprintf("%q is no place for the journal; \"sqlite\" keeps it in the state folder, \"\" nowhere", o.Store))
	}
	if o.JSON != "" && o.JSON != "-" && !filepath.IsAbs(o.JSON) {
		report("json", fmt.Sprintf("%q is not an absolute path such as \"/var/log/pratique/journal.json\"; \"-\" is standard output", o.JSON))
	}
	if o.Recipients != byDomain && o.Recipients != byAddress {
		report("recipients", fmt.Sprintf("%q is none of domains, addresses", o.Recipients))
	}
	if o.Keep < leastKeep {
		report("keep", fmt.Sprintf("%v is too short: the journal is kept by whole days, so \"1d\" is the shortest (store = \"\" keeps none)", o.Keep))
	}
	if o.MaxSize < leastMaxSize {
		report("max_size", fmt.Sprintf("%d octets are too few to keep anything useful; \"%dMB\" is the least (store = \"\" keeps none)", o.MaxSize, leastMaxSize>>20))
	}
}
