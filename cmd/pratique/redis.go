package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"pratique/configs"
	"pratique/rates"
	"pratique/rates/redis"
	"pratique/telemetry"
	"pratique/telemetry/alerts"
)

// openShared goes to the store of counts that machines share, if there is one. One that
// is away is no reason not to start.
func (d *daemon) openShared(ctx context.Context, cfg *configs.Config) error {
	if !cfg.Rates.Shared() {
		return nil
	}
	name, err := redis.Name(cfg.State)
	if err != nil {
		return stateHint(err)
	}
	opts := redisOptions(cfg, d.env.now, d.log)
	opts.Name, opts.Windows, opts.History = name, redis.Windows(cfg.Rates), d.store.Past
	var metrics *telemetry.RedisMetrics // set before the first message comes
	opts.Events = redis.Events{
		Asked:    func(took time.Duration, err error) { metrics.Asked(took, err) },
		FellBack: func() { metrics.FellBack() },
		Away: func(text string) {
			d.alerts.Raise(alerts.Alert{Name: "redis_away", Subject: cfg.Rates.StoreName(), Severity: alerts.Warning,
				Text: "the shared store of counts is away, and limits go by what each machine has counted itself: " + text})
		},
		Back: func() { d.alerts.Clear("redis_away", cfg.Rates.StoreName()) },
	}
	if d.shared, err = redis.Open(ctx, opts); err != nil {
		return err
	}
	metrics = d.metrics.Redis(d.shared.Joined, d.shared.Backlog)
	return nil
}

func redisOptions(cfg *configs.Config, now func() time.Time, log *slog.Logger) redis.Options {
	return redis.Options{URL: cfg.Rates.Store, Prefix: cfg.Rates.Redis.Prefix, Timeout: cfg.Rates.Redis.Timeout, Now: now, Log: log}
}

// ledger is what messages are held to: the counts that machines share, or ours alone.
func (d *daemon) ledger() rates.Ledger {
	if d.shared == nil {
		return d.store
	}
	return redis.NewShared(d.store, d.shared)
}

// shareLimits has the shared store keep the windows of a configuration.
func (d *daemon) shareLimits(cfg *configs.Config) {
	if d.shared != nil {
		d.shared.SetWindows(redis.Windows(cfg.Rates))
	}
}

func (d *daemon) closeShared() error {
	if d.shared == nil {
		return nil
	}
	if err := d.shared.Close(); err != nil {
		d.log.Warn("rates: redis was not told everything; the next start tells it", "error", err)
	}
	return nil
}

// checkRedis asks the shared store of counts how it is.
func checkRedis(ctx context.Context, e *env, cfg *configs.Config) []finding {
	if !cfg.Rates.Shared() {
		return nil
	}
	about := func(state, text string) finding { return finding{"redis", cfg.Rates.StoreName(), state, text} }
	info, err := redis.Probe(ctx, redisOptions(cfg, e.now, slog.New(slog.DiscardHandler)))
	if err != nil {
		text := err.Error()
		if hint := redis.Hint(err); hint != "" {
			text += "; " + hint
		}
		return []finding{about("failed", text)}
	}
	found := []finding{about("ok", fmt.Sprintf("%s answers in %v, and has the maxmemory-policy %s",
		cmp.Or(info.Server, "a server that does not tell its version"), info.Latency.Round(10*time.Microsecond), cmp.Or(info.Policy, "(not told)")))}
	if info.TooOld() {
		found = append(found, about("failed", "this version is too old: Redis 5 or newer, or Valkey, is needed"))
	}
	if info.Latency > cfg.Rates.Redis.Timeout/4 {
		found = append(found, about("warning", fmt.Sprintf("its answers take much of rates.redis.timeout, %v: every message waits so long", cfg.Rates.Redis.Timeout)))
	}
	if info.Evicts() {
		found = append(found, about("warning", fmt.Sprintf("maxmemory-policy is %s: when its memory is full, counts vanish, and limits let too much through; set it to noeviction", info.Policy)))
	}
	return found
}
