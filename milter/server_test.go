package milter

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-milter"

	"pratique/message"
	"pratique/milter/miltertest"
)

func TestSignsOfLifeWhileTheChecksTakeTheirTime(t *testing.T) {
	a := newActor()
	a.at, a.act = message.StageEnd, func(ctx context.Context, m *message.Message) error {
		m.Header.Prepend("X-Late", " yes")
		select {
		case <-time.After(vigilAfter + 200*time.Millisecond): // what is slow here is the peer of a check
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	o := testOptions()
	o.ProgressInterval = time.Millisecond
	p := a.pipeline(message.Tempfail)
	c := connect(t, start(t, o, func() *message.Pipeline { return p }), miltertest.Postfix(), testClient)
	for range 2 {
		result := send(t, c, testMail()) // which fails if a sign of life follows a modification
		if result.Progress == 0 || !result.Reply.Accepts() || len(result.Modifications) != 1 {
			t.Errorf("%d signs of life, then %v", result.Progress, result.Reply)
		}
	}
}

func TestStopLetsMessagesUnderWayFinish(t *testing.T) {
	a := newActor()
	r := startActor(t, a, message.Tempfail)
	idle := connect(t, r, miltertest.Postfix(), testClient)
	busy := connect(t, r, miltertest.Postfix(), testClient)
	if _, err := busy.Command(milter.CodeMail, []byte("<a@example.org>\x00")); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	if _, err := idle.Reply(); !errors.Is(err, io.EOF) {
		t.Errorf("a connection without a message was not closed: %v", err)
	}
	if nc, err := net.Dial("unix", r.addr); err == nil {
		nc.Close()
		t.Error("a new connection was taken")
	}
	for _, f := range []milter.Code{milter.CodeEOH, milter.CodeEOB} {
		if reply, err := busy.Command(f, nil); err != nil || !reply.Accepts() {
			t.Fatalf("the message under way is answered %v, error %v", reply, err)
		}
	}
	if _, err := busy.Reply(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection was not closed after its message: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if o := a.next(t); o.Verdict != message.Accepted {
		t.Errorf("the message was %v", o.Verdict)
	}
	a.none(t)
}

func TestStopCutsWhatTakesTooLong(t *testing.T) {
	a := newActor()
	a.at, a.act = message.StageEnd, func(ctx context.Context, _ *message.Message) error { <-ctx.Done(); return ctx.Err() }
	o := testOptions()
	o.ShutdownTimeout = 10 * time.Millisecond
	p := a.pipeline(message.Tempfail)
	r := start(t, o, func() *message.Pipeline { return p })
	scanning, silent := connect(t, r, miltertest.Postfix(), testClient), connect(t, r, miltertest.Postfix(), testClient)
	for _, c := range []*miltertest.Conn{scanning, silent} {
		if _, err := c.Command(milter.CodeMail, []byte("<a@example.org>\x00")); err != nil {
			t.Fatal(err)
		}
	}
	scanning.Put(milter.CodeEOB, nil)
	scanning.Flush()
	if err := r.stop(); !errors.Is(err, ErrCut) {
		t.Errorf("error %v", err)
	}
	for range 2 { // that one's answer may still get out
		if o := a.next(t); o.Verdict != message.Lost && o.Verdict != message.Tempfailed {
			t.Errorf("the message was %v", o.Verdict)
		}
	}
	a.none(t)
}

func TestReloadIsMetByNewMessagesOnly(t *testing.T) {
	before, after := newActor(), newActor()
	var current atomic.Pointer[message.Pipeline]
	current.Store(before.pipeline(message.Tempfail))
	r := start(t, testOptions(), current.Load)
	c := connect(t, r, miltertest.Postfix(), testClient)
	if _, err := c.Command(milter.CodeMail, []byte("<a@example.org>\x00")); err != nil {
		t.Fatal(err)
	}
	current.Store(after.pipeline(message.Tempfail))
	if _, err := c.Command(milter.CodeEOB, nil); err != nil {
		t.Fatal(err)
	}
	send(t, c, testMail())
	if o := before.next(t); o.began != 1 || o.closed != 1 {
		t.Errorf("the message under way met %d of the old checks", o.began)
	}
	if o := after.next(t); o.began != 1 {
		t.Errorf("the next message met %d of the new checks", o.began)
	}
	before.none(t)
}

func TestConnectionsOverTheCapAreTurnedAway(t *testing.T) {
	for name, mta := range mtas() {
		t.Run(name, func(t *testing.T) {
			a := newActor()
			o := testOptions()
			o.MaxConnections = 1
			p := a.pipeline(message.Tempfail)
			r := start(t, o, func() *message.Pipeline { return p })
			first := connect(t, r, mta, testClient)
			for range 3 {
				second := dial(t, r, mta)
				if reply, err := second.Connect(testClient); err != nil || reply.SMTP() != "421 4.3.2 too many connections, please try again later" {
					t.Fatalf("reply %v, error %v", reply, err)
				}
				hangsUp(t, second)
			}
			if result := send(t, first, testMail()); !result.Reply.Accepts() {
				t.Errorf("the first connection is answered %v", result.Reply)
			}
			if got := strings.Count(r.log.String(), "too many milter connections"); got != 1 {
				t.Errorf("%d log lines, want one for all", got)
			}
			first.Quit()
			a.next(t)
			for { // the place is free once the server has seen the end of the first one
				c := dial(t, r, mta)
				reply, err := c.Connect(testClient)
				if err != nil {
					t.Fatal(err)
				}
				if reply.Continues() {
					break
				}
			}
		})
	}
}

func TestTurnedAwayConnectionsAreBoundedToo(t *testing.T) {
	o := testOptions()
	o.MaxConnections = 1
	r := start(t, o, newActor().pipelineFunc())
	var waiting []*miltertest.Conn
	for range 1 + maxTurnedAway {
		waiting = append(waiting, dial(t, r, miltertest.Postfix()))
	}
	if _, err := miltertest.Dial("unix", r.addr, miltertest.Postfix()); err == nil {
		t.Error("one connection too many was negotiated with")
	}
	for _, c := range waiting {
		c.Close()
	}
}

func (a *actor) pipelineFunc() func() *message.Pipeline {
	p := a.pipeline(message.Tempfail)
	return func() *message.Pipeline { return p }
}

func TestSilenceEndsAConnection(t *testing.T) {
	for name, send := range map[string]func(*miltertest.Conn){
		"between frames": func(*miltertest.Conn) {},
		"in a frame":     func(c *miltertest.Conn) { c.Raw([]byte{0, 0, 0, 9, 'M', '<'}) },
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions()
			o.IdleTimeout, o.ReadTimeout = 20*time.Millisecond, 20*time.Millisecond
			r := start(t, o, newActor().pipelineFunc())
			c := dial(t, r, miltertest.Postfix())
			send(c)
			hangsUp(t, c)
		})
	}
}

// wrapping is a listener that wraps its connections.
type wrapping struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (o wrapping) Accept() (net.Conn, error) {
	nc, err := o.Listener.Accept()
	if err == nil {
		nc = o.wrap(nc)
	}
	return nc, err
}

func TestAnswersThatDoNotGetOutAreLost(t *testing.T) {
	a := newActor()
	p := a.pipeline(message.Tempfail)
	s := &running{Server: New(testOptions(), func() *message.Pipeline { return p }, slog.New(slog.DiscardHandler))}
	l, err := s.Listen("inet:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var breaks atomic.Bool
	stop := s.serve(t, wrapping{l, func(nc net.Conn) net.Conn { return breakable{nc, &breaks} }})
	c, err := miltertest.Dial("tcp", l.Addr().String(), miltertest.Postfix())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Command(milter.CodeMail, []byte("<a@example.org>\x00")); err != nil {
		t.Fatal(err)
	}
	breaks.Store(true)
	c.Put(milter.CodeEOB, nil)
	hangsUp(t, c)
	if o := a.next(t); o.Verdict != message.Lost || !strings.Contains(o.Reason, "nobody listens") {
		t.Errorf("outcome %+v", o.Outcome)
	}
	stop()
	a.none(t)
}

// breakable fails its writes once it is told to.
type breakable struct {
	net.Conn
	breaks *atomic.Bool
}

func (b breakable) Write(p []byte) (int, error) {
	if b.breaks.Load() {
		return 0, errors.New("nobody listens")
	}
	return b.Conn.Write(p)
}

// failing is a listener whose first calls of Accept fail.
type failing struct {
	net.Listener
	failures *atomic.Int32
}

func (f failing) Accept() (net.Conn, error) {
	if f.failures.Add(-1) >= 0 {
		return nil, errors.New("too many open files")
	}
	return f.Listener.Accept()
}

func TestAcceptErrorsPass(t *testing.T) {
	a := newActor()
	var log syncBuffer
	p := a.pipeline(message.Tempfail)
	s := &running{Server: New(testOptions(), func() *message.Pipeline { return p }, slog.New(slog.NewTextHandler(&log, nil))), log: &log}
	l, err := s.Listen("inet:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var failures atomic.Int32
	failures.Store(3)
	s.serve(t, failing{l, &failures})
	c, err := miltertest.Dial("tcp", l.Addr().String(), miltertest.Postfix())
	if err != nil {
		t.Fatal(err)
	}
	c.Quit()
	logged(t, s, "too many open files")
}

// counting counts the writes to an MTA.
type counting struct {
	net.Conn
	writes *atomic.Int32
}

func (c counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestModificationsAndReplyLeaveInOneWrite(t *testing.T) {
	a := newActor()
	a.at, a.act = message.StageEnd, edit
	p := a.pipeline(message.Tempfail)
	s := &running{Server: New(testOptions(), func() *message.Pipeline { return p }, slog.New(slog.DiscardHandler))}
	l, err := s.Listen("inet:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var writes atomic.Int32
	s.serve(t, wrapping{l, func(nc net.Conn) net.Conn { return counting{nc, &writes} }})
	c, err := miltertest.Dial("tcp", l.Addr().String(), miltertest.Postfix())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Connect(testClient)
	writes.Store(0)
	send(t, c, testMail())
	if got := writes.Load(); got != 2 { // MAIL, end of message
		t.Errorf("%d writes for a message", got)
	}
}

func TestTheLogHasALineForEachMessage(t *testing.T) {
	a := newActor()
	a.at, a.act = message.StageEnd, func(_ context.Context, m *message.Message) error {
		m.Note("signing", "signed", "d=example.org")
		m.Report(message.Finding{Check: "lint", Rule: "M09"})
		return errors.New("disk on fire")
	}
	r := startActor(t, a, message.Accept)
	c := connect(t, r, miltertest.Postfix(), testClient)
	send(t, c, testMail())
	c.Quit()
	r.stop()
	logged(t, r,
		`msg=message queue_id=TEST000001 client=192.0.2.1 login=shop tls=TLSv1.3 sender=a@example.org recipients=2 size=136 verdict=accepted reply=accept findings=1 notes="signing signed: d=example.org" duration=`,
		`level=ERROR msg="check failed" queue_id=TEST000001 check=actor stage=end policy=accept error="disk on fire"`)
}

func TestChecksAreToldThatTheMTAWentAway(t *testing.T) {
	a := newActor()
	began := make(chan struct{})
	a.at, a.act = message.StageEnd, func(ctx context.Context, _ *message.Message) error {
		close(began)
		<-ctx.Done()
		return nil
	}
	r := startActor(t, a, message.Tempfail)
	c := connect(t, r, miltertest.Postfix(), testClient)
	c.Command(milter.CodeMail, []byte("<a@example.org>\x00"))
	c.Put(milter.CodeEOB, nil)
	c.Flush()
	<-began
	c.Close()
	if o := a.next(t); o.Verdict != message.Lost || o.Stage != message.StageEnd || o.closed != 1 {
		t.Errorf("outcome %+v, closed %d times", o.Outcome, o.closed)
	}
}
