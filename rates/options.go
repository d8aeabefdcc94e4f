package rates

import "time"

// Options is the [rates] table of the configuration.
type Options struct {
	Store  string  `toml:"store"` // "sqlite": kept in the state folder
	Limits []Limit `toml:"limits"`
}

// Limit bounds what one key may send in a sliding window.
type Limit struct {
	Per   string        `toml:"per"`   // client, login, sender, sender_domain, recipient_domain or total
	Count string        `toml:"count"` // messages, recipients or bytes
	Max   int64         `toml:"max"`
	Every time.Duration `toml:"every"`
	Then  string        `toml:"then"` // tempfail, reject, hold or observe
}

// DefaultOptions counts and limits nothing.
func DefaultOptions() Options { return Options{Store: "sqlite"} }
