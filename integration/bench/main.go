// Command bench measures Pratique side by side with its peers: OpenDKIM, rspamd
// and clamav-milter, where they are installed, all of them private to the run and
// under the same load in turn. The load is played by a fake MTA on the same
// cores, and through a real Postfix. It prints Markdown.
//
// What is compared must do the same work, so a signature is verified and a virus
// sent before anything is measured.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	sizes       sizes
	connections numbers
	peers       string
	only        string
	rounds      int
	time        time.Duration
	json        string
	pratique    string
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	o := options{sizes: sizes{2 << 10, 50 << 10, 1 << 20, 25 << 20}, connections: numbers{1, 16, 100}}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := fs.Bool("quick", false, "2 KiB and 1 MiB at 1 and 16 connections, signing and scanning: under two minutes")
	fs.Var(&o.sizes, "sizes", "message `sizes`, as 2k,50k,1m")
	fs.Var(&o.connections, "connections", "`numbers` of connections")
	fs.StringVar(&o.peers, "peers", "", "measure only subjects whose `name` holds one of these, separated by commas")
	fs.StringVar(&o.only, "only", "", "run only these `experiments`: signing, scanning, postfix, memory")
	fs.IntVar(&o.rounds, "rounds", 3, "rounds")
	fs.DurationVar(&o.time, "time", 2*time.Second, "time for one load in one round")
	fs.StringVar(&o.json, "json", "", "write everything measured to a `file` too")
	fs.StringVar(&o.pratique, "pratique", "", "measure this `program` and build none")
	if err := fs.Parse(args); err != nil || !*quick {
		return o, err
	}
	err := hurry(fs)
	return o, err
}

// hurry sets what makes a run quick, where the command line does not say otherwise.
func hurry(fs *flag.FlagSet) error {
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"sizes": "2k,1m", "connections": "1,16", "only": "signing,scanning", "time": "800ms"} {
		if given[name] {
			continue
		}
		if err := fs.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, o options) (err error) {
	wanted, err := choose(o.only)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, e := range wanted {
		if err := e.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return b.report()
}

// choose returns the experiments of these names, separated by commas, or all of them.
func choose(names string) ([]experiment, error) {
	all := experiments()
	if names == "" {
		return all, nil
	}
	var chosen []experiment
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(e experiment) bool { return e.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no experiment %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// report prints the results, and keeps them if asked to.
func (b *bench) report() error {
	if b.options.json != "" {
		text, err := json.MarshalIndent(b.results, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(b.options.json, text, 0o644); err != nil {
			return err
		}
	}
	return b.results.markdown(os.Stdout)
}

// numbers is a list of numbers on the command line.
type numbers []int

func (n *numbers) String() string { return strings.Trim(fmt.Sprint([]int(*n)), "[]") }

func (n *numbers) Set(text string) error {
	*n = nil
	for word := range strings.SplitSeq(text, ",") {
		v, err := strconv.Atoi(word)
		if err != nil || v < 1 {
			return fmt.Errorf("%q is not a number above 0", word)
		}
		*n = append(*n, v)
	}
	return nil
}

// sizes is a list of sizes on the command line, such as "2k,25m".
type sizes []int

func (s *sizes) String() string {
	names := make([]string, len(*s))
	for i, size := range *s {
		names[i] = sizeName(size)
	}
	return strings.Join(names, ", ")
}

func (s *sizes) Set(text string) error {
	*s = nil
	for word := range strings.SplitSeq(strings.ToLower(text), ",") {
		digits := strings.TrimRight(word, "kmib")
		v, err := strconv.Atoi(digits)
		if err != nil || v < 1 {
			return fmt.Errorf("%q is not a size such as 2k or 25m", word)
		}
		switch unit := word[len(digits):]; {
		case strings.HasPrefix(unit, "k"):
			v <<= 10
		case strings.HasPrefix(unit, "m"):
			v <<= 20
		}
		*s = append(*s, v)
	}
	return nil
}
