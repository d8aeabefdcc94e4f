package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"pratique/integration/harness"
)

// Two machines, each with its Postfix, share a limit in a Redis, which stalls, dies and
// comes back with nothing.
func TestTwoMachinesShareALimit(t *testing.T) {
	dir := tempDir(t)
	redis, err := harness.StartRedis(t.Context(), dir)
	started(t, redis, err)
	shared := fmt.Sprintf(`
store = "unix://%s"
[[rates.limits]]
per = "sender"
count = "messages"
max = 6
every = "1h"
then = "tempfail"`, redis.Socket())
	a, b := newWorld(t, tables{rates: shared}, harness.SinkOptions{}), newWorld(t, tables{rates: shared}, harness.SinkOptions{})
	atA, atB := a.postfix(a.overUnix()).Addr(), b.postfix(b.overUnix()).Addr()
	n := 0
	letter := func(from string) harness.Mail {
		n++
		m := mail(harness.Letter(fmt.Sprintf("letter%d", n)))
		m.From = from
		return m
	}
	for range 3 {
		a.accepts(atA, letter("first@example.org"))
		b.accepts(atB, letter("first@example.org"))
	}
	for _, w := range []struct {
		*world
		addr string
	}{{a, atA}, {b, atB}} {
		if answer := w.send(w.addr, letter("first@example.org")); answer.Code != 451 || !strings.Contains(answer.String(), "sent 6 messages in the last 1h, limit 6") {
			t.Errorf("the seventh: %s", answer)
		}
	}

	out, err := exec.CommandContext(t.Context(), binary, "rates", "shared", "sender", "--config", a.pratique.Config()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "messages per sender in 1h, all machines together\n  first@example.org  6  of 6  100 %") {
		t.Errorf("rates shared: %v\n%s", err, out)
	}

	// It stalls: one message waits for it, and mail goes on by the counts of each machine.
	if err := redis.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		began := time.Now()
		a.accepts(atA, letter("second@example.org"))
		if took := time.Since(began); i > 0 && took > 2*time.Second {
			t.Errorf("a message took %v", took)
		}
	}
	if answer := a.send(atA, letter("second@example.org")); answer.Code != 451 {
		t.Errorf("the seventh while it stalls: %s", answer)
	}
	if err := redis.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventuallyRefused(t, b, atB, func() harness.Mail { return letter("second@example.org") })

	// It dies and has lost everything: both tell it again what they have sent.
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	redis.Process.Close()
	b.accepts(atB, letter("third@example.org"))
	if err := redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventuallyRefused(t, b, atB, func() harness.Mail { return letter("first@example.org") })
}

// eventuallyRefused waits until mail that another machine has used up the limit for is refused.
func eventuallyRefused(t *testing.T, w *world, addr string, next func() harness.Mail) {
	t.Helper()
	for range 3 { // what this machine may still send by itself
		if answer := w.send(addr, next()); answer.Code == 451 {
			return
		}
		time.Sleep(3 * time.Second)
	}
	t.Error("the other machine's mail is not counted")
}
