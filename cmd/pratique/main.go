// Command pratique is a milter for outgoing mail and the tools around it: one
// file a subcommand, and wiring only. What a subcommand does lives in the rooms.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Exit statuses of every subcommand.
const (
	exitClean    = 0
	exitFindings = 1 // it worked, and found something
	exitFailure  = 2 // usage, or it could not do its work
)

// defaultConfig is read when no --config is given; that one may be absent.
const defaultConfig = "/etc/pratique/pratique.toml"

// env is what a subcommand has of the world.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
}

// command is a subcommand. run returns the exit status, or an error, which is exit status 2.
type command struct {
	name, args, does string
	run              func(e *env, args []string) (int, error)
}

func commands() []command {
	return []command{
		{"serve", "[--config FILE]", "run the milter", serve},
		{"setup", "[--domain DOMAIN]… [--apply|--undo] [--yes]", "make a configuration and keys, and wire the milter into the MTA", setUp},
		{"audit", "[--domain NAME] [--brief] [--json|--nagios] | relay HOST:PORT | mta", "look whether this server is fit to send, as receivers see it", audit},
		{"check", "[--config FILE] [--health|--json]", "check configuration, keys, clamd, DNS and the running milter", check},
		{"lint", "[--json|--sarif|--junit|--tree|--fix] FILE… | report [--since 7d]", "judge the form of stored messages, or tell what the daemon found", lintFiles},
		{"preview", "[-o PAGE.html] FILE", "show what a stored message looks like, in one page", previewFile},
		{"sign", "[--config FILE] FILE", "write the signed message to standard output", sign},
		{"forecast", "[--json] FILE…", "tell whether the signatures of messages will survive delivery", forecast},
		{"verify", "[--original FILE] [--json] FILE", "verify the DKIM signatures of a message, and say why", verify},
		{"keys", "new|dns|list|check|rotate|remove …", "make and look after keys that rotate by themselves", keys},
		{"why", "ID | --last 10 [--client A] [--verdict V] … | --eml FILE", "tell the story of a message: what each check said, and why", why},
		{"rates", "[KIND [KEY]] [--top N] [--json] | block|unblock|blocks|reset …", "print what was sent, by whom and to where; refuse a key, count it anew", printRates},
		{"check-rate", "[--per KIND] [--key KEY] [--count C] [-w RANGE] [-c RANGE]", "how much was sent, as a plugin for Nagios or Icinga", checkRate},
		{"munin", "[config|autoconf]", "figures for munin, as a plugin of munin-node", drawMunin},
		{"alerts", "[--config FILE] [--json] | test", "print what is wrong now, or try whether alerts arrive", listAlerts},
		{"canary", "[--config FILE] [--json]", "send a message through the MTA and judge it where it arrives", flyCanary},
		{"queue", "[--config FILE] [-n 10] [--json]", "print what is in the MTA's queue, for where, and why it waits", printQueue},
		{"check-queue", "[-w N] [-c N] [-W AGE] [-C AGE]", "tell Nagios or Icinga how long the MTA's queue is, and how old", checkQueue},
		{"ingest", "[--config FILE] [--maildir FOLDER] [-v]", "read a bounce, complaint or report from standard input", ingest},
		{"feedback", "[--since 1d] [-n 10] [--json] | recipient ADDRESS | suppressed [remove ADDRESS…]", "print what came back: bounces, complaints, DMARC and TLS reports", feedback},
		{"import", "opendkim [-o FILE] [--prove CORPUS] FILE", "translate the configuration of OpenDKIM", importConfig},
		{"config", "[password]", "print the example configuration, which is its manual; or a password for the page", printExample},
		{"version", "", "print the version", version},
	}
}

func main() {
	os.Exit(run(&env{os.Stdin, os.Stdout, os.Stderr, time.Now}, os.Args[1:]))
}

func run(e *env, args []string) int {
	if len(args) == 0 {
		usage(e.stderr)
		return exitFailure
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(e.stdout)
		return exitClean
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return e.report(c.run(e, args[1:]))
		}
	}
	return e.report(0, hint(fmt.Errorf("there is no command %q", args[0]), "pratique help lists them"))
}

// report prints an error as an administrator wants to read it and returns the exit status.
func (e *env) report(status int, err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return exitClean
	}
	if err == nil {
		return status
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(e.stderr, "pratique: error:", line)
	}
	var h *hintedError
	if errors.As(err, &h) {
		fmt.Fprintln(e.stderr, "pratique: hint:", h.hint)
	}
	return exitFailure
}

// hintedError is an error with what to do about it.
type hintedError struct {
	error
	hint string
}

func (h *hintedError) Unwrap() error { return h.error }

func hint(err error, text string) error { return &hintedError{err, text} }

func usage(w io.Writer) {
	fmt.Fprintf(w, "Pratique looks at every outgoing message once: may this client send, is it well\n"+
		"formed, is it clean; then signs it, counts it, and answers the MTA.\n\nUsage:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  pratique %s\n        %s\n", strings.TrimRight(c.name+" "+c.args, " "), c.does)
	}
	fmt.Fprintf(w, "\nA FILE of \"-\" is standard input. Exit status: 0 clean, 1 findings, 2 usage or failure.\n")
}

// flags returns the flag set of a subcommand. Its errors are printed by report, its help to standard output.
func (e *env) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet("pratique "+name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		fmt.Fprintf(e.stdout, "Usage of %s:\n", fs.Name())
		fs.SetOutput(e.stdout)
		fs.PrintDefaults()
	}
	return fs
}

// parse parses the arguments of a subcommand that takes so many FILEs (most < 0: any number).
func (e *env) parse(fs *flag.FlagSet, args []string, least, most int) error {
	help := fs.Usage
	fs.Usage = func() {} // only when it is asked for, not at every error
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		help()
		return err
	} else if err != nil {
		return hint(err, fs.Name()+" -h lists the flags")
	}
	switch n := fs.NArg(); {
	case n < least:
		return hint(fmt.Errorf("%s needs a FILE", fs.Name()), "\"-\" is standard input")
	case most >= 0 && n > most:
		return fmt.Errorf("%s: unexpected argument %q", fs.Name(), fs.Arg(most))
	}
	return nil
}

// open opens a file named on the command line; "-" is standard input.
func (e *env) open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(e.stdin), nil
	}
	return os.Open(name)
}
