package milter

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/message"
	"pratique/milter/miltertest"
)

// TestMain fails if go-milter had anything to print: what goes wrong is ours to log.
func TestMain(m *testing.M) {
	var printed syncBuffer
	log.SetOutput(&printed)
	code := m.Run()
	if text := printed.String(); text != "" {
		os.Stderr.WriteString("go-milter printed to package log:\n" + text)
		code = max(code, 1)
	}
	os.Exit(code)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// actor is a gate, a check and an observer that does as it is told at one stage.
type actor struct {
	at  message.Stage
	act func(ctx context.Context, m *message.Message) error

	mu       sync.Mutex
	outcomes chan outcome
	closed   int
	began    int
	body     []byte
}

type outcome struct {
	message.Outcome
	m      *message.Message
	closed int // Close calls until then
	began  int
}

func newActor() *actor { return &actor{at: message.StageObserve, outcomes: make(chan outcome, 1000)} }

func (a *actor) do(ctx context.Context, at message.Stage, m *message.Message) error {
	if a.at == at && a.act != nil {
		return a.act(ctx, m)
	}
	return nil
}

func (a *actor) Admit(ctx context.Context, m *message.Message) error {
	return a.do(ctx, message.StageMail, m)
}

func (a *actor) Name() string { return "actor" }

func (a *actor) Begin(ctx context.Context, m *message.Message) (message.Inspector, error) {
	if err := a.do(ctx, message.StageBegin, m); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.began++
	return &actorInspector{a, ctx, m}, nil
}

func (a *actor) Observe(m *message.Message, o message.Outcome) {
	a.mu.Lock()
	closed, began := a.closed, a.began
	a.mu.Unlock()
	a.outcomes <- outcome{o, m, closed, began}
}

type actorInspector struct {
	*actor
	ctx context.Context
	m   *message.Message
}

func (i *actorInspector) Header() error { return i.do(i.ctx, message.StageHeader, i.m) }
func (i *actorInspector) Write(p []byte) (int, error) {
	i.mu.Lock()
	if len(i.body) < 1<<20 {
		i.body = append(i.body, p...)
	}
	i.mu.Unlock()
	return len(p), i.do(i.ctx, message.StageBody, i.m)
}
func (i *actorInspector) End() error { return i.do(i.ctx, message.StageEnd, i.m) }
func (i *actorInspector) Close() error {
	i.mu.Lock()
	i.closed++
	i.mu.Unlock()
	return nil
}

func (a *actor) pipeline(policy message.OnError) *message.Pipeline {
	return &message.Pipeline{
		Gates:     []message.Gate{a},
		Checks:    message.NewChain(message.Link{Check: a, OnError: policy}),
		Observers: []message.Observer{a},
	}
}

// next waits for the next outcome.
func (a *actor) next(t *testing.T) outcome {
	t.Helper()
	select {
	case o := <-a.outcomes:
		return o
	case <-time.After(20 * time.Second):
		t.Fatal("no outcome was told")
		return outcome{}
	}
}

// none expects that no outcome is left to be told, once the server has ended.
func (a *actor) none(t *testing.T) {
	t.Helper()
	select {
	case o := <-a.outcomes:
		t.Errorf("one outcome too many: %v %q", o.Verdict, o.Reason)
	default:
	}
}

// running is a server under test.
type running struct {
	*Server
	addr string // of its Unix socket
	log  *syncBuffer
	stop func() error
}

func testOptions() Options {
	o := DefaultOptions()
	o.ShutdownTimeout = 10 * time.Second
	return o
}

func start(t testing.TB, o Options, pipeline func() *message.Pipeline) *running {
	t.Helper()
	r := &running{log: new(syncBuffer), addr: filepath.Join(t.TempDir(), "s")}
	r.Server = New(o, pipeline, slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	l, err := r.Listen("unix:" + r.addr)
	if err != nil {
		t.Fatal(err)
	}
	r.stop = r.serve(t, l)
	return r
}

// serve runs the server until the function that it returns, or the end of the test, stops it.
func (r *running) serve(t testing.TB, listeners ...net.Listener) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, listeners...) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(30 * time.Second):
			return errors.New("the server did not stop")
		}
	})
	t.Cleanup(func() { stop() })
	return stop
}

func startActor(t testing.TB, a *actor, policy message.OnError) *running {
	p := a.pipeline(policy)
	return start(t, testOptions(), func() *message.Pipeline { return p })
}

func dial(t testing.TB, r *running, mta miltertest.MTA) *miltertest.Conn {
	t.Helper()
	c, err := miltertest.Dial("unix", r.addr, mta)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var testClient = miltertest.Client{Name: "client.example", Family: '4', Addr: "192.0.2.1", Port: 1025, Helo: "helo.example", Login: "shop", TLS: "TLSv1.3", Daemon: "MTA"}

func connect(t testing.TB, r *running, mta miltertest.MTA, client miltertest.Client) *miltertest.Conn {
	t.Helper()
	c := dial(t, r, mta)
	if reply, err := c.Connect(client); err != nil || !reply.Continues() {
		t.Fatalf("CONNECT and HELO were answered with %v, error %v", reply, err)
	}
	return c
}

func testMail() miltertest.Mail {
	return miltertest.Mail{
		From: "a@example.org", FromArgs: []string{"SIZE=100", "SMTPUTF8"},
		Recipients: []miltertest.Recipient{{Addr: "b@example.net", Args: []string{"NOTIFY=NEVER"}}, {Addr: "c@example.net"}},
		Header: []miltertest.Field{
			{Name: "From", Value: " a@example.org"},
			{Name: "To", Value: "  b@example.net,\r\n\tc@example.net"},
			{Name: "X-Old", Value: " one"}, {Name: "X-Old", Value: " two"}, {Name: "X-Old", Value: " three"},
			{Name: "Subject", Value: " greetings"},
		},
		Body: []byte("Hello,\r\n\r\nthere.\r\n"),
	}
}

func send(t testing.TB, c *miltertest.Conn, m miltertest.Mail) miltertest.Result {
	t.Helper()
	result, err := c.Send(m)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// hangsUp expects that the server closes the connection, and nothing else.
func hangsUp(t *testing.T, c *miltertest.Conn) {
	t.Helper()
	if err := c.Flush(); err != nil {
		return // it already has
	}
	if r, err := c.Reply(); err == nil {
		t.Fatalf("the server answered %v, it should have hung up", r)
	} else if !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("the server should have hung up: %v", err)
	}
}

func logged(t *testing.T, r *running, parts ...string) {
	t.Helper()
	text := r.log.String()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("the log has no %q:\n%s", p, text)
		}
	}
}
