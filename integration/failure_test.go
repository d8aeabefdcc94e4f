package integration

import (
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/scanning/clamdtest"
)

func TestClamdAway(t *testing.T) {
	clamd := clamdtest.StartReal(t, nil)
	w := newWorld(t, tables{clamd: clamd.Address(), scanning: `timeout = "2s"`}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	w.accepts(p.Addr(), mail(harness.Letter("before")))
	w.delivered("before")

	clamd.Stop()
	w.refuses(w.send(p.Addr(), mail(harness.Letter("meanwhile"))), ".", 451, "scanning")
	if queued := w.queue(p); len(queued) != 0 {
		t.Errorf("the queue holds %+v", queued)
	}

	if err := clamd.Start(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.accepts(p.Addr(), mail(harness.Letter("after")))
	w.delivered("after")
	if got := len(w.sink.Deliveries()); got != 2 {
		t.Errorf("%d messages were delivered", got)
	}
}

// gate is a clamd that takes a message and answers when it is told to.
type gate struct {
	*clamdtest.Fake
	taken   chan struct{}
	release func() // lets it answer, once and for all
}

func newGate(t *testing.T) *gate {
	open := make(chan struct{})
	g := &gate{taken: make(chan struct{}, 100), release: sync.OnceFunc(func() { close(open) })}
	g.Fake = clamdtest.Start(t, func(c *clamdtest.Conn) {
		if c.ReadStream() {
			g.taken <- struct{}{}
			<-open
			c.Answer("stream: OK")
			c.Finish()
		}
	})
	t.Cleanup(g.release) // before the fake waits for its connections
	return g
}

// underWay sends a message and returns when clamd has all of it: the MTA waits for its answer.
func (w *world) underWay(addr string, g *gate, subject string) <-chan error {
	w.Helper()
	answered := make(chan error, 1)
	go func() {
		answer, err := harness.Send(w.ctx, addr, "", mail(harness.Letter(subject)))
		if err == nil && !answer.Accepted() {
			err = refusedError(answer)
		}
		answered <- err
	}()
	select {
	case <-g.taken:
	case err := <-answered:
		w.Fatalf("answered before clamd saw it: %v", err)
	}
	return answered
}

type refusedError harness.Answer

func (r refusedError) Error() string { return fmt.Sprint(harness.Answer(r)) }

func TestKilledMidWay(t *testing.T) {
	g := newGate(t)
	w := newWorld(t, tables{clamd: g.Address()}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	answered := w.underWay(p.Addr(), g, "orphan")

	if err := w.pratique.Kill(); err != nil {
		t.Fatal(err)
	}
	g.release()
	err := <-answered
	refused, ok := err.(refusedError)
	if !ok || refused.Code != 451 {
		t.Fatalf("answered %v", err)
	}
	w.nothingDelivered(p)
	w.refuses(w.send(p.Addr(), mail(harness.Letter("later"))), "MAIL", 451)
}

func TestStopLetsMessagesFinish(t *testing.T) {
	g := newGate(t)
	w := newWorld(t, tables{clamd: g.Address()}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	answered := w.underWay(p.Addr(), g, "last")

	if err := w.pratique.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	w.awaitDeaf()
	g.release()
	if err := <-answered; err != nil {
		t.Errorf("the message under way was answered %v", err)
	}
	if status, err := w.pratique.Wait(w.ctx); err != nil || status != 0 {
		t.Errorf("exit status %d, %v", status, err)
	}
	w.verifies(w.delivered("last"))
}

// awaitDeaf waits until the daemon takes no more connections.
func (w *world) awaitDeaf() {
	w.Helper()
	for {
		conn, err := net.Dial("unix", w.socket)
		if err != nil {
			return
		}
		conn.Close()
		select {
		case <-w.ctx.Done():
			w.Fatal("the daemon still takes connections")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Progress replies keep the MTA waiting for longer than its timeout.
func TestProgressWhileClamdWorks(t *testing.T) {
	g := newGate(t)
	w := newWorld(t, tables{clamd: g.Address(), milter: "socket_mode = \"0666\"\nprogress_interval = \"1s\""}, harness.SinkOptions{})
	const patience = 8 * time.Second
	p := w.postfix(w.overUnix(), "milter_content_timeout", "3s")
	answered := w.underWay(p.Addr(), g, "slow")
	select {
	case <-time.After(patience):
	case err := <-answered:
		t.Fatalf("answered before clamd was: %v", err)
	}
	g.release()
	if err := <-answered; err != nil {
		t.Errorf("answered %v", err)
	}
	w.verifies(w.delivered("slow"))
}
