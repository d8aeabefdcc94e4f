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
		case <-d.nextLook():
			d.reloadChanged()
		}
	}
}

// tell says how a reload went.
func (d *daemon) tell(err error) {
	d.metrics.Reloaded(err == nil, err == nil && !d.unread)
	if err != nil {
		d.log.Error("reload failed, the old configuration stays in force", "error", err)
	}
}

func (d *daemon) nextLook() <-chan time.Time {
	if every := d.inForce().Signing.Watch; every > 0 {
		return time.After(every)
	}
	return nil
}

// reloadChanged reloads if a key file or the table has changed since it was last
// read, be it with success: what did not work is tried again when there is
// something new to try. The configuration file itself is not read, for it may be
// half edited; that takes a SIGHUP.
//
// The files are looked at, where inotify would tell: keys come by rsync, over NFS,
// which has no inotify, and by a swap of a symbolic link somewhere on the path
// (Kubernetes), which inotify does not see at the file.
func (d *daemon) reloadChanged() {
	d.using.Lock()
	changed := d.seen.Changed(d.seen.Again())
	d.using.Unlock()
	if len(changed) == 0 {
		return
	}
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
	} {
		if !reflect.DeepEqual(c.now, c.was) {
			d.log.Warn("this change takes effect at the next start", "key", c.key)
		}
	}
	return nil
}
