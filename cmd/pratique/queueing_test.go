package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/telemetry"
)

// queueOf looks into the queue of a real Postfix, whose mail is all deferred, with a
// clock that is moved by hand.
type queueOf struct {
	*testing.T
	*watched
	watch   *queueWatch
	postfix *harness.Postfix
}

func newQueueOf(t *testing.T) *queueOf {
	p := realPostfix(t, harness.PostfixOptions{Relay: "127.0.0.1:1", Set: map[string]string{
		"minimal_backoff_time": "1h", "maximal_backoff_time": "1h", "queue_run_delay": "1h"}})
	// In the future, so that messages that come in now are always older.
	s := newWatched(t, t.TempDir(), time.Now().UTC().Truncate(24*time.Hour).Add(21*24*time.Hour))
	s.cfg.Watch.Queue = "postfix:" + p.ConfigDir()
	s.metrics = telemetry.New(s.env.now)
	return &queueOf{t, s, &queueWatch{daemon: s.daemon}, p}
}

// realPostfix starts a Postfix that ends with the test.
func realPostfix(t *testing.T, o harness.PostfixOptions) *harness.Postfix {
	t.Helper()
	dir, err := harness.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p, err := harness.StartPostfix(t.Context(), dir, o)
	if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// send has so many messages in the queue.
func (q *queueOf) send(n int) {
	q.Helper()
	c, err := harness.Dial(q.T.Context(), q.postfix.Addr(), "")
	if err != nil {
		q.Fatal(err)
	}
	for i := range n {
		m := harness.Mail{From: "a@example.org", To: []string{fmt.Sprintf("u%d@example.net", i)}, Data: harness.Letter("waits")}
		if answer, err := c.Send(m); err != nil || !answer.Accepted() {
			q.Fatalf("%v, %v", answer, err)
		}
	}
	if err := c.Close(); err != nil {
		q.Fatal(err)
	}
}

// minutes plays some time, with a look at the queue at its beginning, which is
// repeated until so many messages are deferred.
func (q *queueOf) minutes(n, deferred int) {
	q.Helper()
	for found := -1; found != deferred; {
		if wait := q.watch.look(q.T.Context()); wait <= 0 || q.watch.last == nil {
			q.Fatalf("the queue can't be looked into; the next look is in %v", wait)
		}
		if found = q.watch.last.Of("deferred"); found != deferred {
			time.Sleep(20 * time.Millisecond)
		}
	}
	for range n {
		q.now = q.now.Add(time.Minute)
		q.watch.last.At, q.watch.last.Oldest = q.now, q.watch.last.Oldest.Add(time.Minute) // as old as at the look
		q.watch.feedUsual()
		q.usual.minute(q.T.Context())
	}
}

func (q *queueOf) expect(what, want string) {
	q.Helper()
	if got := q.active(); got != want {
		q.Errorf("%s: %q, want %q", what, got, want)
	}
}

// The bounds of the configuration, held against a queue that grows and is emptied.
func TestQueueBeyondItsBounds(t *testing.T) {
	q := newQueueOf(t)
	q.cfg.Watch.QueueSize, q.cfg.Watch.QueueAge = 3, 30*24*time.Hour
	q.send(2)
	q.minutes(1, 2)
	q.expect("two messages", "")
	q.send(2)
	q.minutes(1, 4)
	q.expect("four messages", "warning queue_growing size")
	for _, a := range q.alerts.Active() {
		if a.Value != 4 || a.Threshold != 3 || !strings.Contains(a.Text, "4 messages in the MTA's queue, watch.queue_size is 3; 4 recipients wait at example.net, soft/connection") {
			t.Errorf("alert %+v", a)
		}
	}
	q.now = q.now.Add(31 * 24 * time.Hour)
	q.minutes(1, 4)
	q.expect("for a month", "warning queue_growing age, warning queue_growing size")
	scrape := httptest.NewRecorder()
	q.metrics.Handler(func() error { return nil }).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{`pratique_queue_messages{queue="deferred"} 4`, `pratique_queue_destination_recipients{destination="example.net"} 4`} {
		if !strings.Contains(scrape.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	if err := q.postfix.DeleteAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	q.minutes(1, 0)
	q.expect("emptied", "")
}

// What is usual is learned over three weeks in which a few messages wait; then the
// queue is a hundred times as long, and then it is as usual again.
func TestQueueUnlikeTheUsual(t *testing.T) {
	q := newQueueOf(t)
	q.send(3)
	q.minutes(0, 3)
	const week = 7 * 24 * 60
	for range 3 * week {
		q.now = q.now.Add(time.Minute)
		q.watch.last.At, q.watch.last.Oldest = q.now, q.now.Add(-time.Minute)
		q.watch.feedUsual()
		q.usual.baselines.Evaluate(q.now)
	}
	q.minutes(10, 3)
	// The clock has moved on by weeks, so the messages are old: that is told rightly.
	const long, old = "queue_growing queue deferred", "critical queue_growing queue oldest"
	q.expect("as usual", old)
	if err := q.postfix.MultiplyDeferred(99); err != nil {
		t.Fatal(err)
	}
	q.minutes(15, 300)
	q.expect("a hundred times as long", "critical "+long+", "+old)
	for _, a := range q.alerts.Active() {
		if a.Subject == "queue deferred" && (!strings.Contains(a.Text, "300 messages wait") || a.Value != 300) {
			t.Errorf("alert %+v", a)
		}
	}
	if err := q.postfix.DeleteAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	q.send(3)
	q.minutes(70, 3)
	q.expect("as usual again", old)
}

// A queue that can't be looked into any more is not taken for an empty one.
func TestQueueOutOfSight(t *testing.T) {
	q := newQueueOf(t)
	q.cfg.Watch.QueueSize = 1
	q.send(1)
	q.minutes(1, 1)
	q.cfg.Watch.Queue = "postfix:/nowhere"
	q.watch.look(context.Background())
	if q.queued.Load() != nil || q.watch.last != nil {
		t.Error("the queue is said to be known")
	}
	q.expect("out of sight", "warning queue_growing size")
	q.cfg.Watch.Queue = "off"
	q.watch.look(context.Background())
	q.expect("off", "")
}
