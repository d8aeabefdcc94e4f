package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"pratique/signing"
	"pratique/telemetry"
	"pratique/telemetry/alerts"
	"pratique/watch"
	"pratique/watch/maildir"
)

// How often the daemon looks after what comes back.
const (
	feedEvery  = 5 * time.Second // counts, joins, Maildir
	judgeEvery = time.Minute     // shares
	tidyEvery  = time.Hour
	// learnShare bounds what learning who is refused costs: it is followed by a pause
	// of so many times what it took.
	learnShare = 20
	// feedAtOnce bounds the messages of a Maildir that are read in one go.
	feedAtOnce = 500
)

// feed looks after what comes back until the context ends, or what it returns is
// called. Mail goes on whatever happens to it.
func (d *daemon) feed(ctx context.Context) (stop func()) {
	return d.beside(ctx, "what comes back", func(ctx context.Context) {
		f := &feeder{daemon: d, left: &leftMessages{state: d.started.State}, judge: watch.NewJudge(feedbackAlarm{d.alerts})}
		defer f.close()
		for {
			f.round(ctx)
			select {
			case <-ctx.Done():
				return
			case <-time.After(feedEvery):
			}
		}
	})
}

// feedbackAlarm tells people of shares that are too high.
type feedbackAlarm struct{ alerts *alerts.Manager }

func (a feedbackAlarm) Raise(name, subject, text string, critical bool, value, threshold float64) {
	alert := alerts.Alert{Name: name, Subject: subject, Text: text, Value: value, Threshold: threshold}
	if critical {
		alert.Severity = alerts.Critical
	}
	a.alerts.Raise(alert)
}

func (a feedbackAlarm) Clear(name, subject string) { a.alerts.Clear(name, subject) }

// feeder is what is known from one round to the next.
type feeder struct {
	*daemon
	store          *watch.Store // nil: it could not be opened yet
	left           *leftMessages
	judge          *watch.Judge
	judged, tidied time.Time
	learned        time.Time     // when who is refused was read last
	learn          time.Duration // how long that took
	asked          time.Time     // when nothing was left to look up
	options        watch.Options // of the last round
	said           string        // the failure that was said last

	following  string // the log that is followed
	unfollow   func()
	logFailing atomic.Bool // it can't be read, or what it says can't be kept
}

func (f *feeder) close() {
	f.follow(watch.Options{})
	if f.store == nil {
		return
	}
	// What was counted since the last round; the context has ended.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := f.store.CountSent(ctx, f.counter)
	if err := errors.Join(err, f.left.Close(), f.store.Close()); err != nil {
		f.log.Error("what came back could not be closed", "error", err)
	}
}

// round does all that is due.
func (f *feeder) round(ctx context.Context) {
	defer f.recovered("what comes back")
	err := f.work(ctx)
	if ctx.Err() != nil {
		return
	}
	f.metrics.FeedbackFailing(err != nil || f.logFailing.Load())
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != f.said && text != "" {
		f.log.Error("what comes back can't be kept or read; mail goes on", "error", err)
	} else if text != f.said {
		f.log.Info("what comes back can be kept and read again")
	}
	f.said = text
}

func (f *feeder) work(ctx context.Context) error {
	o := f.inForce().Watch
	if f.store == nil {
		store, err := watch.Open(ctx, f.started.State, f.env.now, f.log)
		if err != nil {
			return err
		}
		f.store = store
	}
	if o != f.options { // another configuration holds at once
		f.options, f.judged, f.learned = o, time.Time{}, time.Time{}
	}
	f.follow(o)
	err := f.store.CountSent(ctx, f.counter)
	_, joining := f.store.Rejoin(ctx, f.left)
	err = errors.Join(err, joining, f.takeMaildir(ctx, o.Maildir))
	err = errors.Join(err, f.learnGone(ctx, o), f.learnExchangers(ctx, o))
	now := f.env.now()
	if now.Sub(f.tidied).Abs() >= tidyEvery {
		f.tidied = now
		err = errors.Join(err, f.store.Tidy(ctx, o.Keep))
	}
	if now.Sub(f.judged).Abs() >= judgeEvery {
		f.judged = now
		err = errors.Join(err, f.look(ctx, o))
	}
	return err
}

// learnGone reads who is refused; if they are many, less often.
func (f *feeder) learnGone(ctx context.Context, o watch.Options) error {
	if began := f.env.now(); began.Sub(f.learned).Abs() >= learnShare*f.learn {
		if err := f.gone.Load(ctx, f.store, o.Suppress); err != nil {
			return err
		}
		f.learned = f.env.now()
		f.learn = f.learned.Sub(began)
	}
	return nil
}

// askPause is how long it is waited when nothing is left to ask.
const askPause = 15 * time.Second

// learnExchangers looks up who takes the mail of domains, a few in each round.
func (f *feeder) learnExchangers(ctx context.Context, o watch.Options) error {
	if now := f.env.now(); !o.MXLookups || now.Sub(f.asked).Abs() < askPause {
		return nil
	}
	n, err := f.store.LearnExchangers(ctx, signing.NetResolver(f.inForce().DNS.Resolver))
	if n == 0 {
		f.asked = f.env.now()
	}
	return err
}

// look holds the shares against the configuration.
func (f *feeder) look(ctx context.Context, o watch.Options) error {
	r, err := f.judge.Look(ctx, f.store, o)
	if err != nil {
		return err
	}
	stats := telemetry.FeedbackStats{Bounces: map[string]int{"unverified": r.Bounces.Unverified}, Certain: r.Complaints.Certain, Unverified: r.Complaints.Unverified,
		BounceShare: r.Bounces.Share, ComplaintShare: r.Complaints.Share, Suppressed: f.gone.Size()}
	for class, n := range r.Bounces.Classes {
		stats.Bounces[class] = n
	}
	f.metrics.Feedback(stats)
	return nil
}

func (f *feeder) takeMaildir(ctx context.Context, folder string) error {
	if folder == "" {
		return nil
	}
	in := &intake{store: f.store, left: f.left, log: f.log}
	_, err := maildir.Take(folder, feedAtOnce, watch.MaxMessage, func(name string, message []byte) error {
		return in.message(ctx, name, message)
	}, in.skipped)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("watch.maildir: %w; the MTA makes it with the first message", err)
	}
	return err
}
