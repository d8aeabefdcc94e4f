package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/scanning/clamdtest"
)

// tables is the configuration of the daemon, table by table; "" is the usual one.
// All are without their heading but signing, which is as Keys.TOML makes it.
type tables struct {
	access, milter, scanning, signing, survival, rates, lint string
	clamd                                                    string // address; "": no scanning
}

func (c tables) toml() string {
	return strings.Join([]string{
		"[access]\n" + cmp.Or(c.access, `networks = ["127.0.0.1", "::1"]`),
		"[milter]\n" + cmp.Or(c.milter, `socket_mode = "0666"`),
		"[lint]\n" + c.lint,
		"[scanning]\n" + fmt.Sprintf("clamd = %q\n", c.clamd) + c.scanning,
		cmp.Or(c.signing, signingKeys.TOML("")),
		"[survival]\n" + c.survival,
		"[rates]\n" + c.rates,
	}, "\n\n") + "\n"
}

// world is the daemon with the sink behind it, and an MTA before it once one was started.
type world struct {
	*testing.T
	ctx      context.Context
	sink     *harness.Sink
	pratique *harness.Pratique
	socket   string // of the daemon
	port     string // of the daemon, host:port
}

// testPatience bounds a whole test: more than any of them takes, less than the test binary has.
const testPatience = time.Minute

func newWorld(t *testing.T, c tables, o harness.SinkOptions) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx}
	sink, err := harness.StartSink(o)
	w.sink = started(t, sink, err)
	dir := tempDir(t)
	w.socket = filepath.Join(dir, "m.sock")
	listen := []string{"unix:" + w.socket, "inet:127.0.0.1:0"}
	w.pratique, err = harness.StartPratique(ctx, binary, dir, listen, c.toml())
	started(t, w.pratique, err)
	w.port = w.pratique.Addresses()[1]
	return w
}

// postfix starts a Postfix before the daemon. Settings come in pairs, name and value.
func (w *world) postfix(milter string, settings ...string) *harness.Postfix {
	w.Helper()
	o := harness.PostfixOptions{Relay: w.sink.Addr(), Milter: milter, Set: map[string]string{}}
	for i := 0; i < len(settings); i += 2 {
		o.Set[settings[i]] = settings[i+1]
	}
	p, err := harness.StartPostfix(w.ctx, tempDir(w.T), o)
	return started(w.T, p, err)
}

// overUnix and overTCP are how Postfix is told where the daemon listens.
func (w *world) overUnix() string { return "unix:" + w.socket }
func (w *world) overTCP() string  { return "inet:" + w.port }

func (w *world) sendmail() *harness.Sendmail {
	w.Helper()
	s, err := harness.StartSendmail(w.ctx, tempDir(w.T),
		harness.SendmailOptions{Unpacked: unpackedSendmail, Relay: w.sink.Addr(), Milter: "local:" + w.socket})
	return started(w.T, s, err)
}

// started skips the test when what it started is missing, unless the real
// programs are demanded. What was started is closed at the end of the test; if
// that failed, the tail of its log is shown first.
func started[T io.Closer](t *testing.T, program T, err error) T {
	t.Helper()
	if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Close(); err != nil {
			t.Error(err)
		}
		if logger, ok := any(program).(interface{ Log() string }); ok && t.Failed() {
			t.Logf("log of %T:\n%s", program, harness.Tail(logger.Log(), 30))
		}
	})
	return program
}

// realClamd starts a clamd that knows EICAR and returns its address.
func realClamd(t *testing.T) string { return clamdtest.StartReal(t, nil).Address() }

func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := harness.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// mail is a message from the usual sender to the usual recipient.
func mail(data []byte) harness.Mail {
	return harness.Mail{From: "sender@example.org", To: []string{"recipient@example.net"}, Data: data}
}

// send sends a message in a session of its own and returns the answer.
func (w *world) send(addr string, m harness.Mail) harness.Answer {
	w.Helper()
	return w.sendFrom(addr, "", m)
}

// sendFrom is send from another local address.
func (w *world) sendFrom(addr, from string, m harness.Mail) harness.Answer {
	w.Helper()
	answer, err := harness.Send(w.ctx, addr, from, m)
	if err != nil {
		w.Fatal(err)
	}
	return answer
}

// accepts expects the MTA to take a message.
func (w *world) accepts(addr string, m harness.Mail) {
	w.Helper()
	if answer := w.send(addr, m); !answer.Accepted() {
		w.Fatalf("answered %s", answer)
	}
}

// refuses expects an answer to a command that begins with this code and holds all of these texts.
func (w *world) refuses(answer harness.Answer, to string, code int, texts ...string) {
	w.Helper()
	if answer.To != to || answer.Code != code {
		w.Errorf("answered %s; expected %d to %s", answer, code, to)
	}
	for _, text := range texts {
		if !strings.Contains(answer.String(), text) {
			w.Errorf("answered %s; expected it to hold %q", answer, text)
		}
	}
}

// delivered waits for the message with this subject at the sink.
func (w *world) delivered(subject string) harness.Delivery {
	w.Helper()
	d, err := w.sink.Await(w.ctx, "Subject: "+subject+"\r\n")
	if err != nil {
		w.Fatal(err)
	}
	return d
}

// nothingDelivered expects the sink to be empty. What was to be delivered is
// known to be gone before: Postfix answered, and its queue is empty.
func (w *world) nothingDelivered(p *harness.Postfix) {
	w.Helper()
	if queued := w.queue(p); len(queued) > 0 {
		w.Errorf("the queue holds %+v", queued)
	}
	for _, d := range w.sink.Deliveries() {
		w.Errorf("this was delivered:\n%s", d.Data)
	}
}

func (w *world) queue(p *harness.Postfix) []harness.Queued {
	w.Helper()
	queued, err := p.Queue(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return queued
}
