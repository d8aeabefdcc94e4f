package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"pratique/configs"
	"pratique/watch"
	"pratique/watch/maildir"
)

// exitTempFail tells an MTA to keep the message and to try again (sysexits.h EX_TEMPFAIL).
const exitTempFail = 75

// ingestPatience bounds the reading of one message: pipe(8) gives up after command_time_limit, 1000s.
const ingestPatience = time.Minute

// ingest reads a message that came back from standard input, or those of a Maildir.
//
// From standard input it serves an alias or a pipe: whatever goes wrong, its exit
// status is 75, for any other one has the MTA bounce the bounce, and it is lost.
func ingest(e *env, args []string) (int, error) {
	flags := e.flags("ingest")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	folder := flags.String("maildir", "", "read what is in \"new\" of this Maildir `folder`, and move it to \"cur\"")
	verbose := flags.Bool("v", false, "say what each message was")
	err := e.parse(flags, args, 0, 0)
	if errors.Is(err, flag.ErrHelp) {
		return exitClean, err
	}
	status := exitTempFail
	if *folder != "" {
		status = exitFailure
	}
	if err == nil {
		err = e.ingestAll(*path, *folder, *verbose)
	}
	if err != nil {
		e.report(0, err) // prints it; the exit status is ours
		return status, nil
	}
	return exitClean, nil
}

func (e *env) ingestAll(path, folder string, verbose bool) error {
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	in, err := openIngest(context.Background(), e, cfg)
	if err != nil {
		return err
	}
	defer in.close()
	if verbose {
		in.said = e.stdout
	}
	if folder == "" {
		message, err := io.ReadAll(io.LimitReader(e.stdin, watch.MaxMessage+1))
		if err != nil {
			return fmt.Errorf("read the message: %w", err)
		}
		if len(message) > watch.MaxMessage {
			in.log.Warn("a message is larger than any report, and is passed over", "octets", len(message))
			return nil
		}
		return in.soon("standard input", message)
	}
	n, err := maildir.Take(folder, maxAtOnce, watch.MaxMessage, in.soon, in.skipped)
	if verbose {
		fmt.Fprintf(e.stdout, "%s read\n", count(n, "message"))
	}
	return err
}

// maxAtOnce bounds the messages of one run over a Maildir.
const maxAtOnce = 100_000

// intake is where what came back goes to.
type intake struct {
	store *watch.Store
	left  *leftMessages
	log   *slog.Logger
	said  io.Writer // nil: nobody wants to hear
}

func openIngest(ctx context.Context, e *env, cfg *configs.Config) (*intake, error) {
	log := newLogger(e.stderr, cfg)
	store, err := watch.Open(ctx, cfg.State, e.now, log)
	if err != nil {
		return nil, hint(err, "the user that runs this must be able to write into the state folder: let pipe(8) run it as pratique")
	}
	return &intake{store: store, left: &leftMessages{state: cfg.State}, log: log}, nil
}

func (in *intake) close() error { return errors.Join(in.left.Close(), in.store.Close()) }

// soon keeps one message, or gives up.
func (in *intake) soon(name string, message []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), ingestPatience)
	defer cancel()
	return in.message(ctx, name, message)
}

// message keeps one message. One that has the reader panic is passed over: it would
// be in the way of all others for ever.
func (in *intake) message(ctx context.Context, name string, message []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			in.log.Error("panic", "in", "reading a message that came back, which is passed over", "message", name, "panic", v, "stack", string(debug.Stack()))
			err = nil
		}
	}()
	r, err := in.store.Ingest(ctx, in.left, message)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if r.Problem != "" {
		in.log.Warn("a report can't be read, and is passed over", "message", name, "problem", r.Problem)
	}
	if in.said != nil {
		text := fmt.Sprintf("%s: %s, of %s (%d certain)", name, r.Form, count(r.Events, "recipient"), r.Certain)
		if r.Duplicate {
			text = name + ": read before"
		}
		fmt.Fprintln(in.said, text)
	}
	return nil
}

func (in *intake) skipped(name string, why error) {
	in.log.Warn("a message is passed over", "message", name, "problem", why)
}
