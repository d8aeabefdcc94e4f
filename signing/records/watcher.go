package records

import (
	"context"
	"sync"
	"time"

	"pratique/signing"
)

// Watcher knows how the records of keys were when they were last looked at. It
// never keeps anybody waiting: it looks in the background, when it is asked. It is
// made anew when a key changes.
type Watcher struct {
	ask   func(ctx context.Context, name, file string) Survey
	clock func() time.Time
	turn  chan struct{}

	mu   sync.Mutex
	seen map[string]*watched
}

// watched is the record of one key.
type watched struct {
	survey Survey
	next   time.Time // when it is looked at again
	begun  bool      // it is being looked at
}

// Times and bounds of a Watcher.
const (
	watchEvery    = time.Hour
	watchAgain    = 5 * time.Minute // after an answer that leaves it unknown
	watchPatience = 30 * time.Second
	maxWatched    = 20_000
	maxLooks      = 4 // at a time
)

// NewWatcher returns a Watcher that asks these servers.
func NewWatcher(a *Authority, clock func() time.Time) *Watcher {
	return newWatcher(func(ctx context.Context, name, file string) Survey {
		key, err := signing.LoadKey(file)
		if err != nil {
			return Survey{State: Unknown, Text: err.Error()}
		}
		return a.Survey(ctx, name, key)
	}, clock)
}

func newWatcher(ask func(ctx context.Context, name, file string) Survey, clock func() time.Time) *Watcher {
	return &Watcher{ask: ask, clock: clock, turn: make(chan struct{}, maxLooks), seen: map[string]*watched{}}
}

// Last returns how the record under a name was for the private key in a file,
// with State "" if that is not known yet, and has it looked at again if that was
// long ago.
func (w *Watcher) Last(name, file string) Survey {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.seen[name]
	if r == nil {
		if len(w.seen) >= maxWatched {
			clear(w.seen) // what is still in use comes back at once
		}
		r = &watched{}
		w.seen[name] = r
	}
	if !r.begun && !w.clock().Before(r.next) {
		select {
		case w.turn <- struct{}{}:
			r.begun = true
			go w.look(name, file, r)
		default: // enough is being looked at
		}
	}
	return r.survey
}

func (w *Watcher) look(name, file string, r *watched) {
	defer func() { <-w.turn }()
	ctx, cancel := context.WithTimeout(context.Background(), watchPatience)
	defer cancel()
	survey := w.ask(ctx, name, file)
	w.mu.Lock()
	defer w.mu.Unlock()
	r.survey, r.begun = survey, false
	r.next = w.clock().Add(watchEvery)
	if survey.State == Unknown {
		r.next = w.clock().Add(watchAgain)
	}
}
