package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"pratique/configs"
	"pratique/journal"
)

// whyOptions is what "why" was asked.
type whyOptions struct {
	config     string
	id         string
	eml        string
	asJSON     bool
	full       bool
	last       int
	since      string
	verdict    string
	rcpt       string
	query      journal.Query
	restricted bool // by anything that says which messages are meant
}

// whySearchTime is how long a search may take.
const whySearchTime = 2 * time.Minute

// why tells the story of a message, from the journal or of one that is played
// through the checks, or lists messages.
func why(e *env, args []string) (int, error) {
	o, err := parseWhy(e, args)
	if err != nil {
		return 0, err
	}
	cfg, err := loadConfig(o.config)
	if err != nil {
		return 0, err
	}
	if o.eml != "" {
		return whyFile(e, cfg, o)
	}
	reader, err := openJournalReader(cfg)
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	if o.id != "" {
		return whyID(e, cfg, reader, o)
	}
	return whySearch(e, reader, o)
}

func parseWhy(e *env, args []string) (*whyOptions, error) {
	o := &whyOptions{}
	q := &o.query
	f := e.flags("why")
	f.StringVar(&o.config, "config", "", "configuration `file` (default "+defaultConfig+")")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	f.BoolVar(&o.full, "full", false, "tell the whole story of each message that a search finds")
	f.IntVar(&o.last, "last", 10, "how many of the messages, the newest first")
	f.StringVar(&o.since, "since", "", "not older than `TIME`, such as 24h or 7d")
	f.StringVar(&o.verdict, "verdict", "", "that ended so: accepted, held, passed, discarded, refused, tempfailed, aborted, lost; several with commas")
	f.StringVar(&q.Client, "client", "", "from the client with this `address`, or \"local\"")
	f.StringVar(&q.Login, "login", "", "from the client with this SASL `login`")
	f.StringVar(&q.Sender, "sender", "", "with this envelope `sender`; \"<>\": the null sender")
	f.StringVar(&q.SenderDomain, "sender-domain", "", "with an envelope sender in this `domain`")
	f.StringVar(&o.rcpt, "rcpt", "", "to this `domain`, or address where addresses are kept")
	f.StringVar(&q.Check, "check", "", "that this `check` decided: access, rates, lint, scanning, signing, ...")
	f.StringVar(&q.Rule, "rule", "", "in which this `rule` found something")
	f.StringVar(&q.UnsignedReason, "unsigned", "", "that left unsigned for this `reason`, such as no_key")
	f.StringVar(&q.Text, "text", "", "with this `text` somewhere in the record")
	f.StringVar(&o.eml, "eml", "", "play this `file` through the checks in place of a search, as sent by --client, --login, --sender, --rcpt")
	if err := e.parse(f, args, 0, 1); err != nil {
		return nil, err
	}
	o.id = f.Arg(0)
	f.Visit(func(given *flag.Flag) {
		switch given.Name {
		case "config", "json", "full", "eml":
		default:
			o.restricted = true
		}
	})
	return o, o.complete(e)
}

// complete checks what was asked and takes words apart.
func (o *whyOptions) complete(e *env) error {
	switch {
	case o.id != "" && (o.restricted || o.eml != ""):
		return hint(errors.New("why takes an ID, or says which messages, or --eml, and not several of these"), "pratique why -h lists the flags")
	case o.id == "" && !o.restricted && o.eml == "":
		return hint(errors.New("why of which message? A queue id or Message-ID is wanted"),
			"\"pratique why --last 10\" shows the last ones, \"pratique why --verdict refused\" those that were refused")
	case o.last < 1:
		return fmt.Errorf("--last %d: at least 1 is wanted", o.last)
	}
	if o.since != "" {
		back, err := configs.ParseDuration(o.since)
		if err != nil || back < 0 {
			return hint(fmt.Errorf("--since %q is no time", o.since), "such as 12h, 7d or 2w")
		}
		o.query.Since = e.now().Add(-back)
	}
	if o.verdict != "" {
		for word := range strings.SplitSeq(o.verdict, ",") {
			verdict, err := verdictOf(word)
			if err != nil {
				return err
			}
			o.query.Verdicts = append(o.query.Verdicts, verdict)
		}
	}
	if o.eml == "" {
		o.aim()
	}
	return nil
}

// aim makes a search of what stands for a client or recipient.
func (o *whyOptions) aim() {
	o.query.Limit = o.last
	if o.query.Client == "local" {
		o.query.Client = "(local)"
	}
	switch at := strings.LastIndexByte(o.rcpt, '@'); {
	case at > 0:
		o.query.Recipient = o.rcpt
	default:
		o.query.RecipientDomain = strings.TrimPrefix(o.rcpt, "@")
	}
}

// verdictOf takes the words that people use for how a message ended.
func verdictOf(word string) (string, error) {
	switch word = strings.ToLower(strings.TrimSpace(word)); word {
	case "accepted", "held", "passed", "discarded", "refused", "tempfailed", "aborted", "lost":
		return word, nil
	case "accept":
		return "accepted", nil
	case "hold":
		return "held", nil
	case "pass":
		return "passed", nil
	case "discard":
		return "discarded", nil
	case "reject", "rejected", "refuse":
		return "refused", nil
	case "tempfail", "deferred", "defer":
		return "tempfailed", nil
	}
	return "", hint(fmt.Errorf("--verdict %q is no way in which a message ends", word),
		"it is one of accepted, held, passed, discarded, refused, tempfailed, aborted, lost")
}

// openJournalReader opens the journal of a configuration.
func openJournalReader(cfg *configs.Config) (*journal.Reader, error) {
	reader, err := journal.OpenReader(cfg.State)
	switch {
	case errors.Is(err, fs.ErrNotExist) && cfg.Journal.Store == "":
		return nil, hint(errors.New("there is no journal: it is switched off"), "set store = \"sqlite\" in [journal] of the configuration")
	case errors.Is(err, fs.ErrNotExist):
		return nil, hint(err, fmt.Sprintf("no daemon has kept a journal in %s yet; is it the state folder of the running one?", cfg.State))
	case errors.Is(err, fs.ErrPermission):
		return nil, hint(err, "run it as root, or as the user that the daemon runs as")
	}
	return reader, err
}

// whyID tells the story of each message with the ID.
func whyID(e *env, cfg *configs.Config, reader *journal.Reader, o *whyOptions) (int, error) {
	ctx := context.Background()
	records, err := reader.Find(ctx, o.id)
	if err != nil {
		return 0, err
	}
	if len(records) == 0 {
		if o.asJSON {
			fmt.Fprintln(e.stdout, "[]")
		}
		return exitFindings, sayUnknown(ctx, e, cfg, reader, o.id)
	}
	if o.asJSON {
		return exitClean, printRecords(e.stdout, records)
	}
	return exitClean, tellStories(e.stdout, records)
}

func printRecords(w io.Writer, records []journal.Record) error {
	if records == nil {
		records = []journal.Record{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(records)
}

func tellStories(w io.Writer, records []journal.Record) error {
	for i := range records {
		if i > 0 {
			fmt.Fprintf(w, "\n%s\n\n", strings.Repeat("-", 72))
		}
		if err := records[i].WriteStory(w, time.Local); err != nil {
			return err
		}
	}
	return nil
}

// sayUnknown says why a message may not be in the journal.
func sayUnknown(ctx context.Context, e *env, cfg *configs.Config, reader *journal.Reader, id string) error {
	extent, err := reader.Extent(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "pratique: there is no message %q in the journal\n", id)
	if extent.First.IsZero() {
		fmt.Fprintln(e.stderr, "It is empty.")
	} else {
		fmt.Fprintf(e.stderr, "It goes back to %s; its last record is from %s.\n", when(extent.First), when(extent.Last))
	}
	for _, g := range extent.Gaps[:min(len(extent.Gaps), 5)] {
		fmt.Fprintf(e.stderr, "%d records are missing from %s to %s: they could not be written.\n", g.Records, when(g.Since), when(g.Until))
	}
	fmt.Fprintln(e.stderr, writing(cfg))
	return nil
}

func when(t time.Time) string { return t.Local().Format("Mon 2 Jan 2006 15:04:05 MST") }

// writing says whether a daemon is writing the journal.
func writing(cfg *configs.Config) string {
	running, err := stateLocked(cfg.State)
	switch {
	case err != nil:
		return fmt.Sprintf("Whether the daemon runs can't be told: %v.", err)
	case !running:
		return "The daemon is not running, so nothing is written now: systemctl status pratique."
	case cfg.Journal.Store == "":
		return "The daemon is running, but the journal is switched off: set store = \"sqlite\" in [journal]."
	}
	return "The daemon is running. What it answers is in the journal within a second; a message that never reached it is not: see the log of the MTA."
}

// stateLocked reports whether a daemon holds the state folder.
func stateLocked(dir string) (bool, error) {
	file, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close() // which ends the lock, if it was free
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// whySearch lists messages, or tells the stories of them.
func whySearch(e *env, reader *journal.Reader, o *whyOptions) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), whySearchTime)
	defer cancel()
	records, err := reader.Search(ctx, o.query)
	if errors.Is(err, context.DeadlineExceeded) {
		fmt.Fprintf(e.stderr, "pratique: hint: the search ended after %v; --since, --client, --login, --sender and --rcpt make it short\n", whySearchTime)
		err = nil
	}
	if err != nil {
		return 0, err
	}
	status := exitClean
	if len(records) == 0 {
		status = exitFindings
	}
	switch {
	case o.asJSON:
		return status, printRecords(e.stdout, records)
	case len(records) == 0:
		fmt.Fprintln(e.stderr, "pratique: no message in the journal is like that")
		return status, nil
	case o.full:
		return status, tellStories(e.stdout, records)
	}
	for i := range records {
		fmt.Fprintln(e.stdout, records[i].Summary(time.Local))
	}
	return status, nil
}

// clientOf is the client that a played message comes from.
func (o *whyOptions) address() (netip.Addr, error) {
	if o.query.Client == "" || o.query.Client == "local" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	addr, err := netip.ParseAddr(o.query.Client)
	if err != nil {
		return addr, hint(fmt.Errorf("--client %q is no address", o.query.Client), "such as 192.0.2.1 or 2001:db8::1, or \"local\" for mail that is not by SMTP")
	}
	return addr, nil
}
