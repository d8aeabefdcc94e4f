package alerts

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Options is the [alerts] table of the configuration.
type Options struct {
	Log            bool          `toml:"log"`             // to the log
	Repeat         time.Duration `toml:"repeat"`          // how often an alert that lasts is told again
	ResolveAfter   time.Duration `toml:"resolve_after"`   // how long it must be over
	PerMinute      int           `toml:"per_minute"`      // notifications; what comes on top is told together
	Command        []string      `toml:"command"`         // a program and its arguments; none: no command
	CommandTimeout time.Duration `toml:"command_timeout"` // then it is killed
	Webhook        Webhook       `toml:"webhook"`
	Mail           Mail          `toml:"mail"`
}

// DefaultOptions tells the log alone.
func DefaultOptions() Options {
	return Options{
		Log: true, Repeat: 4 * time.Hour, ResolveAfter: 10 * time.Minute, PerMinute: 5,
		CommandTimeout: 30 * time.Second,
		Webhook:        Webhook{Timeout: 10 * time.Second},
		Mail:           Mail{Server: "127.0.0.1:25", Timeout: 30 * time.Second},
	}
}

// Bounds of the options.
const (
	leastRepeat    = time.Minute
	longestRepeat  = 30 * 24 * time.Hour
	longestResolve = 24 * time.Hour
	mostPerMinute  = 60
	leastTimeout   = time.Second
	longestTimeout = 5 * time.Minute
	mostMailed     = 100 // addresses: what an MTA takes in one envelope (RFC 5321 4.5.3.1.8)
)

// Problems reports everything that is wrong with the options, each under its key
// relative to the table.
func (o Options) Problems(report func(key, problem string)) {
	if o.Repeat < leastRepeat || o.Repeat > longestRepeat {
		report("repeat", fmt.Sprintf("%v is not between 1m and 30d; 4h is usual", o.Repeat))
	}
	if o.ResolveAfter < 0 || o.ResolveAfter > longestResolve {
		report("resolve_after", fmt.Sprintf("%v is not between 0s and 24h; 10m is usual", o.ResolveAfter))
	}
	if o.PerMinute < 1 || o.PerMinute > mostPerMinute {
		report("per_minute", fmt.Sprintf("%d is not between 1 and %d; what comes on top is told together", o.PerMinute, mostPerMinute))
	}
	if len(o.Command) > 0 && !filepath.IsAbs(o.Command[0]) {
		report("command[0]", fmt.Sprintf("%q is not the absolute path of a program; there is no shell that would look for it", o.Command[0]))
	}
	for _, t := range []struct {
		key string
		is  time.Duration
	}{{"command_timeout", o.CommandTimeout}, {"webhook.timeout", o.Webhook.Timeout}, {"mail.timeout", o.Mail.Timeout}} {
		if t.is < leastTimeout || t.is > longestTimeout {
			report(t.key, fmt.Sprintf("%v is not between 1s and 5m", t.is))
		}
	}
	o.Webhook.problems(report)
	o.Mail.problems(report)
}

func (w Webhook) problems(report func(key, problem string)) {
	if w.URL == "" {
		if w.Secret != "" {
			report("webhook.secret", "signs nothing, because there is no url")
		}
		return
	}
	if u, err := url.Parse(w.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		report("webhook.url", fmt.Sprintf("%q is no URL such as \"https://chat.example.org/hooks/pratique\"", w.URL))
	}
}

func (m Mail) problems(report func(key, problem string)) {
	if len(m.To) > mostMailed {
		report("mail.to", fmt.Sprintf("has %d addresses, more than %d; use the address of a list", len(m.To), mostMailed))
	}
	for i, to := range m.To {
		if err := checkAddress(to); err != nil {
			report(fmt.Sprintf("mail.to[%d]", i), fmt.Sprintf("%q %v; one such as \"postmaster@example.org\" is wanted", to, err))
		}
	}
	for _, a := range [][2]string{{"mail.from", m.From}, {"mail.envelope", m.Envelope}} {
		if err := checkAddress(a[1]); a[1] != "" && err != nil {
			report(a[0], fmt.Sprintf("%q %v; one such as \"pratique@example.org\" is wanted, or \"\"", a[1], err))
		}
	}
	if host, port, err := net.SplitHostPort(m.Server); err != nil || host == "" || port == "" {
		report("mail.server", fmt.Sprintf("%q is not host:port, such as \"127.0.0.1:25\"", m.Server))
	}
	if m.Sendmail != "" && !filepath.IsAbs(m.Sendmail) {
		report("mail.sendmail", fmt.Sprintf("%q is not an absolute path, such as \"/usr/sbin/sendmail\"", m.Sendmail))
	}
}

// checkAddress wants a bare address that fits an SMTP command as it is.
func checkAddress(text string) error {
	switch a, err := mail.ParseAddress(text); {
	case err != nil:
		return errors.New("is no address")
	case a.Address != text || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' }):
		return errors.New("is more than an address")
	}
	return nil
}
