package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"pratique/integration/harness"
)

// bench is one run of the benchmarks.
type bench struct {
	options
	log       *slog.Logger
	site      *site
	generator *generator
	results   results
}

func newBench(ctx context.Context, o options, log *slog.Logger) (*bench, error) {
	dir, err := harness.TempDir()
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, log: log, site: &site{dir: dir, binary: o.pratique}, generator: &generator{time: o.time}}
	b.results = results{Machine: describeMachine(ctx), Rounds: o.rounds, Date: time.Now()}
	if err := b.furnish(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// furnish makes what the subjects share.
func (b *bench) furnish(ctx context.Context) (err error) {
	if b.site.keys, err = harness.NewKeys(b.site.dir); err != nil {
		return err
	}
	if b.site.binary == "" {
		if b.site.binary, err = harness.BuildPratique(ctx, b.site.dir, false); err != nil {
			return err
		}
	}
	b.site.clamd, err = startClamd(ctx, b.site.dir)
	if errors.Is(err, harness.ErrMissing) {
		return nil // the subjects that need it will say so
	}
	return err
}

func (b *bench) close() error {
	if b.site.clamd != nil {
		b.site.clamd.real.Kill()
	}
	return os.RemoveAll(b.site.dir)
}

// experiment measures some subjects under some loads.
type experiment struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

func experiments() []experiment {
	return []experiment{{"signing", measureSigning}, {"scanning", measureScanning}, {"postfix", measurePostfix}, {"memory", measureCrowd}}
}

// signers do what OpenDKIM does, and more.
func signers() []subject {
	return []subject{pratiqueSigning(), pratiqueLinting(), openDKIM(), rspamd(false)}
}

// scanners ask clamd too.
func scanners() []subject {
	return []subject{pratiqueScanning(), rspamd(true), clamavMilter(), clamdAlone()}
}

func measureSigning(ctx context.Context, b *bench) error {
	return b.measure(ctx, append(signers(), pratiqueUnwritten()), points(b.sizes, b.connections), table{
		Title: "Signing", Ours: pratiqueSigning().name,
		Note: "One RSA-2048 signature, relaxed/relaxed, over a Unix socket. Pratique also admits, counts and keeps a record of each message; with lint, all rules are on.",
	})
}

// scanLimit is the size to which scanning is measured: behind it only clamd is.
const scanLimit = 1 << 20

func measureScanning(ctx context.Context, b *bench) error {
	small := slices.DeleteFunc(slices.Clone(b.sizes), func(size int) bool { return size > scanLimit })
	return b.measure(ctx, scanners(), points(small, b.connections), table{
		Title: "Scanning and signing", Ours: pratiqueScanning().name,
		Note: "All ask the same clamd, which knows one signature; no letter comes twice. The CPU time is without clamd's. clamav-milter does not sign.",
	})
}

// measure starts the subjects, measures them, and stops them.
func (b *bench) measure(ctx context.Context, subjects []subject, points []point, t table) error {
	return b.with(ctx, "unix", subjects, func(all []*running) (err error) {
		t.Rows, err = b.generator.rounds(ctx, b.log, b.rounds, all, points)
		b.results.Tables = append(b.results.Tables, t)
		return err
	})
}

// with has subjects run while f does.
func (b *bench) with(ctx context.Context, network string, subjects []subject, f func([]*running) error) error {
	all, out, err := muster(ctx, b.site, network, slices.DeleteFunc(subjects, b.unwanted))
	for _, o := range out {
		if !slices.Contains(b.results.LeftOut, o) {
			b.results.LeftOut = append(b.results.LeftOut, o)
		}
	}
	if err == nil {
		err = f(all)
	}
	return errors.Join(err, closeAll(all))
}

func (b *bench) unwanted(s subject) bool {
	if b.peers == "" {
		return false
	}
	return !slices.ContainsFunc(strings.Split(b.peers, ","), func(word string) bool {
		return strings.Contains(strings.ToLower(s.name), strings.ToLower(word))
	})
}

// postfixSize is the size of the letters that go through Postfix.
const postfixSize = 2 << 10

func measurePostfix(ctx context.Context, b *bench) error {
	for _, wiring := range []struct {
		network, title string
		subjects       []subject
		ours           subject
	}{
		{"unix", "Signing behind Postfix, over a Unix socket", signers(), pratiqueLinting()},
		{"unix", "Scanning and signing behind Postfix, over a Unix socket", []subject{pratiqueScanning(), rspamd(true)}, pratiqueScanning()},
		{"tcp", "Signing behind Postfix, over TCP", signers(), pratiqueLinting()},
	} {
		t := table{
			Title: wiring.title, Ours: wiring.ours.name,
			Note: "Each letter on an SMTP session of its own, so many at a time; the wait is for the whole session. " +
				"CPU time and memory are the milter's.",
		}
		err := b.with(ctx, wiring.network, wiring.subjects, func(all []*running) error { return b.throughPostfix(ctx, all, t) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) throughPostfix(ctx context.Context, milters []*running, t table) error {
	sink, err := harness.StartSink(harness.SinkOptions{})
	if err != nil {
		return err
	}
	defer sink.Close()
	all, err := musterPostfix(ctx, b.site, sink, milters)
	if errors.Is(err, harness.ErrMissing) {
		b.results.LeftOut = append(b.results.LeftOut, omission{t.Title, err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	t.Rows, err = b.generator.rounds(ctx, b.log, b.rounds, all, points([]int{postfixSize}, []int{1, 16}))
	b.results.Tables = append(b.results.Tables, t)
	return errors.Join(err, closeAll(all))
}

// measureCrowd starts fresh subjects: what an earlier load left behind is not theirs at rest.
func measureCrowd(ctx context.Context, b *bench) error {
	return b.with(ctx, "unix", signers(), func(all []*running) error {
		for _, r := range all {
			c, err := b.generator.crowded(ctx, r)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			b.log.Info("measured", "subject", r.name, "idle", c.Idle>>10, "peak", c.Memory.Peak>>10)
			b.results.Crowd = append(b.results.Crowd, c)
		}
		return nil
	})
}
