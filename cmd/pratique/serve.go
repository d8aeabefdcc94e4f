package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pratique/configs"
	"pratique/journal"
	"pratique/lint"
	"pratique/lint/tally"
	"pratique/message"
	"pratique/milter"
	"pratique/rates"
	"pratique/rates/redis"
	"pratique/signing"
	"pratique/telemetry"
	"pratique/telemetry/alerts"
	"pratique/watch"
	"pratique/watch/queue"
)

// clamdWatch is how often the daemon asks clamd how it is, to say in the log when it goes and comes.
const clamdWatch = 30 * time.Second

// serve runs the milter until SIGTERM or SIGINT; SIGHUP reloads the configuration.
func serve(e *env, args []string) (int, error) {
	fs := e.flags("serve")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	if err := e.parse(fs, args, 0, 0); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	tuneRuntime()
	d, err := newDaemon(ctx, e, *path, cfg)
	if err != nil {
		return 0, err
	}
	return exitClean, errors.Join(d.run(ctx), d.close())
}

// How the Go runtime is set for signing, where the environment does not say otherwise.
const (
	// gcPercent trades memory for time: what lives between messages is small, so the
	// collector would run some 20 times a second under load. At 400 a signed message
	// of 2 KiB costs a tenth less CPU, and the peak is 44 MiB in place of 32.
	gcPercent = 400
	// procsPerCPU: a goroutine that signs with RSA is in libcrypto for 0.25 ms and
	// holds its place there, which the runtime takes for use of the CPU. With one
	// place a CPU, 16 connections left a tenth of two cores idle.
	procsPerCPU = 4
)

func tuneRuntime() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(procsPerCPU * runtime.GOMAXPROCS(0))
	}
}

// daemon is what lives as long as the process; what a reload replaces hangs on current.
type daemon struct {
	env      *env
	path     string
	started  *configs.Config // the configuration that it was started with
	log      *slog.Logger
	store    *rates.Store
	shared   *redis.Counts // nil: counts are of this machine alone
	unlock   func() error  // of the state folder
	metrics  *telemetry.Metrics
	sent     *lint.MessageIDs
	found    *tally.Tally
	alerts   *alerts.Manager
	journal  *journal.Journal
	own      *alerts.Own // the mail of our own alerts
	usual    *usual
	counter  *watch.Counter
	gone     watch.Gone // recipients that are refused
	current  atomic.Pointer[message.Pipeline]
	queued   atomic.Pointer[queue.Sample] // the last look into the MTA's queue; nil: it is not known
	limits   atomic.Pointer[rates.Rates]  // of the current configuration
	unwatch  func()                       // ends the watch over the clamd of the current configuration
	watchCtx context.Context

	using   sync.Mutex      // held while another configuration, or other keys, come into force
	cfg     *configs.Config // in force
	signing signing.Options // in force: that of cfg, and the active keys of the store
	signer  *signing.Signer // in force
	seen    signing.Stamps  // how the files of the last signer looked when they were read

	wanted *configs.Config // the last one that was read: in force, unless a key or a table of it is of no use
	unread bool            // the file has been asked for since, and is not valid
	moving signing.Stamps  // how changed files looked last, which may still be written; nil: none have changed
}

func newDaemon(ctx context.Context, e *env, path string, cfg *configs.Config) (*daemon, error) {
	d := &daemon{
		env: e, path: path, started: cfg, wanted: cfg, log: newLogger(e.stderr, cfg),
		metrics: telemetry.New(e.now), sent: lint.NewMessageIDs(), watchCtx: ctx, unwatch: func() {},
		counter: watch.NewCounter(e.now),
	}
	d.metrics.Build(revision())
	for _, reason := range signing.Reasons() {
		d.metrics.ExpectUnsigned(string(reason))
	}
	var err error
	if d.unlock, err = holdState(cfg.State, d.log); err != nil {
		return nil, stateHint(err)
	}
	if d.store, err = openCounters(ctx, e, cfg, d.log); err != nil {
		return nil, errors.Join(err, d.unlock())
	}
	if d.found, err = tally.Open(cfg.State, e.now, d.log); err != nil {
		return nil, stateHint(errors.Join(err, d.store.Close(), d.unlock()))
	}
	d.openAlerts(cfg)
	d.openUsual(cfg)
	d.journal = d.openJournal(cfg)
	if err := d.openShared(ctx, cfg); err != nil {
		return nil, errors.Join(err, d.close())
	}
	if err := d.use(cfg); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *daemon) close() error {
	d.found.Save()
	return errors.Join(d.closeJournal(), d.closeShared(), d.store.Close(), d.unlock())
}

// use has new messages meet a configuration. Messages under way keep the one that they began with.
func (d *daemon) use(cfg *configs.Config) error {
	d.using.Lock()
	defer d.using.Unlock()
	full, clashes, err := withStoredKeys(cfg, openKeys(d.env, cfg))
	if err != nil {
		return err
	}
	if err := d.put(cfg, full); err != nil {
		return err
	}
	for _, clash := range clashes {
		d.log.Warn("two sources of keys for one domain", "problem", clash)
	}
	d.sayWhatIsMissing(full)
	return nil
}

// put has new messages meet a configuration, which with the keys of the store is
// full. At start a key of no use stops the mail of its domain alone. Later it keeps
// the old configuration in force, which still has the key that was good: the file
// may be one that is just being written.
func (d *daemon) put(cfg, full *configs.Config) error {
	seen := d.seen.Again()
	a, err := assemble(full, d.linting(full), d.store, d.ledger(), append([]message.Observer{d.metrics, d.found, d.journal, d.counter}, d.usual.observers()...), d.own, &d.gone, d.log, d.env.now)
	if err != nil {
		d.seen = seen
		return err
	}
	d.seen = a.signer.Stamps()
	if d.signer != nil {
		if err := a.signer.Worse(d.signer); err != nil {
			return err
		}
	}
	d.cfg, d.signing, d.signer = cfg, full.Signing, a.signer
	d.current.Store(a.pipeline)
	d.limits.Store(a.counted)
	d.metrics.Broken(brokenDomains(a.signer))
	d.alerts.Use(cfg.Alerts)
	d.journal.Use(cfg.Journal)
	d.counter.Remember(cfg.Watch.Suppress > 0)
	d.shareLimits(cfg)
	d.countFromZero(cfg)
	d.alertBroken(a.signer)
	d.usual.use(cfg)
	d.unwatch()
	d.unwatch = func() {}
	told := d.alertClamd(cfg.Scanning.Clamd)
	if a.scanner != nil {
		d.unwatch = d.beside(d.watchCtx, "watch over clamd", func(ctx context.Context) { a.scanner.Watch(ctx, clamdWatch, told) })
	}
	return nil
}

func brokenDomains(s *signing.Signer) []string {
	var names []string
	for _, b := range s.Broken() {
		names = append(names, b.Domain)
	}
	return names
}

// sayWhatIsMissing names what an administrator may believe to be on.
func (d *daemon) sayWhatIsMissing(cfg *configs.Config) {
	if cfg.Scanning.Clamd == "" {
		d.log.Warn("not set up: messages are not scanned", "key", "scanning.clamd")
	}
	if len(cfg.Signing.Domains) == 0 && cfg.Signing.Table == "" && !cfg.Signing.Awaited {
		d.log.Warn("not set up: messages are not signed", "key", "signing.domains")
	}
	if len(cfg.Rates.Limits) == 0 {
		d.log.Warn("not set up: messages are counted, but not limited", "key", "rates.limits")
	} else if cfg.Rates.Observe {
		d.log.Warn("limits only observe, and hold nothing up", "key", "rates.observe")
	}
}

// run serves until the context ends, then lets messages under way finish.
func (d *daemon) run(ctx context.Context) error {
	defer d.unwatch()
	server := milter.New(d.started.Milter, d.current.Load, d.log)
	listeners, err := listen(server, d.started.Listen)
	if err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	defer d.rotateKeys(ctx)()
	defer d.tellAlerts(ctx)()
	defer d.sendFigures(ctx)()
	defer d.auditDaily(ctx)()
	defer d.watchUsual(ctx)()
	defer d.flyCanaries(ctx)()
	defer d.watchQueue(ctx)()
	defer d.feed(ctx)()
	defer d.beside(ctx, "reload", func(ctx context.Context) { d.reloadOn(ctx, hangup) })()
	defer d.serveHTTP()()

	for _, l := range listeners {
		d.log.Info("listening", "address", l.Addr().String())
	}
	err = server.Serve(ctx, listeners...)
	d.log.Info("stopped")
	return err
}

func listen(server *milter.Server, addresses []string) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, address := range addresses {
		l, err := server.Listen(address)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// serveHTTP serves the page, metrics and health, and returns what stops it. Mail does not
// wait for it: if its port is taken, that is said and the milter runs.
func (d *daemon) serveHTTP() (stop func()) {
	if d.started.HTTP == "" {
		return func() {}
	}
	l, err := net.Listen("tcp", d.started.HTTP)
	if err != nil {
		d.log.Error("no page, no metrics and no health check", "key", "http", "error", err)
		return func() {}
	}
	handler, err := d.web()
	if err != nil {
		d.log.Error("no page, no metrics and no health check", "error", errors.Join(err, l.Close()))
		return func() {}
	}
	d.log.Info("page, metrics and health", "url", "http://"+l.Addr().String()+"/")
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      time.Minute,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("page, metrics and health ended", "error", err)
		}
	}()
	return func() { server.Close() }
}
