package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"

	"pratique/configs"
	"pratique/watch"
	"pratique/watch/reason"
)

// feedback prints what came back, or what is known of one recipient.
func feedback(e *env, args []string) (int, error) {
	if len(args) > 0 && args[0] == "recipient" {
		return feedbackRecipient(e, args[1:])
	}
	if len(args) > 0 && args[0] == "suppressed" {
		return feedbackSuppressed(e, args[1:])
	}
	flags := e.flags("feedback")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	since := flags.String("since", "1d", "how far to look back, such as 12h, 7d or 2w; at most watch.keep")
	n := flags.Int("n", 10, "how many lines of each table to print")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := e.parse(flags, args, 0, 0); err != nil {
		return 0, err
	}
	back, err := configs.ParseDuration(*since)
	if err != nil || back <= 0 {
		return 0, hint(fmt.Errorf("--since %q is no time", *since), "such as 12h, 7d or 2w")
	}
	if *n < 1 {
		return 0, fmt.Errorf("-n %d is not at least 1", *n)
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	store, err := openFeedback(ctx, e, cfg)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	report, err := store.Report(ctx, e.now().Add(-back))
	if err != nil {
		return 0, err
	}
	if *asJSON {
		out := json.NewEncoder(e.stdout)
		out.SetIndent("", "  ")
		return exitClean, out.Encode(report)
	}
	return exitClean, writeFeedback(e.stdout, report, *n)
}

func openFeedback(ctx context.Context, e *env, cfg *configs.Config) (*watch.Store, error) {
	store, err := watch.OpenReader(ctx, cfg.State, e.now)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, hint(err, fmt.Sprintf("nothing has come back to %s yet; is it the state folder of the running daemon?", cfg.State))
	case err != nil:
		return nil, hint(err, "run it as the user that the daemon runs as, or as root")
	}
	return store, nil
}

// writeFeedback prints a report. What there is nothing of is left out.
func writeFeedback(out io.Writer, r *watch.Report, n int) error {
	fmt.Fprintf(out, "since %s: %s sent to %s\n", r.Since.UTC().Format("2006-01-02 15:04 MST"), count(r.Sent.Messages, "message"), count(r.Sent.Recipients, "recipient"))
	fmt.Fprintf(out, "bounced     %d (%s)%s; %d still deferred, %d delivered after that; %d unverified, not in the shares\n",
		r.Bounces.Failed, percent(r.Bounces.Share, r.Sent.Recipients), classes(r.Bounces.Classes), r.Bounces.Deferred, r.Bounces.Delivered, r.Bounces.Unverified)
	fmt.Fprintf(out, "complaints  %d (%s); %d unverified\n", r.Complaints.Certain, percent(r.Complaints.Share, r.Sent.Recipients), r.Complaints.Unverified)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	writeLines(w, "SENDER DOMAIN", r.Senders, n)
	writeLines(w, "CLIENT", r.Clients, n)
	writeLines(w, "RECEIVER", r.Receivers, n)
	writeReasons(w, r.Reasons, n)
	writeRules(w, r.Rules, n)
	writeAttempts(w, r.Deliveries, n)
	writeDMARC(w, r.DMARC, n)
	writeTLS(w, r.TLS, n)
	if len(r.Ingested) > 0 {
		var forms []string
		for _, f := range r.Ingested {
			forms = append(forms, fmt.Sprintf("%s %d", f.Form, f.Messages))
		}
		fmt.Fprintf(w, "\nread: %s\n", strings.Join(forms, ", "))
	}
	return w.Flush()
}

// percent writes a share of a whole that may not be known.
func percent(share float64, of int) string {
	if of == 0 {
		return "share not known"
	}
	return fmt.Sprintf("%.2f %%", 100*share)
}

func classes(counts map[string]int) string {
	var texts []string
	for _, class := range reason.Classes() {
		if n := counts[string(class)]; n > 0 {
			texts = append(texts, fmt.Sprintf("%s %d", class, n))
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return ": " + strings.Join(texts, ", ")
}

// writeLines prints those that something came back for.
func writeLines(w io.Writer, title string, lines []watch.Line, n int) {
	lines = slices.DeleteFunc(slices.Clone(lines), func(l watch.Line) bool { return l.Failed+l.Deferred+l.Complaints == 0 })
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\tSENT TO\tBOUNCED\tSHARE\tDEFERRED\tCOMPLAINTS\tSHARE\tBOUNCES\n", title)
	for _, l := range lines[:min(n, len(lines))] {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%d\t%d\t%s\t%s\n", cmp.Or(l.Key, "-"), l.Recipients, l.Failed, percent(l.BounceShare, l.Recipients), l.Deferred,
			l.Complaints, percent(l.ComplaintShare, l.Recipients), strings.TrimPrefix(classes(l.Classes), ": "))
	}
}

func writeReasons(w io.Writer, reasons []watch.WhyLine, n int) {
	if len(reasons) == 0 {
		return
	}
	fmt.Fprintln(w, "\nREASON\tBOUNCED\tDEFERRED\tAT\tFOR EXAMPLE")
	for _, r := range reasons[:min(n, len(reasons))] {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", r.Key(), r.Failed, r.Deferred, strings.Join(r.Receivers, ", "), r.Example)
	}
}

func writeRules(w io.Writer, rules []watch.RuleLine, n int) {
	if len(rules) == 0 {
		return
	}
	fmt.Fprintln(w, "\nFINDING\tSENT TO\tBOUNCED\tSHARE\tWITHOUT IT\tCOMPLAINTS\tMOSTLY")
	for _, r := range rules[:min(n, len(rules))] {
		mostly := ""
		if r.AtReceiver > 0 {
			mostly = fmt.Sprintf("%d at %s, %s", r.AtReceiver, r.Receiver, r.Reason)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%.2f %%\t%d\t%s\n", r.Rule, r.Recipients, r.Failed, percent(r.Share, r.Recipients), 100*r.Usual, r.Complaints, mostly)
	}
}

func writeAttempts(w io.Writer, attempts []watch.Attempts, n int) {
	if len(attempts) == 0 {
		return
	}
	fmt.Fprintln(w, "\nBY THE LOG\tSENT\tDEFERRED\tBOUNCED\tMEAN DELAY")
	for _, a := range attempts[:min(n, len(attempts))] {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f s\n", cmp.Or(a.Receiver, "-"), a.Sent, a.Deferred, a.Bounced, a.MeanDelay)
	}
}

func writeDMARC(w io.Writer, r watch.DMARCReport, n int) {
	if r.Reports == 0 {
		return
	}
	fmt.Fprintf(w, "\nDMARC: %s, %s, %d passed\n", count(r.Reports, "report"), count(r.Messages, "message"), r.Aligned)
	if len(r.Failing) > 0 {
		fmt.Fprintln(w, "FAILS FROM\tAS\tMESSAGES\tREFUSED\tPASSED FOR\tSAID BY")
	}
	for _, f := range r.Failing[:min(n, len(r.Failing))] {
		source := f.Source
		if f.Ours {
			source += " (other mail of it passes)"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", source, f.HeaderFrom, f.Messages, f.Refused, cmp.Or(f.Passed, "nothing"), strings.Join(f.Reporters, ", "))
	}
}

func writeTLS(w io.Writer, r watch.TLSReport, n int) {
	if r.Reports == 0 {
		return
	}
	fmt.Fprintf(w, "\nTLS: %s, %d sessions succeeded, %d failed\n", count(r.Reports, "report"), r.Succeeded, r.Failed)
	if len(r.Failures) > 0 {
		fmt.Fprintln(w, "DOMAIN\tFAILURE\tSESSIONS\tAT\tPOLICY\tSAID BY")
	}
	for _, f := range r.Failures[:min(n, len(r.Failures))] {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", f.Domain, f.Result, f.Sessions, cmp.Or(f.MX, "-"), f.Policy, strings.Join(f.Reporters, ", "))
	}
}
