package milter

import "time"

// Options is the [milter] table of the configuration: the bounds of the edge.
type Options struct {
	MaxConnections  int           `toml:"max_connections"`
	IdleTimeout     time.Duration `toml:"idle_timeout"`     // silence of the MTA between two commands
	ReadTimeout     time.Duration `toml:"read_timeout"`     // for the rest of a frame that has begun
	WriteTimeout    time.Duration `toml:"write_timeout"`    // for one reply
	ShutdownTimeout time.Duration `toml:"shutdown_timeout"` // for messages under way at SIGTERM
	MaxRecipients   int           `toml:"max_recipients"`   // of one message
	SocketMode      string        `toml:"socket_mode"`      // of Unix sockets, octal
	SocketOwner     string        `toml:"socket_owner"`     // user name or id, "": unchanged
	SocketGroup     string        `toml:"socket_group"`     // group name or id, "": unchanged
}

// DefaultOptions suits one Postfix with its default process limits.
func DefaultOptions() Options {
	return Options{
		MaxConnections: 1000, IdleTimeout: 10 * time.Minute, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, ShutdownTimeout: 30 * time.Second, MaxRecipients: 10_000,
		SocketMode: "0660",
	}
}
