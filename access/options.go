package access

// Options is the [access] table of the configuration.
type Options struct {
	// Networks may send: addresses or prefixes; "!" before one takes it out
	// again. The longest prefix that covers a client decides.
	Networks []string `toml:"networks"`
	// Authenticated lets clients with a SASL login send from anywhere.
	Authenticated bool `toml:"authenticated"`
	// Unlisted is what every other client gets: reject, tempfail or pass.
	Unlisted string `toml:"unlisted"`
	// Senders binds clients to senders; empty: anyone admitted may use any sender.
	Senders []SenderRule `toml:"senders"`
}

// SenderRule says which senders (envelope and From) some clients may use.
type SenderRule struct {
	Networks []string `toml:"networks"`
	Logins   []string `toml:"logins"`
	Allow    []string `toml:"allow"` // "example.org", "*.example.org", "info@example.org"
}

// DefaultOptions admits loopback and the private networks.
func DefaultOptions() Options {
	return Options{
		Networks:      []string{"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"},
		Authenticated: true,
		Unlisted:      "reject",
	}
}
