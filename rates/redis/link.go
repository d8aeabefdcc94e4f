package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pratique/rates"
)

// link is how it stands with Redis.
type link struct {
	since     time.Time // when it went away; zero: it is there
	said      bool      // Events.Away was told
	logged    time.Time // when the log was told last that it went away
	quiet     bool      // this time it was not
	halfway   bool      // the history was not told to its end
	seq       uint64    // the last batch that Redis is known to have
	at        int64     // Redis's time when it last took one over
	sending   *batch    // sent, and not known to have arrived
	greeted   []Window  // the windows whose history was told
	greetedAt time.Time
}

// run tells Redis what happened, and looks after the link, until Close.
func (c *Counts) run() {
	tick := time.NewTicker(c.pace.retry)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		case <-c.kick:
			if !c.link.since.IsZero() {
				continue // it is tried again at the next tick
			}
			if c.joined.Load() {
				c.pause(gather)
			}
		}
		c.attend(c.ctx)
	}
}

// pause waits, unless it is Close that is waited for.
func (c *Counts) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.ctx.Done():
	case <-t.C:
	}
}

// attend does what there is to do, and notes how it went.
func (c *Counts) attend(ctx context.Context) {
	if broken := c.broken.Swap(nil); broken != nil {
		c.away(*broken)
	}
	var err error
	if c.joined.Load() {
		err = c.work(ctx)
	} else {
		err = c.join(ctx)
	}
	if unknown := new(unknownError); errors.As(err, &unknown) {
		c.joined.Store(false)
		c.opts.Log.Warn("rates: "+err.Error()+"; it is told again", "name", c.keys.Load().instance)
		err = c.join(ctx)
	}
	switch {
	case c.ctx.Err() != nil: // Close; it tells the rest
	case err != nil:
		c.joined.Store(false)
		c.away(err)
	case c.broken.Load() == nil: // or else a message has met an error meanwhile
		c.joined.Store(true)
		c.back()
	}
}

// logEvery keeps a Redis that comes and goes from filling the log.
const logEvery = time.Minute

// broke is called by a message that has met an error.
func (c *Counts) broke(err error) {
	c.broken.Store(&err)
	c.joined.Store(false)
	c.wake()
}

// away notes that Redis is away, and tells it once it has been so for a while.
func (c *Counts) away(err error) {
	now := c.opts.Now()
	if c.link.since.IsZero() {
		c.link.since = now
		if c.link.quiet = !c.link.logged.IsZero() && now.Sub(c.link.logged) < logEvery; !c.link.quiet {
			c.link.logged = now
			c.opts.Log.Warn("rates: redis is away; limits go by what this instance has counted itself", "error", err)
		}
	}
	if c.opts.Events.Away != nil && now.Sub(c.link.since) >= c.pace.away {
		c.link.said = true
		c.opts.Events.Away(err.Error())
	}
}

func (c *Counts) back() {
	if c.link.since.IsZero() {
		return
	}
	if !c.link.quiet {
		c.opts.Log.Info("rates: redis is back, and knows what was counted meanwhile", "after", c.opts.Now().Sub(c.link.since).Round(time.Millisecond))
	}
	c.link.since = time.Time{}
	if c.link.said && c.opts.Events.Back != nil {
		c.opts.Events.Back()
	}
	c.link.said = false
}

// work tells Redis what happened since it was last told.
func (c *Counts) work(ctx context.Context) error {
	now := c.opts.Now()
	c.state.renew(c.seconds())
	if now.Sub(c.link.greetedAt) >= c.pace.greet || !slices.Equal(c.link.greeted, *c.windows.Load()) {
		return c.join(ctx)
	}
	return c.tell(ctx)
}

// join makes Redis know everything that this instance has counted. Nobody asks Redis before that.
func (c *Counts) join(ctx context.Context) error {
	k, err := c.hello(ctx)
	if err != nil {
		return fmt.Errorf("greet redis: %w", err)
	}
	if c.clashes(k) {
		if k, err = c.rename(ctx); err != nil {
			return err
		}
	}
	intact := c.intact(k)
	c.link.seq = k.seq
	if !intact {
		c.restart()
	}
	if err := c.tellHistory(ctx, k, intact); err != nil {
		return err
	}
	c.state.endAbandoned()
	c.link.greetedAt = c.opts.Now()
	return c.tell(ctx)
}

// intact reports whether Redis has all that this process has told it.
func (c *Counts) intact(k known) bool {
	if k.owner != c.owner || c.state.overflowed() || c.link.halfway {
		return false
	}
	return k.seq == c.link.seq || c.link.sending != nil && k.seq == c.link.sending.seq
}

// restart gives up what was to be told, because all of it will come from the history.
// Without one it is told as it is, as what comes next for Redis.
func (c *Counts) restart() {
	if c.opts.History != nil {
		c.state.forget()
		if b := c.link.sending; b != nil {
			b.counts, b.marks = nil, nil
		}
	}
	if b := c.link.sending; b != nil {
		b.seq = c.link.seq + 1
	}
}

// clashes reports whether another process that is alive goes by our name: the state
// folder was copied along with the machine. A Redis that went back to an older state
// knows an older owner, and has not heard of it since it heard of us.
func (c *Counts) clashes(k known) bool {
	return c.link.at > 0 && k.owner != "" && k.owner != c.owner && k.at > c.link.at
}

// rename takes another name until the process ends. What was counted under the old one stays.
func (c *Counts) rename(ctx context.Context) (known, error) {
	name, err := randomName()
	if err != nil {
		return known{}, err
	}
	old, renamed := c.keys.Load(), keys{prefix: c.opts.Prefix, instance: c.opts.Name + "-" + name, owner: c.owner}
	c.keys.Store(&renamed)
	c.opts.Log.Error("rates: another machine has the name of this instance in redis; this one takes another name until it ends",
		"name", old.instance, "now", renamed.instance, "hint", "the state folder was copied: remove "+NameFile+" in one of the copies")
	k, err := c.hello(ctx)
	if err != nil {
		return k, err
	}
	k.owner = c.owner // nothing is to be told but what is still to be told
	c.link.seq = k.seq
	if c.link.sending != nil {
		c.link.sending.seq = k.seq + 1
	}
	for _, w := range *c.windows.Load() {
		k.windows[w.Name()] = true
	}
	c.state.mark(names(*c.windows.Load()))
	return k, nil
}

func names(windows []Window) []string {
	all := make([]string, len(windows))
	for i, w := range windows {
		all[i] = w.Name()
	}
	return all
}

// tellHistory tells what Redis does not have of the windows: of a new one everything,
// of others what came after it last had everything, if it has lost something since.
func (c *Counts) tellHistory(ctx context.Context, k known, intact bool) error {
	windows := *c.windows.Load()
	reach := map[Window]int64{} // how far back, in seconds
	furthest := int64(0)
	var fresh []Window
	for _, w := range windows {
		missing := w.Every + w.width()
		switch {
		case !k.windows[w.Name()]:
			fresh = append(fresh, w)
		case intact:
			continue
		default:
			missing = min(missing, k.second-k.through+1)
		}
		if missing > 0 {
			reach[w] = missing
			furthest = max(furthest, missing)
		}
	}
	// From here on what leaves is told by itself. It may be in the history already: then
	// it counts twice, rather than not at all.
	c.state.tell(windows)
	c.link.greeted = windows
	if c.opts.History != nil && furthest > 0 {
		c.link.halfway = true
		if err := c.tellPast(ctx, reach, furthest); err != nil {
			return err
		}
		c.link.halfway = false
	}
	c.state.mark(names(fresh))
	return nil
}

// tellPast tells what this instance has counted itself, in batches as it comes.
func (c *Counts) tellPast(ctx context.Context, reach map[Window]int64, furthest int64) error {
	now := c.seconds()
	var failed error
	c.opts.History(furthest, func(p rates.Past) {
		for w, missing := range reach {
			if w.Kind != p.Kind || p.Age > missing {
				continue
			}
			if n := p.Left.Of(w.Count); n > 0 {
				c.state.put(c.entry(Counted{Window: w, Key: p.Key, Amount: n}, now-p.Age))
			}
		}
		if failed == nil && c.state.size() >= maxBacklog/2 {
			failed = c.tell(ctx)
		}
	})
	return failed
}

// tell sends batches until there is nothing more to tell.
func (c *Counts) tell(ctx context.Context) error {
	for {
		if c.link.sending == nil {
			c.telling.Store(true)
			b := c.state.next(c.seconds())
			if b.empty() {
				c.telling.Store(false)
				return nil
			}
			b.seq = c.link.seq + 1
			c.link.sending = b
		}
		if err := c.send(ctx); err != nil {
			return err
		}
	}
}

// send sends the batch that is under way.
func (c *Counts) send(ctx context.Context) error {
	at, err := c.apply(ctx, c.link.sending)
	if err != nil {
		return fmt.Errorf("tell redis what was counted: %w", err)
	}
	c.link.seq, c.link.at = c.link.sending.seq, at
	c.link.sending = nil
	return nil
}

// farewell tells what is left, and that nothing of it is missing: the next process need not tell it.
func (c *Counts) farewell(ctx context.Context) error {
	if err := c.tell(ctx); err != nil {
		return err
	}
	c.link.sending = &batch{seq: c.link.seq + 1, complete: true, closing: true}
	return c.send(ctx)
}
