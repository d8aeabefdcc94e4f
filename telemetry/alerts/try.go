package alerts

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
)

// Trial is what became of a test alert.
type Trial struct {
	Channel string        `json:"channel"`
	To      string        `json:"to"` // where it went
	Err     error         `json:"-"`  // nil: it was taken
	Took    time.Duration `json:"-"`
}

// Try sends a test alert by each channel of the options, once, and says what
// happened. No options at all give no trial.
func Try(ctx context.Context, o Options, env Env) []Trial {
	now := env.Now()
	n := Notification{Version: formVersion, ID: rand.Text(), At: now, Host: env.Hostname, Alerts: []Event{{
		At: now, State: Tested, Since: now,
		Alert: Alert{Name: "test", Severity: Warning, Text: "This is a test, and nothing is wrong. It was asked for by \"pratique alerts test\"."},
	}}}
	var all []Trial
	for _, c := range newChannels(o, &Manager{env: env}) {
		began := time.Now()
		err := c.attempt(ctx, n)
		all = append(all, Trial{c.name, o.target(c.name), err, time.Since(began)})
	}
	return all
}

// target says where a channel leads, without its secrets: the path of a webhook is one.
func (o Options) target(channel string) string {
	switch channel {
	case channelWebhook:
		scheme, rest, _ := strings.Cut(o.Webhook.URL, "://")
		host, _, _ := strings.Cut(rest, "/")
		return scheme + "://" + host[strings.LastIndexByte(host, '@')+1:] + "/…"
	case channelCommand:
		return o.Command[0]
	case channelMail:
		by := o.Mail.Server
		if o.Mail.Sendmail != "" {
			by = o.Mail.Sendmail
		}
		return strings.Join(o.Mail.To, ", ") + " by " + by
	}
	return ""
}
