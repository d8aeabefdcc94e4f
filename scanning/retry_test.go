package scanning

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pratique/message"
	"pratique/scanning/clamdtest"
)

// onDial has f called before each dial, with its number from 1.
func onDial(s *Scanner, f func(n int32)) {
	var dials atomic.Int32
	dial := s.dial
	s.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		f(dials.Add(1))
		return dial(ctx, network, addr)
	}
}

func TestRefusedWhileReloading(t *testing.T) {
	for size, raw := range map[string][]byte{"small": mail(small), "large": mail(large)} {
		t.Run(size, func(t *testing.T) {
			clamd := clamdtest.Start(t, clamdtest.Clean)
			clamd.Refuse()
			s := newScanner(t, options(clamd.Address()))
			onDial(s, func(n int32) {
				if n == 4 {
					clamd.Listen(t)
				}
			})
			m, err := play(t, s, raw)
			if err != nil || note(m, "verdict") != "clean" || note(m, "attempts") != "4" {
				t.Errorf("answer = %v, notes %v", err, m.Notes)
			}
			if scans := clamd.Scans(); !bytes.Equal(scans[0].Stream, marked(raw)) {
				t.Errorf("clamd got %d of %d octets", len(scans[0].Stream), len(raw))
			}
		})
	}
}

func TestBrokenConnection(t *testing.T) {
	kept, more := mail(replayed*chunkSize-1000), mail((replayed+1)*chunkSize)
	tests := []struct {
		name     string
		fault    clamdtest.Behaviour
		times    int
		raw      []byte
		survives bool
	}{
		{"at once", clamdtest.DieAtOnce, 1, kept, true},
		{"after 10", clamdtest.DieAt(10), 1, kept, true},
		{"before the answer", clamdtest.DieBeforeAnswer, 1, kept, true},
		{"twice", clamdtest.DieBeforeAnswer, 2, kept, true},
		{"three times", clamdtest.DieBeforeAnswer, 3, kept, false},
		{"empty message", clamdtest.DieBeforeAnswer, 1, []byte("\r\n"), true},
		{"more than is kept", clamdtest.DieBeforeAnswer, 1, more, false},
		{"an error is an answer", clamdtest.Answer("stream: Can't open file ERROR"), 1, kept, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var behaviours []clamdtest.Behaviour
			for range tt.times {
				behaviours = append(behaviours, tt.fault)
			}
			clamd := clamdtest.Start(t, append(behaviours, clamdtest.Clean)...)
			m, err := play(t, newScanner(t, options(clamd.Address())), tt.raw)
			if !tt.survives {
				if err == nil {
					t.Errorf("accepted, notes %v", m.Notes)
				}
				return
			}
			if err != nil {
				t.Fatalf("answer = %v, failures %v", err, m.Failures)
			}
			scans := clamd.Scans()
			if len(scans) != tt.times+1 || !bytes.Equal(scans[tt.times].Stream, marked(tt.raw)) {
				t.Errorf("clamd got %d scans, the last of %d octets", len(scans), len(scans[len(scans)-1].Stream))
			}
		})
	}
}

// A clamd that is gone for good must not keep one process of the MTA for each message.
func TestNobodyWaitsForAClamdThatIsGone(t *testing.T) {
	clamd := clamdtest.Start(t, clamdtest.Clean)
	clamd.Refuse()
	opts := options(clamd.Address())
	opts.Timeout = 400 * time.Millisecond
	var log bytes.Buffer
	s, err := New(opts, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	var dials int32
	onDial(s, func(n int32) { dials = n })
	if _, err := play(t, s, mail(small)); err == nil {
		t.Fatal("accepted")
	}
	if dials < 2 {
		t.Fatalf("%d dials for the first message, want more", dials)
	}
	for range 3 {
		before := dials
		if _, err := play(t, s, mail(small)); err == nil {
			t.Fatal("accepted")
		}
		if dials != before+1 {
			t.Errorf("%d dials for the next message, want one", dials-before)
		}
	}
	clamd.Listen(t)
	s.opts.Timeout = DefaultOptions().Timeout
	if _, err := play(t, s, mail(small)); err != nil {
		t.Errorf("it is back: %v", err)
	}
	if got := log.String(); strings.Count(got, "clamd is gone") != 1 || strings.Count(got, "clamd is back") != 1 {
		t.Errorf("log:\n%s", got)
	}
}

func TestScansUnderWayAreBounded(t *testing.T) {
	const most, messages = 2, 8
	var open, peak atomic.Int32
	clamd := clamdtest.Start(t, func(c *clamdtest.Conn) {
		n := open.Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		complete := c.ReadStream()
		open.Add(-1) // before the answer, after which the client gives its place away
		if complete {
			c.Answer("stream: OK")
		}
	})
	opts := options(clamd.Address())
	opts.MaxScans = most
	s := newScanner(t, opts)
	answers := make(chan error, messages)
	for range messages {
		go func() {
			m := &message.Message{}
			answers <- message.Play(context.Background(), s, m, bytes.NewReader(mail(large)), nil)
		}()
	}
	for range messages {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if peak.Load() > most {
		t.Errorf("%d scans at once, want at most %d", peak.Load(), most)
	}
}

func TestNoPlaceWithinTheTime(t *testing.T) {
	opts := options(clamdtest.Start(t, clamdtest.Clean).Address())
	opts.MaxScans = 1
	opts.Timeout = 100 * time.Millisecond
	s := newScanner(t, opts)
	s.places <- struct{}{}
	m := &message.Message{}
	err := message.Play(context.Background(), s, m, bytes.NewReader(mail(large)), nil)
	if !errors.Is(err, context.DeadlineExceeded) && (err == nil || !strings.Contains(err.Error(), "1 other scans are under way")) {
		t.Errorf("err = %v", err)
	}
	<-s.places
	s.opts.Timeout = DefaultOptions().Timeout
	if _, err := play(t, s, mail(large)); err != nil {
		t.Errorf("with a place: %v", err)
	}
}

// Whatever the message was doing when it was given up, nothing of it stays behind.
func TestNothingIsLeftOfAnAbortedMessage(t *testing.T) {
	tests := map[string]struct {
		clamd func(testing.TB) string
		size  int
	}{
		"after the header":           {fake(clamdtest.StallBeforeAnswer), 0},
		"in the body":                {fake(clamdtest.StallBeforeAnswer), large},
		"while clamd does not read":  {fake(clamdtest.StallAtOnce), 2 * chunkSize},
		"while dialling":             {clamdtest.Refusing, 2 * chunkSize},
		"between dials":              {clamdtest.Absent, 0},
		"after clamd has hung up":    {fake(clamdtest.DieAtOnce), chunkSize},
		"after clamd gave a verdict": {fake(clamdtest.SizeLimit(10)), large},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			addr := tt.clamd(t)
			s := newScanner(t, options(addr))
			for range 20 {
				ctx, cancel := context.WithCancel(context.Background())
				i, err := s.Begin(ctx, &message.Message{})
				if err != nil {
					t.Fatal(err)
				}
				if err := i.Header(); err != nil {
					t.Fatal(err)
				}
				if tt.size > 0 {
					_, _ = i.Write(mail(tt.size)) // may be refused by then
				}
				if err := i.Close(); err != nil {
					t.Error(err)
				}
				cancel()
			}
			if n := len(s.places); n > 0 {
				t.Errorf("%d places are still taken", n)
			}
			// Close has waited for the goroutines, but they may have a last step to go.
			for deadline := time.Now().Add(10 * time.Second); scansRunning() > 0; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Fatalf("%d scans are still running", scansRunning())
				}
			}
		})
	}
}

// scansRunning counts the goroutines of scans.
func scansRunning() int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "created by pratique/scanning.(*Scanner).begin")
}

func TestCloseBeforeHeader(t *testing.T) {
	s := newScanner(t, options("unix:/nonexistent"))
	i, err := s.Begin(context.Background(), &message.Message{})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

// The message's own context ends a Write that waits for a clamd that doesn't read.
func TestContextEndsAWrite(t *testing.T) {
	s := newScanner(t, options(clamdtest.Start(t, clamdtest.StallAtOnce).Address()))
	ctx, cancel := context.WithCancel(context.Background())
	s.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		defer cancel()
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	err := message.Play(ctx, s, &message.Message{}, bytes.NewReader(mail(8*large)), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want canceled", err)
	}
}

// The message's own context ends a scan that waits for the verdict.
func TestContextEndsTheScan(t *testing.T) {
	reached := make(chan struct{})
	clamd := clamdtest.Start(t, func(c *clamdtest.Conn) {
		c.ReadStream()
		close(reached)
		c.Stall()
	})
	s := newScanner(t, options(clamd.Address()))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-reached
		cancel()
	}()
	err := message.Play(ctx, s, &message.Message{}, bytes.NewReader(mail(small)), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want canceled", err)
	}
	clamd.WaitIdle()
}

// An administrator is told what it was that took too long.
func TestErrorsTellWhatTookTooLong(t *testing.T) {
	const timeout = 250 * time.Millisecond
	late := func(clamd string, scan func(i message.Inspector) error) string {
		opts := options(clamd)
		opts.Timeout = timeout
		s := newScanner(t, opts)
		s.dial = new(net.Dialer).DialContext // with no time limit of its own
		i := begin(t, s)
		defer i.Close()
		return describe(scan(i))
	}
	end := func(i message.Inspector) error { return i.End() }
	endless := func(i message.Inspector) error {
		for {
			if _, err := i.Write(mail(small)); err != nil {
				return err
			}
		}
	}
	slowMTA := func(i message.Inspector) error {
		<-i.(*inspector).scan.done
		return i.End()
	}
	stalls := fake(clamdtest.StallAtOnce)(t)
	for want, got := range map[string]string{
		"clamd took the connection and fell silent": late(stalls, end),
		"fell silent":                        late(stalls, endless),
		"no such file":                       late(clamdtest.Absent(t), end),
		"connection refused":                 late(clamdtest.Refusing(t), end),
		"has not come to its end":            late(fake(clamdtest.Clean)(t), slowMTA),
		"no verdict within 250ms: dial unix": late(clamdtest.Absent(t), end),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("error = %q, want one of %q", got, want)
		}
	}
}

// A panic in the scan's own goroutine is a failure like any other.
func TestPanicIsAFailure(t *testing.T) {
	s := newScanner(t, options("unix:/nonexistent"))
	onDial(s, func(int32) { panic("boom") })
	m, err := play(t, s, mail(small))
	var broken *message.PanicError
	if err == nil || len(m.Failures) != 1 || !errors.As(m.Failures[0].Err, &broken) {
		t.Errorf("answer = %v, failures %v", err, m.Failures)
	}
}
