package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"pratique/configs"
	"pratique/watch"
)

// feedbackRecipient tells what is known of a recipient, and lets mail to it through again.
func feedbackRecipient(e *env, args []string) (int, error) {
	flags := e.flags("feedback recipient")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	release := flags.Bool("release", false, "let mail to it through again; the daemon knows within seconds")
	if err := e.parse(flags, args, 0, 1); err != nil {
		return 0, err
	}
	if flags.NArg() == 0 {
		return 0, hint(errors.New("feedback recipient needs an ADDRESS"), "pratique feedback suppressed lists those that are refused")
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	address := flags.Arg(0)
	if *release {
		return releaseRecipients(ctx, e, cfg, []string{address})
	}
	store, err := openFeedback(ctx, e, cfg)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	known, err := store.Recipient(ctx, address, cfg.Watch.Suppress)
	if err != nil {
		return 0, err
	}
	return exitClean, writeRecipient(e.stdout, known)
}

// releaseRecipients lets mail to recipients through again.
func releaseRecipients(ctx context.Context, e *env, cfg *configs.Config, addresses []string) (int, error) {
	return changeFeedback(ctx, e, cfg, func(store *watch.Store) error {
		for _, address := range addresses {
			known, err := store.Release(ctx, address)
			if err != nil {
				return err
			}
			text := "%s is let through again, until it bounces once more\n"
			if !known {
				text = "%s never bounced for good, and was not refused\n"
			}
			fmt.Fprintf(e.stdout, text, address)
		}
		return nil
	})
}

// changeFeedback opens what came back to change it.
func changeFeedback(ctx context.Context, e *env, cfg *configs.Config, change func(*watch.Store) error) (int, error) {
	store, err := watch.Open(ctx, cfg.State, e.now, newLogger(e.stderr, cfg))
	if err != nil {
		return 0, hint(err, "run it as the user that the daemon runs as, or as root")
	}
	return exitClean, errors.Join(change(store), store.Close())
}

func writeRecipient(out io.Writer, known watch.Recipient) error {
	if len(known.Events) == 0 {
		fmt.Fprintln(out, "nothing came back from this recipient")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, ev := range known.Events {
		certain := ""
		if !ev.Certain {
			certain = " (unverified)"
		}
		fmt.Fprintf(w, "%s\t%s%s\t%s\tqueue id %s\t%s\n", ev.At.UTC().Format("2006-01-02 15:04"), ev.Status, certain, ev.Reason.Key(), cmp.Or(ev.QueueID, "not known"), ev.Words)
	}
	if !known.Suppressed.IsZero() {
		fmt.Fprintf(w, "refused until %s; --release lets it through\n", known.Suppressed.UTC().Format("2006-01-02 15:04 MST"))
	}
	return w.Flush()
}

// feedbackSuppressed lists the recipients that are refused, or lets some through again.
func feedbackSuppressed(e *env, args []string) (int, error) {
	if len(args) > 0 && args[0] == "remove" {
		return unsuppress(e, args[1:])
	}
	flags := e.flags("feedback suppressed")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	n := flags.Int("n", 20, "how many to print, the latest first")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := e.parse(flags, args, 0, 0); err != nil {
		return 0, err
	}
	if *n < 1 {
		return 0, fmt.Errorf("-n %d is not at least 1", *n)
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	if cfg.Watch.Suppress == 0 {
		none := "no recipient is refused: watch.suppress is \"0s\""
		if *asJSON {
			none = "[]"
		}
		fmt.Fprintln(e.stdout, none)
		return exitClean, nil
	}
	ctx := context.Background()
	store, err := openFeedback(ctx, e, cfg)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	left := &leftMessages{state: cfg.State}
	defer left.Close()
	all, err := store.Suppressed(ctx, left, cfg.Watch.Suppress, *n)
	if err != nil {
		return 0, err
	}
	if *asJSON {
		out := json.NewEncoder(e.stdout)
		out.SetIndent("", "  ")
		return exitClean, out.Encode(all)
	}
	return exitClean, writeSuppressed(e.stdout, all)
}

func writeSuppressed(out io.Writer, all []watch.Suppressed) error {
	if len(all) == 0 {
		fmt.Fprintln(out, "no recipient is refused")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RECIPIENT\tUNTIL\tWHY\tQUEUE ID\tTHE RECEIVER SAID")
	for _, r := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", cmp.Or(r.Address, "…@"+r.Domain), r.Until.Format("2006-01-02 15:04 MST"), r.Reason.Key(), cmp.Or(r.QueueID, "-"), r.Words)
	}
	return w.Flush()
}

// unsuppress lets mail to recipients, or to all of a domain, through again.
func unsuppress(e *env, args []string) (int, error) {
	flags := e.flags("feedback suppressed remove")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	domain := flags.String("domain", "", "let all recipients of this `domain` through, as after a receiver that was mistaken")
	all := flags.Bool("all", false, "let all recipients through, as after a resolver of yours that knew no domain")
	if err := e.parse(flags, args, 0, maxReleased); err != nil {
		return 0, err
	}
	addresses := flags.Args()
	ways := 0
	for _, said := range []bool{len(addresses) > 0, *domain != "", *all} {
		if said {
			ways++
		}
	}
	if ways != 1 {
		return 0, hint(errors.New("whom to let through is not said"), "pratique feedback suppressed remove user@example.net, or --domain example.net, or --all")
	}
	for _, address := range addresses {
		if !strings.Contains(address, "@") {
			return 0, hint(fmt.Errorf("%q is no address", address), "for all recipients of a domain: --domain "+address)
		}
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	if len(addresses) > 0 {
		return releaseRecipients(ctx, e, cfg, addresses)
	}
	return changeFeedback(ctx, e, cfg, func(store *watch.Store) error {
		n, err := store.ReleaseDomain(ctx, *domain, cfg.Watch.Suppress)
		if err == nil {
			fmt.Fprintf(e.stdout, "%s of %s let through again, until they bounce once more\n", count(n, "recipient"), cmp.Or(*domain, "all domains"))
		}
		return err
	})
}

// maxReleased bounds the addresses of one command.
const maxReleased = 1000
