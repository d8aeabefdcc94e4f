package canary

import (
	"fmt"
	"net"
	"net/mail"
	"path/filepath"
	"strings"
	"time"
)

// Options is the [canary] table of the configuration.
type Options struct {
	From    string        `toml:"from"`    // sender, in the envelope and in From; "": no canaries
	To      string        `toml:"to"`      // recipient, whose mail arrives at Sink or in Maildir
	MTA     string        `toml:"mta"`     // host:port of the MTA that is tested
	Sink    string        `toml:"sink"`    // host:port where we take the message in ourselves
	Maildir string        `toml:"maildir"` // folder where it is delivered, in place of Sink
	Every   time.Duration `toml:"every"`   // how often the daemon sends one; 0: never
	Late    time.Duration `toml:"late"`    // from when on it is late
	Timeout time.Duration `toml:"timeout"` // how long it is waited for
}

// DefaultOptions send none.
func DefaultOptions() Options {
	return Options{MTA: "127.0.0.1:25", Late: time.Minute, Timeout: 5 * time.Minute}
}

// leastEvery keeps canaries from being a load.
const leastEvery = time.Minute

// Problems reports everything that is wrong with the options, each under its key.
func (o Options) Problems(report func(key, problem string)) {
	if _, _, err := net.SplitHostPort(o.MTA); err != nil {
		report("mta", fmt.Sprintf("%q is not host:port, such as \"127.0.0.1:25\"", o.MTA))
	}
	if o.Timeout <= 0 {
		report("timeout", fmt.Sprintf("is %v, must be more than 0s", o.Timeout))
	}
	if o.Late <= 0 {
		report("late", fmt.Sprintf("is %v, must be more than 0s", o.Late))
	}
	if o.Every < 0 || o.Every > 0 && o.Every < max(leastEvery, o.Timeout) {
		report("every", fmt.Sprintf("is %v; \"0s\" is never, and else it is at least a minute and no less than timeout", o.Every))
	}
	if o.Sink != "" {
		if _, _, err := net.SplitHostPort(o.Sink); err != nil {
			report("sink", fmt.Sprintf("%q is not host:port, such as \"127.0.0.1:2525\"", o.Sink))
		}
	}
	if o.Maildir != "" && !filepath.IsAbs(o.Maildir) {
		report("maildir", fmt.Sprintf("%q is not an absolute path", o.Maildir))
	}
	if o.From == "" {
		if o.Every > 0 {
			report("every", "canaries need a sender: set from")
		}
		return
	}
	for key, address := range map[string]string{"from": o.From, "to": o.To} {
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address || strings.ContainsAny(address, "\r\n") {
			report(key, fmt.Sprintf("%q is no address such as \"canary@example.org\"", address))
		}
	}
	if o.Sink == "" && o.Maildir == "" {
		report("sink", "canaries arrive nowhere: set sink or maildir")
	}
	if o.Sink != "" && o.Maildir != "" {
		report("maildir", "canaries arrive at one place: set either sink or maildir")
	}
}

// nest opens the place where canaries arrive.
func (o Options) nest() (nest, error) {
	if o.Maildir != "" {
		return newMaildir(o.Maildir)
	}
	return newSink(o.Sink, o.To)
}
