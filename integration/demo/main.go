// Command demo shows the main job on real input: it starts a private Postfix, a
// real clamd, a sink, and pratique between them, sends what should pass and what
// should not, shows every answer and what was delivered, has an independent
// verifier confirm the signatures, prints the counters, and stops all of it. The
// exit status is not zero if anything differs from what is expected.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"pratique/integration/harness"
	"pratique/scanning/clamdtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo PRATIQUE (the program; \"make run\" builds both)")
		os.Exit(2)
	}
	d := &demo{out: os.Stdout, began: time.Now(), binary: os.Args[1]}
	err := d.run(ctx)
	if err = errors.Join(err, d.close()); err != nil {
		fmt.Fprintln(os.Stderr, "demo: failed:", err)
		os.Exit(1)
	}
	fmt.Fprintf(d.out, "\nAll as expected, in %s.\n", time.Since(d.began).Round(100*time.Millisecond))
}

// demo is a run: the programs that it started, and how to end them.
type demo struct {
	out   io.Writer
	began time.Time

	dir      string
	binary   string
	keys     harness.Keys
	clamd    *clamdtest.Real
	sink     *harness.Sink
	postfix  *harness.Postfix
	pratique *harness.Pratique

	closers []func() error // to be called from the last to the first
}

// limit is how many recipients one sender may have in an hour.
const limit = 5

func (d *demo) config() string {
	return fmt.Sprintf(`
[milter]
socket_mode = "0666"

[access]
networks = ["127.0.0.1"]

[scanning]
clamd = %q

[[rates.limits]]
per   = "sender"
count = "recipients"
max   = %d
every = "1h"
then  = "tempfail"

`, d.clamd.Address(), limit) + d.keys.TOML("")
}

func (d *demo) run(ctx context.Context) error {
	if err := d.start(ctx); err != nil {
		return err
	}
	d.title("What is sent through Postfix, and what Postfix answers")
	for _, s := range steps() {
		if err := d.send(ctx, s); err != nil {
			return err
		}
	}
	if err := d.showDelivered(ctx); err != nil {
		return err
	}
	if err := d.showRates(ctx); err != nil {
		return err
	}
	return d.showWhy(ctx)
}

// start starts everything, the daemon after what it needs and before Postfix.
func (d *demo) start(ctx context.Context) (err error) {
	d.title("What is started")
	if d.dir, err = harness.TempDir(); err != nil {
		return err
	}
	d.onClose(func() error { return os.RemoveAll(d.dir) })
	if d.binary, err = filepath.Abs(d.binary); err != nil {
		return err
	}
	if d.keys, err = harness.NewKeys(d.dir); err != nil {
		return err
	}
	for _, start := range []func(context.Context) error{d.startClamd, d.startSink, d.startPratique, d.startPostfix} {
		if err := start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) startClamd(ctx context.Context) error {
	d.clamd = &clamdtest.Real{Dir: filepath.Join(d.dir, "clamd")}
	if err := os.Mkdir(d.clamd.Dir, 0o755); err != nil {
		return err
	}
	d.onClose(func() error { d.clamd.Stop(); return nil })
	if err := d.clamd.Start(ctx); err != nil {
		return err
	}
	d.line("clamd", "%s, with the EICAR signature", d.clamd.Address())
	return nil
}

func (d *demo) startSink(context.Context) (err error) {
	if d.sink, err = harness.StartSink(harness.SinkOptions{}); err != nil {
		return err
	}
	d.onClose(d.sink.Close)
	d.line("sink", "%s, where Postfix delivers to", d.sink.Addr())
	return nil
}

func (d *demo) startPratique(ctx context.Context) (err error) {
	dir := filepath.Join(d.dir, "pratique.d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	listen := []string{"unix:" + filepath.Join(dir, "milter.sock")}
	if d.pratique, err = harness.StartPratique(ctx, d.binary, dir, listen, d.config()); err != nil {
		return err
	}
	d.onClose(d.pratique.Close)
	d.line("pratique", "%s, admits 127.0.0.1, %d recipients an hour for each sender", listen[0], limit)
	d.line("", "signs for example.org with RSA (%s) and Ed25519 (%s)", harness.RSASelector, harness.Ed25519Selector)
	return nil
}

func (d *demo) startPostfix(ctx context.Context) (err error) {
	dir := filepath.Join(d.dir, "postfix")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	o := harness.PostfixOptions{Relay: d.sink.Addr(), Milter: "unix:" + d.pratique.Addresses()[0]}
	if d.postfix, err = harness.StartPostfix(ctx, dir, o); err != nil {
		return err
	}
	d.onClose(d.postfix.Close)
	d.line("postfix", "%s, relays all mail to the sink, own queue and configuration", d.postfix.Addr())
	return nil
}

func (d *demo) onClose(f func() error) { d.closers = append(d.closers, f) }

func (d *demo) close() error {
	var all []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		all = append(all, d.closers[i]())
	}
	return errors.Join(all...)
}

func (d *demo) title(text string) {
	fmt.Fprintf(d.out, "\n%s\n%s\n\n", text, strings.Repeat("-", len(text)))
}

func (d *demo) blank() { fmt.Fprintln(d.out) }

// line prints a line, or several, behind a label.
func (d *demo) line(label, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for part := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintf(d.out, "  %-10s %s\n", label, strings.TrimRight(part, "\r"))
		label = ""
	}
}
