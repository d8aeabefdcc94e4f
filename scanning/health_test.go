package scanning

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/scanning/clamdtest"
)

// commands runs every command to clamd.
func commands(ctx context.Context, s *Scanner) map[string]error {
	_, version := s.Version(ctx)
	_, stats := s.Stats(ctx)
	return map[string]error{"PING": s.Ping(ctx), "VERSION": version, "STATS": stats, "RELOAD": s.Reload(ctx)}
}

func TestCommands(t *testing.T) {
	for name, addr := range map[string]string{
		"fake":     clamdtest.Start(t, clamdtest.Clean).Address(),
		"fake tcp": clamdtest.StartTCP(t, clamdtest.Clean).Address(),
	} {
		t.Run(name, func(t *testing.T) { testCommands(t, addr, 12) })
	}
	t.Run("real", func(t *testing.T) { testCommands(t, clamdtest.StartReal(t, nil).Address(), 4) })
}

func testCommands(t *testing.T, addr string, maxThreads int) {
	ctx := context.Background()
	s := newScanner(t, options(addr))
	for command, err := range commands(ctx, s) {
		if err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	if version, _ := s.Version(ctx); !strings.HasPrefix(version, "ClamAV 1.") {
		t.Errorf("version = %q", version)
	}
	stats, _ := s.Stats(ctx)
	if stats.State != "STATE: VALID PRIMARY" || stats.MaxThreads() != maxThreads {
		t.Errorf("stats = %+v, max threads %d", stats, stats.MaxThreads())
	}
}

func TestCommandsFail(t *testing.T) {
	for name, clamd := range map[string]func(testing.TB) string{
		"absent":       clamdtest.Absent,
		"refusing":     clamdtest.Refusing,
		"dies at once": fake(clamdtest.DieAtOnce), // go-clamd's PING and RELOAD panic
		"nonsense":     fake(clamdtest.Greet("220 mail.example.org ESMTP\n")),
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(clamd(t))
			opts.Timeout = 200 * time.Millisecond // the nonsense one does not hang up
			for command, err := range commands(context.Background(), newScanner(t, opts)) {
				if err == nil {
					t.Errorf("%s: no error", command)
				} else if !strings.Contains(err.Error(), command+" to clamd") {
					t.Errorf("%s: error %q", command, err)
				}
			}
		})
	}
}

// A command that is never answered neither holds up its caller nor piles up.
func TestUnansweredCommand(t *testing.T) {
	clamd := clamdtest.Start(t, clamdtest.StallAtOnce)
	opts := options(clamd.Address())
	opts.Timeout = 50 * time.Millisecond
	s := newScanner(t, opts)
	for range 5 {
		if err := s.Ping(context.Background()); err == nil {
			t.Fatal("no error")
		}
	}
	if n := len(clamd.Scans()); n > 1 {
		t.Errorf("%d connections, want one", n)
	}
}

func TestWatchLogsChanges(t *testing.T) {
	asked := make(chan struct{})
	there := func(c *clamdtest.Conn) {
		c.ReadStream()
		asked <- struct{}{}
	}
	away := func(*clamdtest.Conn) { asked <- struct{}{} }
	behaviours := []clamdtest.Behaviour{there, there, away, away, there, there}
	clamd := clamdtest.Start(t, append(behaviours, clamdtest.Clean)...)
	var log bytes.Buffer
	s, err := New(options(clamd.Address()), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var told []bool
	go func() {
		defer close(done)
		s.Watch(ctx, time.Millisecond, func(err error) { told = append(told, err == nil) })
	}()
	for range behaviours {
		<-asked
	}
	cancel()
	<-done
	if got := log.String(); strings.Count(got, "clamd is there") != 2 || strings.Count(got, "clamd does not answer") != 1 {
		t.Errorf("log:\n%s", got)
	}
	// The last answer may come after the end.
	if want := []bool{true, true, false, false, true}; len(told) < len(want) || !slices.Equal(told[:len(want)], want) {
		t.Errorf("told %v", told)
	}
}
