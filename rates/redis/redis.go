// Package redis has several instances share the counts of limits, in a Redis or a
// Valkey: atomic scripts hold sliding windows there, reserve places under them, and
// take over what left, exactly once.
//
// Mail does not depend on it. When Redis does not answer in time, Reserve fails at once
// until it does again, and the caller goes by what it has counted itself; what is
// settled meanwhile is kept and told to Redis before anybody asks it again. Ages are
// told, not times: only Redis's own clock counts, and one that is wrong here does no harm.
//
// What does not live here: which limits there are, the counts of this instance alone,
// and what a message over a limit is answered.
package redis

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"pratique/rates"
)

// ErrAway is met while Redis does not answer: the caller's own counts decide.
var ErrAway = errors.New("redis is away")

// Options say where Redis is and who asks it.
type Options struct {
	URL     string        // redis://, rediss:// or unix://, as rates.Options has it
	Prefix  string        // of all keys: installations with the same one share their counts
	Name    string        // of this instance, the same after a restart, another one on every machine
	Timeout time.Duration // the longest that a message waits for Redis
	Windows []Window      // those whose history is told to a Redis that has none

	// History is asked for what this instance has counted itself in the last so many
	// seconds, if Redis has lost it or never had it. It may be nil.
	History func(seconds int64, each func(rates.Past))
	Events  Events
	Now     func() time.Time // should carry a monotonic reading
	Log     *slog.Logger
}

// Events are told what happens. They must not block. Any of them may be nil.
type Events struct {
	Asked    func(took time.Duration, err error) // a message has asked Redis
	FellBack func()                              // a message is held to the counts of this instance alone
	Away     func(text string)                   // Redis has been away for a while; told again as long as it is
	Back     func()                              // it is back, and knows everything
}

// How the connection is looked after.
const (
	lease        = 2 * time.Minute       // a place lapses so long after its instance was last heard of
	renewEvery   = lease / 4             //
	gather       = 10 * time.Millisecond // outcomes are told together with those of so long after them
	remembered   = 8 * 24 * time.Hour    // an instance; longer than the longest window
	closePatient = 2 * time.Second

	firstPatience = time.Second
)

// pace is how often Redis is looked after.
type pace struct {
	retry time.Duration // while it is away
	greet time.Duration // so soon is noticed that it is away, or has lost something
	away  time.Duration // a shorter hiccup is no alert
}

func usualPace() pace {
	return pace{retry: 500 * time.Millisecond, greet: 2 * time.Second, away: 5 * time.Second}
}

// Counts is the way to the shared counts. It is safe for concurrent use.
type Counts struct {
	opts    Options
	client  *goredis.Client
	scripts scripts
	pace    pace
	keys    atomic.Pointer[keys]
	owner   string // this process
	start   time.Time
	ids     atomic.Uint64
	windows atomic.Pointer[[]Window]
	joined  atomic.Bool // Redis knows everything that was counted here, and answers
	broken  atomic.Pointer[error]
	state   backlog
	telling atomic.Bool   // a batch is under way
	link    link          // used by one goroutine at a time
	kick    chan struct{} // there is something to tell, or the link broke
	ctx     context.Context
	stop    context.CancelFunc
	done    sync.WaitGroup
	once    sync.Once
}

// Open connects, and keeps to it: a Redis that is away is joined when it comes. It waits
// for a second at most, or until the context ends. The error is about the options.
func Open(ctx context.Context, opts Options) (*Counts, error) {
	c, err := open(opts, usualPace(), newScripts(windowsLua))
	if err != nil {
		return nil, err
	}
	c.begin(ctx)
	return c, nil
}

func (c *Counts) begin(ctx context.Context) {
	tried := make(chan struct{})
	c.done.Go(func() {
		c.attend(c.ctx)
		close(tried)
		c.run()
	})
	ctx, cancel := context.WithTimeout(ctx, firstPatience)
	defer cancel()
	select {
	case <-tried:
	case <-ctx.Done(): // there is much to tell it
	}
}

// open is Open without a look at Redis.
func open(opts Options, pace pace, scripts scripts) (*Counts, error) {
	client, err := dial(opts)
	if err != nil {
		return nil, err
	}
	owner, err := randomName()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	c := &Counts{
		opts: opts, client: client, scripts: scripts, pace: pace, owner: owner, start: opts.Now(),
		kick: make(chan struct{}, 1),
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.keys.Store(&keys{prefix: opts.Prefix, instance: opts.Name, owner: owner})
	c.state.init()
	c.windows.Store(&opts.Windows)
	return c, nil
}

// silent keeps the client's own log, which the process has one of, from standard error:
// what it says comes as an error as well.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// dial makes the client. It connects when it is first used.
func dial(opts Options) (*goredis.Client, error) {
	goredis.SetLogger(silent{})
	o, err := goredis.ParseURL(opts.URL)
	if err != nil {
		return nil, errors.New("the address of redis is not understood") // the reason might quote its password
	}
	o.Protocol = 2 // every version speaks it, and nothing here needs more
	o.DisableIdentity = true
	o.ClientName = "pratique"
	o.MaxRetries = -1 // a reservation is not to be made twice
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = opts.Timeout, opts.Timeout, opts.Timeout, opts.Timeout
	o.ContextTimeoutEnabled = true
	o.PoolSize = poolSize
	o.ReadBufferSize, o.WriteBufferSize = bufferSize, bufferSize
	o.PipelinePoolSize = -1
	return goredis.NewClient(o), nil
}

const (
	poolSize   = 64 // messages that can ask at once
	bufferSize = 4 << 10
)

// Joined reports whether the shared counts are in force.
func (c *Counts) Joined() bool { return c.joined.Load() }

// Backlog returns how many outcomes are still to be told to Redis.
func (c *Counts) Backlog() int { return c.state.size() }

// SetWindows says which windows there are from now on. The history of new ones is
// told before long.
func (c *Counts) SetWindows(windows []Window) {
	c.windows.Store(&windows)
	c.wake()
}

// seconds is the time since Open.
func (c *Counts) seconds() int64 { return int64(c.opts.Now().Sub(c.start) / time.Second) }

// Close tells Redis what it does not know yet, for at most two seconds, and ends the
// connection. What it can't tell then, the next process tells from its own history.
func (c *Counts) Close() error {
	var err error
	c.once.Do(func() {
		c.stop()
		c.done.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), closePatient)
		defer cancel()
		if c.joined.Swap(false) {
			err = c.farewell(ctx)
		}
		err = errors.Join(err, c.client.Close())
	})
	return err
}
