package milter

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"
)

// Options is the [milter] table of the configuration: the bounds of the edge.
type Options struct {
	MaxConnections   int           `toml:"max_connections"`
	IdleTimeout      time.Duration `toml:"idle_timeout"`      // silence of the MTA between two commands
	ReadTimeout      time.Duration `toml:"read_timeout"`      // for the rest of a frame that has begun
	WriteTimeout     time.Duration `toml:"write_timeout"`     // for one reply
	ProgressInterval time.Duration `toml:"progress_interval"` // between the signs of life at end of message
	ShutdownTimeout  time.Duration `toml:"shutdown_timeout"`  // for messages under way at SIGTERM
	MaxRecipients    int           `toml:"max_recipients"`    // of one message
	SocketMode       string        `toml:"socket_mode"`       // of Unix sockets, octal
	SocketOwner      string        `toml:"socket_owner"`      // user name or id, "": unchanged
	SocketGroup      string        `toml:"socket_group"`      // group name or id, "": see socketGroup
}

// DefaultOptions suits one Postfix with its default process limits.
func DefaultOptions() Options {
	return Options{
		MaxConnections: 1000, IdleTimeout: 10 * time.Minute, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, ProgressInterval: time.Second, ShutdownTimeout: 30 * time.Second,
		MaxRecipients: 10_000, SocketMode: "0660",
	}
}

// Problems reports what can't work, by key.
func (o Options) Problems(report func(key, problem string)) {
	atLeastOne := func(key string, n int) {
		if n < 1 {
			report(key, fmt.Sprintf("is %d, must be at least 1", n))
		}
	}
	positive := func(key string, d time.Duration) {
		if d <= 0 {
			report(key, fmt.Sprintf("is %v, must be more than 0s", d))
		}
	}
	atLeastOne("max_connections", o.MaxConnections)
	positive("idle_timeout", o.IdleTimeout)
	positive("read_timeout", o.ReadTimeout)
	positive("write_timeout", o.WriteTimeout)
	positive("progress_interval", o.ProgressInterval)
	if o.ShutdownTimeout < 0 {
		report("shutdown_timeout", fmt.Sprintf("is %v, must not be negative", o.ShutdownTimeout))
	}
	atLeastOne("max_recipients", o.MaxRecipients)
	if _, err := parseMode(o.SocketMode); err != nil {
		report("socket_mode", err.Error())
	}
	if _, err := userID(o.SocketOwner); err != nil {
		report("socket_owner", err.Error())
	}
	if _, err := groupID(o.SocketGroup); err != nil {
		report("socket_group", err.Error())
	}
}

func parseMode(s string) (os.FileMode, error) {
	mode, err := strconv.ParseUint(s, 8, 32)
	if err != nil || mode > 0o777 {
		return 0, fmt.Errorf("%q is not an octal file mode such as 0660", s)
	}
	return os.FileMode(mode), nil
}

// unchanged is the id with which chown(2) leaves an owner as it is.
const unchanged = -1

func userID(s string) (int, error) {
	return lookUpID(s, "user", func() (string, error) {
		u, err := user.Lookup(s)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

func groupID(s string) (int, error) {
	return lookUpID(s, "group", func() (string, error) {
		g, err := user.LookupGroup(s)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

// socketGroup is the group of Unix sockets. If none is configured, a daemon that
// runs as root gives them to Postfix's group where there is one: in root's own
// group Postfix, which connects as its own user, would need mode 0666.
func (o Options) socketGroup() (int, error) {
	if o.SocketGroup == "" && os.Geteuid() == 0 {
		if gid, err := groupID("postfix"); err == nil {
			return gid, nil
		}
	}
	return groupID(o.SocketGroup)
}

func lookUpID(s, kind string, byName func() (string, error)) (int, error) {
	if s == "" {
		return unchanged, nil
	}
	if id, err := strconv.ParseUint(s, 10, 31); err == nil {
		return int(id), nil
	}
	id, err := byName()
	if err != nil {
		return 0, fmt.Errorf("there is no %s %q on this machine", kind, s)
	}
	return strconv.Atoi(id)
}
