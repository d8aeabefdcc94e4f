package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"pratique/configs"
	"pratique/rates"
)

// ratesCommands are the subcommands of rates.
func ratesCommands() []command {
	return []command{
		{"block", "KIND KEY [--for 24h] [--reason TEXT] [--tempfail]", "refuse all mail of a key, at once", blockKey},
		{"unblock", "KIND KEY", "take its mail again", unblockKey},
		{"blocks", "[--history] [--json]", "list who is blocked, since when, by whom and why", listBlocks},
		{"shared", "[KIND] [--top N] [--json]", "show what all machines together have used of their limits", listShared},
		{"reset", "KIND KEY", "count a key against its limits from now on only", resetKey},
	}
}

func blockKey(e *env, args []string) (int, error) {
	fs := e.flags("rates block")
	long := fs.String("for", "", "how `long`, such as 24h or 7d; without it, until it is unblocked")
	reason := fs.String("reason", "", "`text` for the reply and the list")
	tempfail := fs.Bool("tempfail", false, "answer 451, so that clients try again, in place of 550")
	return giveOrder(e, fs, args, func(cfg *configs.Config, key string) (rates.Order, string, error) {
		o, err := rates.NewOrder(rates.DoBlock, key, cfg.Rates.IPv6Prefix)
		if err != nil {
			return o, "", err
		}
		o.Reason, o.Then = *reason, "reject"
		if *tempfail {
			o.Then = "tempfail"
		}
		until := ""
		if *long != "" {
			length, err := configs.ParseDuration(*long)
			if err != nil || length <= 0 {
				return o, "", fmt.Errorf("--for %q is no length of time such as \"24h\" or \"7d\"", *long)
			}
			o.Until = e.now().UTC().Truncate(time.Second).Add(length)
			until = " until " + o.Until.Local().Format(time.DateTime)
		}
		return o, fmt.Sprintf("blocked %s%s; pratique rates unblock %[1]s takes its mail again", o.Name(), until), nil
	})
}

func unblockKey(e *env, args []string) (int, error) {
	return giveOrder(e, e.flags("rates unblock"), args, func(cfg *configs.Config, key string) (rates.Order, string, error) {
		o, err := rates.NewOrder(rates.DoUnblock, key, cfg.Rates.IPv6Prefix)
		if err != nil {
			return o, "", err
		}
		blocks, _, _, err := rates.ReadOrders(cfg.State, e.now())
		if err != nil {
			return o, "", err
		}
		for _, b := range blocks {
			if b.Kind == o.Kind && b.Key == o.Key {
				return o, fmt.Sprintf("unblocked %s, which was blocked since %s", o.Name(), b.At.Local().Format(time.DateTime)), nil
			}
		}
		return o, "", hint(fmt.Errorf("%s is not blocked", o.Name()), "pratique rates blocks lists what is")
	})
}

func resetKey(e *env, args []string) (int, error) {
	return giveOrder(e, e.flags("rates reset"), args, func(cfg *configs.Config, key string) (rates.Order, string, error) {
		o, err := rates.NewOrder(rates.DoReset, key, cfg.Rates.IPv6Prefix)
		return o, fmt.Sprintf("reset %s: what it sent so far no longer counts against its limits", o.Name()), err
	})
}

// giveOrder parses the arguments KIND KEY, or KIND:KEY, has an order made of them, and
// puts it on record. said is printed when that is done.
func giveOrder(e *env, flags *flag.FlagSet, args []string, make func(cfg *configs.Config, key string) (o rates.Order, said string, err error)) (int, error) {
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	names, err := e.parseNames(flags, args, 1, "KIND", "KEY")
	if err != nil {
		return 0, hint(err, "KIND is client, login, sender, sender_domain, recipient_domain or total; KEY as in \"client 10.0.0.7\"")
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	o, said, err := make(cfg, strings.TrimSpace(names[0]+" "+names[1]))
	if err != nil {
		return 0, keyHint(err, names)
	}
	o.At, o.By = e.now().UTC(), userName()
	if err := rates.Tell(cfg.State, o); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return 0, hint(err, "run it as the user of the daemon, or as root")
		}
		return 0, stateHint(err)
	}
	fmt.Fprintln(e.stdout, said)
	return exitClean, nil
}

// keyHint guesses what was meant by a key without its kind.
func keyHint(err error, names []string) error {
	var hinted *hintedError
	if errors.As(err, &hinted) || names[1] != "" {
		return err
	}
	if _, wrong := rates.NewOrder(rates.DoBlock, "client "+names[0], 128); wrong == nil {
		return hint(err, "did you mean \"client "+names[0]+"\"?")
	}
	return hint(err, "such as \"client 10.0.0.7\", \"login shop\", \"sender info@example.org\" or \"sender_domain example.org\"")
}

// userName is who runs this command, for the record.
func userName() string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if sudo := os.Getenv("SUDO_USER"); sudo != "" && sudo != name {
		name = sudo + " as " + name
	}
	return name
}

// listBlocks prints who is blocked.
func listBlocks(e *env, args []string) (int, error) {
	flags := e.flags("rates blocks")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	history := flags.Bool("history", false, "print every order of the last 90 days, also those that are over")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := e.parse(flags, args, 0, 0); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	blocks, orders, problems, err := rates.ReadOrders(cfg.State, e.now())
	if err != nil {
		return 0, err
	}
	for _, problem := range problems {
		fmt.Fprintln(e.stderr, "pratique: warning:", problem)
	}
	switch {
	case *asJSON && *history:
		return exitClean, json.NewEncoder(e.stdout).Encode(append([]rates.Order{}, orders...))
	case *asJSON:
		return exitClean, json.NewEncoder(e.stdout).Encode(append([]rates.Block{}, blocks...))
	case *history:
		return exitClean, writeOrders(e.stdout, orders)
	}
	return exitClean, writeBlocks(e.stdout, blocks)
}

func writeBlocks(w io.Writer, blocks []rates.Block) error {
	if len(blocks) == 0 {
		_, err := fmt.Fprintln(w, "nobody is blocked")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tSINCE\tUNTIL\tREFUSED\tBY\tREASON")
	for _, b := range blocks {
		until := "unblocked"
		if !b.Until.IsZero() {
			until = b.Until.Local().Format(time.DateTime)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", b.Name(), b.At.Local().Format(time.DateTime),
			until, b.Refused, rates.Printable(b.By), rates.Printable(b.Reason))
	}
	return table.Flush()
}

func writeOrders(w io.Writer, orders []rates.Order) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "AT\tBY\tORDER\tREASON")
	for _, o := range orders {
		order := o.Do + " " + o.Name()
		if !o.Until.IsZero() {
			order += " until " + o.Until.Local().Format(time.DateTime)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", o.At.Local().Format(time.DateTime), rates.Printable(o.By), order, rates.Printable(o.Reason))
	}
	return table.Flush()
}
