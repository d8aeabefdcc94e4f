package records

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var state atomic.Value
		state.Store(Missing)
		w := newWatcher(func(context.Context, string, string) Survey {
			asked.Add(1)
			time.Sleep(time.Second)
			return Survey{State: state.Load().(State)}
		}, time.Now)
		want := func(s State, questions int32) {
			t.Helper()
			began := time.Now()
			if got := w.Last("x._domainkey.example.org", "x.pem").State; got != s {
				t.Errorf("%q, want %q", got, s)
			}
			if time.Since(began) != 0 {
				t.Error("it kept us waiting")
			}
			synctest.Wait()
			if n := asked.Load(); n != questions {
				t.Errorf("%d questions, want %d", n, questions)
			}
		}
		want("", 1)
		want("", 1) // it is being looked at
		time.Sleep(2 * time.Second)
		want(Missing, 1)
		state.Store(Unknown)
		time.Sleep(watchEvery)
		want(Missing, 2)
		time.Sleep(2 * time.Second)
		want(Unknown, 2)
		state.Store(Match)
		time.Sleep(watchAgain) // sooner, as nothing is known
		want(Unknown, 3)
		time.Sleep(2 * time.Second)
		want(Match, 3)
	})
}

func TestWatcherIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at, most atomic.Int32
		w := newWatcher(func(ctx context.Context, _, _ string) Survey {
			most.Store(max(most.Load(), at.Add(1)))
			<-ctx.Done()
			at.Add(-1)
			return Survey{State: Unknown}
		}, time.Now)
		for i := range 3 * maxWatched {
			w.Last(fmt.Sprintf("s%d._domainkey.example.org", i), "x.pem")
		}
		synctest.Wait()
		if n := len(w.seen); n > maxWatched || most.Load() > maxLooks {
			t.Errorf("%d records are kept, %d were looked at at a time", n, most.Load())
		}
		time.Sleep(watchPatience + time.Second) // the looks come to their end
	})
}
