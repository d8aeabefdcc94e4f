package telemetry

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"
)

// Options is the [telemetry] table of the configuration.
type Options struct {
	// Graphite is where figures are sent, host:port of a carbon that takes plain text; "": nowhere.
	Graphite string `toml:"graphite"`
	// Prefix begins every name there. {host} stands for the name of this host, its dots
	// turned into underscores.
	Prefix string `toml:"prefix"`
	// Every is how often they are sent.
	Every time.Duration `toml:"every"`
}

// Bounds of Every.
const (
	shortestEvery = time.Second
	longestEvery  = time.Hour
)

// DefaultOptions sends nothing.
func DefaultOptions() Options {
	return Options{Prefix: "pratique.{host}", Every: time.Minute}
}

var prefixForm = regexp.MustCompile(`^([A-Za-z0-9_-]|\{host\})+(\.([A-Za-z0-9_-]|\{host\})+)*$`)

// Problems reports everything that is wrong with the options, each under its key
// relative to the table.
func (o Options) Problems(report func(key, problem string)) {
	if o.Graphite != "" {
		if err := checkAddress(o.Graphite); err != nil {
			report("graphite", fmt.Sprintf("%q: %v; host:port is wanted, such as \"graphite.example.org:2003\", or \"\" for none", o.Graphite, err))
		}
	}
	if !prefixForm.MatchString(o.Prefix) {
		report("prefix", fmt.Sprintf("%q is no name such as \"pratique.{host}\": letters, digits, \"_\" and \"-\", with dots between them", o.Prefix))
	}
	if o.Every < shortestEvery || o.Every > longestEvery {
		report("every", fmt.Sprintf("%v is not from %v to %v; carbon keeps a figure a minute unless it is told otherwise", o.Every, shortestEvery, longestEvery))
	}
}

func checkAddress(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return fmt.Errorf("this is not host:port, an IPv6 address in brackets")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q is not a port", port)
	}
	return nil
}
