package lint

// Options is the [lint] table of the configuration.
type Options struct {
	MaxSize int64             `toml:"max_size,size"` // encoded size of a message, in octets (M20)
	Bulk    []string          `toml:"bulk"`          // senders whose mail is held to the bulk rules
	Rules   map[string]string `toml:"rules"`         // rule id: reject, warn, fix, observe or off
}

// DefaultOptions has every rule at its default action.
func DefaultOptions() Options { return Options{MaxSize: 25 << 20} }
