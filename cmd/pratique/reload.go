package main

import (
	"context"
	"os"
	"reflect"
	"time"
)

// reloadOn reloads at each signal, and when the files of keys have changed, until
// the context ends.
func (d *daemon) reloadOn(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			d.tell(d.reload())
			d.journal.Reopen()
		case <-d.nextLook():
			d.reloadChanged()
		}
	}
}

// tell says how a reload went.
func (d *daemon) tell(err error) {
	d.metrics.Reloaded(err == nil, err == nil && !d.unread)
	d.alertStale(err)
	if err != nil {
		d.log.Error("reload failed, the old configuration stays in force", "error", err)
	}
}

// settle is how long files have to keep still before they are read: a table that is
// just being written may end, for a moment, at the end of a line.
const settle = time.Second

func (d *daemon) nextLook() <-chan time.Time {
	every := d.inForce().Signing.Watch
	switch {
	case every == 0:
		return nil
	case d.moving != nil:
		return time.After(min(every, settle))
	}
	return time.After(every)
}

// reloadChanged reloads if a key file or the table looks different than when it was
// last read, with success or without: what did not work is tried again as soon as
// there is something new to try. The configuration file itself is not read, for it
// may be half edited; that takes a SIGHUP.
//
// The files are looked at, where inotify would tell: keys come by rsync, over NFS,
// which has no inotify, and by a swap of a symbolic link somewhere on the path
// (Kubernetes), which inotify does not see at the file.
func (d *daemon) reloadChanged() {
	d.using.Lock()
	now := d.seen.Again()
	changed := d.seen.Changed(now)
	d.using.Unlock()
	if len(changed) == 0 {
		d.moving = nil
		return
	}
	if d.moving == nil || len(d.moving.Changed(now)) > 0 {
		d.moving = now
		return
	}
	d.moving = nil
	const named = 5
	d.log.Info("files of keys have changed", "count", len(changed), "files", changed[:min(len(changed), named)])
	err := d.use(d.wanted)
	d.tell(err)
	if err == nil {
		d.log.Info("keys reloaded")
	}
}

// reload reads the configuration again.
func (d *daemon) reload() error {
	cfg, err := loadConfig(d.path)
	if d.unread = err != nil; d.unread {
		return err
	}
	d.wanted = cfg
	if err := d.use(cfg); err != nil {
		return err
	}
	d.log.Info("configuration reloaded")
	for _, c := range []struct {
		key      string
		now, was any
	}{
		{"listen", cfg.Listen, d.started.Listen},
		{"state", cfg.State, d.started.State},
		{"http", cfg.HTTP, d.started.HTTP},
		{"log_level", cfg.LogLevel, d.started.LogLevel},
		{"log_format", cfg.LogFormat, d.started.LogFormat},
		{"milter", cfg.Milter, d.started.Milter},
		{"journal.store", cfg.Journal.Store, d.started.Journal.Store},
		{"rates.store", cfg.Rates.Store, d.started.Rates.Store},
		{"rates.redis", cfg.Rates.Redis, d.started.Rates.Redis},
		{"telemetry", cfg.Telemetry, d.started.Telemetry},
	} {
		if !reflect.DeepEqual(c.now, c.was) {
			d.log.Warn("this change takes effect at the next start", "key", c.key)
		}
	}
	return nil
}
