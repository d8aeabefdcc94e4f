package domains

import (
	"context"
	"sync"
	"time"
)

// memo keeps answers, asks each question once at a time, and is bounded: it has
// two generations, and when the young one is full the old one is forgotten.
type memo[V any] struct {
	turn       chan struct{} // a place for each question under way
	clock      func() time.Time
	mu         sync.Mutex
	young, old map[string]*entry[V]
}

// entry is an answer, or one to come. A nil entry never has one.
type entry[V any] struct {
	done  chan struct{} // closed when there is an answer or a failure
	value V
	err   error
	until time.Time
}

func newMemo[V any](turn chan struct{}, clock func() time.Time) *memo[V] {
	return &memo[V]{turn: turn, clock: clock, young: map[string]*entry[V]{}}
}

// begin returns the entry of a key, and asks if there is none that is fresh. It
// returns nil where too much is being asked already.
func (m *memo[V]) begin(key string, ask func(context.Context) (V, error)) *entry[V] {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.kept(key); e != nil {
		return e
	}
	select {
	case m.turn <- struct{}{}:
	default:
		return nil
	}
	if len(m.young) >= maxKept/2 {
		m.old, m.young = m.young, map[string]*entry[V]{}
	}
	e := &entry[V]{done: make(chan struct{})}
	m.young[key] = e
	go m.ask(e, ask)
	return e
}

// kept returns a fresh entry, or one that is under way.
func (m *memo[V]) kept(key string) *entry[V] {
	e, ok := m.young[key]
	if !ok {
		if e, ok = m.old[key]; !ok {
			return nil
		}
	}
	select {
	case <-e.done:
		if m.clock().After(e.until) {
			return nil
		}
	default:
	}
	return e
}

func (m *memo[V]) ask(e *entry[V], ask func(context.Context) (V, error)) {
	defer func() { <-m.turn }()
	// Not the message's context: the next message wants the answer as well.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e.value, e.err = ask(ctx)
	e.until = m.clock().Add(keepAnswer)
	if e.err != nil {
		e.until = m.clock().Add(keepFailure)
	}
	close(e.done)
}

// wait returns the answer, and false if there is none before the context ends.
// An answer that is there counts even if the context has ended.
func (e *entry[V]) wait(ctx context.Context) (value V, ok bool) {
	if e == nil {
		return value, false
	}
	select {
	case <-e.done:
		return e.value, e.err == nil
	default:
	}
	select {
	case <-e.done:
		return e.value, e.err == nil
	case <-ctx.Done():
		return value, false
	}
}
