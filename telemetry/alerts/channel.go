package alerts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Result is what became of an attempt to deliver a notification.
type Result string

// The results.
const (
	Delivered Result = "delivered"
	Retried   Result = "retried" // it failed, and will be tried again
	Failed    Result = "failed"  // it failed, and was given up
)

// Results returns all of them.
func Results() []Result { return []Result{Delivered, Retried, Failed} }

// The names of the channels.
const (
	channelLog     = "log"
	channelWebhook = "webhook"
	channelCommand = "command"
	channelMail    = "mail"
)

// Channels returns all of them.
func Channels() []string { return []string{channelLog, channelWebhook, channelCommand, channelMail} }

// Bounds of a delivery.
const (
	maxQueue    = 100              // notifications that wait for a channel; of more the oldest are given up
	firstWait   = 2 * time.Second  // before the second attempt, then twice as long each time
	longestWait = 5 * time.Minute  // between two attempts
	giveUp      = 12 * time.Hour   // after that a notification is news of yesterday
	noise       = 90 * time.Second // so long a channel may fail before the others are told
)

// permanent is an error that another attempt would meet again.
type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

// retryAfter is an error with the wish of the other side when to try again.
type retryAfter struct {
	error
	wait time.Duration
}

func (r *retryAfter) Unwrap() error { return r.error }

// channel is a way to tell, with a queue of its own and a goroutine that empties it:
// one that is slow or broken does not keep the others.
type channel struct {
	name    string
	deliver func(ctx context.Context, n Notification) error
	manager *Manager
	wait    time.Duration // before the second attempt

	mu     sync.Mutex
	queue  []Notification // the first one is being delivered
	more   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

func newChannels(o Options, m *Manager) []*channel {
	var all []*channel
	add := func(name string, deliver func(context.Context, Notification) error) {
		all = append(all, &channel{name: name, deliver: deliver, manager: m, wait: firstWait, more: make(chan struct{}, 1), done: make(chan struct{})})
	}
	if o.Log {
		add(channelLog, logTo(m.env.Log))
	}
	if o.Webhook.URL != "" {
		add(channelWebhook, post(o.Webhook, m.env))
	}
	if len(o.Command) > 0 {
		add(channelCommand, execute(o.Command, o.CommandTimeout))
	}
	if len(o.Mail.To) > 0 {
		add(channelMail, (&mailer{o.Mail, m.env, m.env.Seal}).send)
	}
	return all
}

func (c *channel) start(waiting []Notification) {
	c.queue = waiting
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go c.run(ctx)
}

// stop ends the delivery under way, which counts as not delivered.
func (c *channel) stop() {
	c.cancel()
	<-c.done
}

func (c *channel) waiting() []Notification {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.queue)
}

// offer takes a notification into the queue. What it says of this very channel is
// left out: an alert about mail that can't be sent must not make mail.
func (c *channel) offer(n Notification) {
	n.Alerts = slices.DeleteFunc(slices.Clone(n.Alerts), func(e Event) bool {
		return e.Name == deliveryFailing && e.Subject == c.name
	})
	if len(n.Alerts) == 0 {
		return
	}
	c.mu.Lock()
	full := len(c.queue) >= maxQueue
	if full {
		c.queue = slices.Delete(c.queue, 1, 2) // the first one is under way
	}
	c.queue = append(c.queue, n)
	c.mu.Unlock()
	if full {
		c.count(Failed)
	}
	select {
	case c.more <- struct{}{}:
	default:
	}
}

func (c *channel) count(r Result) {
	if m := c.manager.env.Metrics; m != nil {
		m.AlertDelivery(c.name, r)
	}
}

func (c *channel) run(ctx context.Context) {
	defer close(c.done)
	for ctx.Err() == nil {
		n, ok := c.first()
		if !ok {
			select {
			case <-ctx.Done():
			case <-c.more:
			}
			continue
		}
		if c.tryUntilOver(ctx, n) {
			c.drop()
		}
	}
}

func (c *channel) first() (Notification, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return Notification{}, false
	}
	return c.queue[0], true
}

func (c *channel) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = slices.Delete(c.queue, 0, 1)
}

// tryUntilOver delivers a notification or gives it up; false means that the channel
// was stopped meanwhile.
func (c *channel) tryUntilOver(ctx context.Context, n Notification) bool {
	began := time.Now()
	wait := c.wait
	for {
		err := c.attempt(ctx, n)
		if ctx.Err() != nil {
			return err == nil
		}
		tried := time.Since(began)
		if err == nil {
			c.count(Delivered)
			c.manager.Clear(deliveryFailing, c.name)
			return true
		}
		last := errors.As(err, new(*permanent)) || tried >= giveUp
		if last || tried >= noise {
			c.complain(err)
		}
		if last {
			c.manager.env.Log.Error("alert given up", "channel", c.name, "id", n.ID, "error", err)
			c.count(Failed)
			return true
		}
		c.count(Retried)
		c.manager.env.Log.Warn("alert not delivered, it is tried again", "channel", c.name, "id", n.ID, "error", err)
		if !sleep(ctx, wish(err, wait)) {
			return false
		}
		wait = min(2*wait, longestWait)
	}
}

// attempt delivers once. A panic is a failure like another.
func (c *channel) attempt(ctx context.Context, n Notification) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &permanent{fmt.Errorf("panic: %v", v)}
		}
	}()
	return c.deliver(ctx, n)
}

// complain tells the other channels that this one does not work.
func (c *channel) complain(err error) {
	c.manager.Raise(Alert{Name: deliveryFailing, Subject: c.name, Severity: Warning,
		Text: fmt.Sprintf("alerts can't be delivered by %s: %v", c.name, err)})
}

// wish is how long to wait: what the other side asks for, within reason, or what we would.
func wish(err error, wait time.Duration) time.Duration {
	var asked *retryAfter
	if errors.As(err, &asked) {
		return min(max(asked.wait, wait), longestWait)
	}
	return wait
}

// sleep waits, and reports false if the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
