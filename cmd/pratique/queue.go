package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"pratique/watch"
	"pratique/watch/queue"
)

// queuePatience bounds a look that somebody waits for: a million messages take half a minute.
const queuePatience = 2 * time.Minute

// printQueue prints what is in the MTA's queue, for where, and why it waits.
func printQueue(e *env, args []string) (int, error) {
	flags := e.flags("queue")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	name := flags.String("queue", "", "look at this `queue`, as in watch.queue of the configuration")
	n := flags.Int("n", 10, "how many destinations, reasons and senders to print")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := e.parse(flags, args, 0, 0); err != nil {
		return 0, err
	}
	if *n < 1 {
		return 0, fmt.Errorf("-n %d is not at least 1", *n)
	}
	sample, err := lookIntoQueue(e, *path, *name, queuePatience)
	if err != nil {
		return 0, err
	}
	sample = sample.Top(*n)
	sample.NameProviders(e.providers(*path))
	if *asJSON {
		out := json.NewEncoder(e.stdout)
		out.SetIndent("", "  ")
		return exitClean, out.Encode(sample)
	}
	return exitClean, writeQueue(e.stdout, sample)
}

// providers returns who takes the mail of domains, as far as what came back tells. A queue
// is worth a look without it as well.
func (e *env) providers(path string) map[string]string {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil
	}
	ctx := context.Background()
	store, err := watch.OpenReader(ctx, cfg.State, e.now)
	if err != nil {
		return nil
	}
	defer store.Close()
	of, err := store.Providers(ctx)
	if err != nil {
		return nil
	}
	return of
}

// lookIntoQueue looks into the named queue, or that of the configuration.
func lookIntoQueue(e *env, path, name string, patience time.Duration) (*queue.Sample, error) {
	if name == "" {
		cfg, err := loadConfig(path)
		if err != nil {
			return nil, err
		}
		name = cfg.Watch.Queue
	}
	if err := queue.CheckName(name); err != nil {
		return nil, err
	}
	if name == queue.Off {
		return nil, hint(errors.New("watch.queue is off"), "--queue postfix, or sendmail, looks all the same")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	source, err := queue.Open(ctx, name, e.now)
	if err != nil {
		return nil, hint(err, "--queue names another one, such as postfix:/etc/postfix-out")
	}
	sample, err := queue.Take(ctx, source, e.now)
	switch {
	case errors.Is(err, fs.ErrPermission):
		err = hint(err, "Postfix shows its queue to the group postdrop, sendmail to root")
	case err != nil:
		err = hint(err, "is the MTA running?")
	}
	return sample, err
}

func writeQueue(out io.Writer, s *queue.Sample) error {
	fmt.Fprintf(out, "%s\n%s for %s, %s, oldest %s; the look took %s\n", s.Source,
		count(s.Messages, "message"), count(s.Recipients, "recipient"), octets(s.Bytes), shortAge(s.Age()), s.Cost.Took.Round(time.Millisecond))
	if s.Messages == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nQUEUE\tMESSAGES\tOLDEST")
	for _, name := range queue.Queues() {
		if q, ok := s.Queues[name]; ok {
			fmt.Fprintf(w, "%s\t%d\t%s\n", name, q.Messages, shortAge(s.At.Sub(q.Oldest)))
		}
	}
	fmt.Fprintln(w, "\nDESTINATION\tWAITING\tDEFERRED\tOLDEST\tWHY")
	for _, d := range s.Destinations {
		name := d.Domain
		if d.Provider != "" {
			name += " (" + d.Provider + ")"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", name, d.Recipients, d.Deferred, shortAge(s.At.Sub(d.Oldest)), whys(d.Reasons))
	}
	if len(s.Reasons) > 0 {
		fmt.Fprintln(w, "\nREASON\tRECIPIENTS\tFOR EXAMPLE")
	}
	for _, r := range s.Reasons {
		fmt.Fprintf(w, "%s\t%d\t%s\n", r.Key(), r.Recipients, r.Example)
	}
	fmt.Fprintln(w, "\nSENDER\tMESSAGES")
	for _, sender := range s.Senders {
		fmt.Fprintf(w, "%s\t%d\n", cmp.Or(sender.Domain, "-"), sender.Messages)
	}
	return w.Flush()
}

// whys names the most frequent reasons of a destination.
func whys(reasons []queue.ReasonCount) string {
	const named = 2
	var texts []string
	for _, r := range reasons[:min(len(reasons), named)] {
		texts = append(texts, fmt.Sprintf("%s ×%d", r.Key(), r.Recipients))
	}
	return strings.Join(texts, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// octets writes a size as people read it.
func octets(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KB", n>>10)
	}
	return fmt.Sprintf("%d octets", n)
}

// shortAge writes an age with its two largest units.
func shortAge(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
